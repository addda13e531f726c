package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// partitionings are into how many partitions the same rows are divided.
var partitionings = []int{1, 4, 16}

// divided is a model of the table base in so many partitions, read through the proxy.
func divided(t *testing.T, p postgres, through *proxy, partitions int) map[string][]byte {
	t.Helper()
	var list []object
	for i := range partitions {
		view := fmt.Sprintf("part_%d_of_%d", i, partitions)
		p.run(t, fmt.Sprintf("CREATE VIEW %s AS SELECT * FROM base WHERE id %% %d = %d", view, partitions, i))
		list = append(list, reads("P"+strconv.Itoa(i), through.from(p, view)))
	}
	return modelOf(t, fmt.Sprint("Divided", partitions),
		tableOf("Base", "id int64, name string, amount decimal, moment dateTime, ratio double, flag boolean", list...))
}

// TestMetamorphic: R9, R10, R11, F2, F5. The same rows in 1, 4 and 16 partitions, refreshed with any parallelism, in either commit mode, with
// and without cut connections, restarts and kills (SIGKILL) in the middle, end in equal tables. FRESHET_SEED names the first seed, FRESHET_ROUNDS
// how many follow.
func TestMetamorphic(t *testing.T) {
	number := func(name string, otherwise uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	first, rounds := number("FRESHET_SEED", rand.Uint64N(1_000_000)), number("FRESHET_ROUNDS", 2)
	p := newPostgres(t, `CREATE TABLE base AS SELECT g::bigint AS id, nullif('name ' || g % 97, 'name 13') AS name, (g * 1.37)::numeric(12,2) AS amount,
		timestamp '2024-01-01' + g * interval '1 minute' AS moment, 1 / g::double precision AS ratio, g % 3 = 0 AS flag FROM generate_series(1, 5000) g`)
	through := newProxy(t, p.server())
	s := serve(t, through.source(p))
	refs := map[int]powerbi.Ref{}
	for _, partitions := range partitionings {
		refs[partitions] = s.deploy(t, fmt.Sprint("Divided", partitions), divided(t, p, through, partitions))
	}
	for seed := first; seed < first+rounds; seed++ {
		random := rand.New(rand.NewPCG(seed, 0))
		p.run(t, fmt.Sprintf(`UPDATE base SET amount = amount + %d, name = nullif(name || id %% 7, 'name 1') WHERE id %% %d = 0`, random.IntN(1000), 2+random.IntN(5)))
		p.run(t, fmt.Sprintf(`DELETE FROM base WHERE id %% %d = 1`, 50+random.IntN(50)))
		want := p.text(t, "SELECT count(*) || '|' || sum(id) || '|' || sum(amount) || '|' || count(name) || '|' || count(*) FILTER (WHERE flag) FROM base")
		var sum string
		for _, partitions := range partitionings {
			what := s.underTrouble(t, through, refs[partitions], partitions, random)
			if got := s.values(t, refs[partitions], "SELECT count(*), sum(id), sum(amount)::DECIMAL(38,2), count(name), count(*) FILTER (flag) FROM Base"); got != want {
				t.Errorf("seed %d, %s: %s, the source has %s", seed, what, got, want)
			}
			got := s.values(t, refs[partitions], "SELECT sum(hash(id, name, amount, moment, ratio, flag))::VARCHAR FROM Base")
			if sum == "" {
				sum = got
			}
			if got != sum {
				t.Errorf("seed %d, %s: the rows are others than those of %d partition: %s, %s", seed, what, partitionings[0], got, sum)
			}
			t.Logf("seed %d: %s", seed, what)
		}
		if t.Failed() {
			t.Fatalf("again with FRESHET_SEED=%d FRESHET_ROUNDS=1, if it does not depend on the rounds before from FRESHET_SEED=%d", seed, first)
		}
	}
}

// underTrouble refreshes a model to its completion, in a way that random chooses, and tells which.
func (s *serving) underTrouble(t *testing.T, through *proxy, ref powerbi.Ref, partitions int, random *rand.Rand) string {
	t.Helper()
	mode := []string{"transactional", "partialBatch"}[random.IntN(2)]
	parallel := []int{1, 2, 10, 50}[random.IntN(4)]
	cuts, restarts := random.IntN(3), random.IntN(4)
	what := []string{fmt.Sprintf("%d partitions, %s, maxParallelism %d", partitions, mode, parallel)}
	for range cuts {
		view := fmt.Sprintf("part_%d_of_%d", random.IntN(partitions), partitions)
		how, after := []fate{reset, closed}[random.IntN(2)], random.IntN(20_000)
		through.on(`COPY \([^\x00]*"`+view+`"`, after, how, 1)
		what = append(what, fmt.Sprintf("%s %s after %d bytes", view, how, after))
	}
	id := s.post(t, ref, fmt.Sprintf(`{"type":"full","commitMode":%q,"maxParallelism":%d,"retryCount":%d}`, mode, parallel, cuts))
	for range restarts {
		// Either once so many partitions are read, or after so many looks: a moment that has to do with nothing.
		read, looks := random.IntN(partitions), 1<<30
		moment := fmt.Sprintf("when %d partitions were read", read)
		if random.IntN(2) == 0 {
			read, looks = 1<<30, random.IntN(60)
			moment = fmt.Sprintf("after %d looks", looks)
		}
		eventually(t, moment, func() bool {
			detail, err := s.RefreshDetail(t.Context(), ref, id)
			looks--
			return looks < 0 || err == nil && (readOf(detail) >= read || detail.Status.Ended())
		})
		if random.IntN(3) > 0 {
			what = append(what, "killed "+moment)
			s.kill(t)
		} else {
			what = append(what, "stopped "+moment)
			s.stop(t)
		}
		s.start(t)
	}
	if detail := s.ended(t, ref, id); detail.Status != powerbi.Completed {
		t.Errorf("%s: it ended as %s: %+v", strings.Join(what, ", "), detail.Status, detail.Messages)
	}
	through.troubleEnds()
	return strings.Join(what, ", ")
}

// readOf counts the partitions that are read.
func readOf(detail powerbi.RefreshDetail) (n int) {
	for _, object := range detail.Objects {
		if object.Status == powerbi.Completed {
			n++
		}
	}
	return n
}
