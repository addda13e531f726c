package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

// patience is how long a run may take to come to rest. It is long because a busy machine is no failure.
const patience = 2 * time.Minute

// childEnv names the directory of the run whose process this is.
const childEnv = "FRESHET_CRASH_CHILD"

var errPlanted = fault.New(fault.Unavailable, "Planted", "cannot go on: a fault is planted here")

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is the life that is killed. It returns only when the refresh has come to rest before that.
func child(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var known settled
	text, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &known); err != nil {
		return err
	}
	s, err := openSite(known.Run, dir, known.Items)
	if err != nil {
		return err
	}
	i, err := s.open("child", &known.Kill, func() error {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it is done
	})
	if err != nil {
		return err
	}
	if err := i.work(ctx); err != nil {
		return err
	}
	defer i.stop() // what comes after the last write is still to come
	if err := i.rest(ctx); err != nil || !i.folds {
		return err
	}
	i.halt()
	return i.cdm.Sync(ctx)
}

// work starts a life and sends the requests; two at the same model before anything runs, so that the second one is queued.
func (i *incarnation) work(ctx context.Context) error {
	if !i.standard {
		i.start()
		return i.submit(ctx)
	}
	err := i.submit(ctx)
	i.start()
	return err
}

// totals are the sums of a suite.
type totals struct {
	mu       sync.Mutex
	runs     map[string]int // by fault
	reached  map[string]int // by point
	failed   []run
	takeover time.Duration // the longest from a start to its first claim of what a crash has left
	crashes  int
}

// TestFaults makes a fault at each named point of a refresh (F5, R9, R33, R34), lets everything come to rest, and asks every checker. Without
// FRESHET_FAULTS_RUNS each point meets each fault once; with it, as many runs are made of each point, fault, mode and try.
// FRESHET_FAULTS_SEED is the first seed.
func TestFaults(t *testing.T) {
	sums := &totals{runs: map[string]int{}, reached: map[string]int{}}
	runs, skipped := chosen(number(t, "FRESHET_FAULTS_SEED", 1), number(t, "FRESHET_FAULTS_RUNS", 0))
	t.Cleanup(func() { sums.tell(t, len(runs), skipped) })
	for _, r := range runs {
		t.Run(r.name(), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					sums.mu.Lock()
					defer sums.mu.Unlock()
					sums.failed = append(sums.failed, r)
				}
			})
			r.test(t, sums)
		})
	}
}

func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s is %q, not a number", name, text)
	}
	return n
}

// chosen lists the runs. perCase 0 is the short suite: each point with each fault once or twice, the modes and tries by turns.
func chosen(seed, perCase int) (runs []run, impossible int) {
	turn := 0
	for _, p := range points {
		for _, fault := range []string{errorReturned, killed, staleOwner} {
			var cases []run
			for _, mode := range []string{transactional, partialBatch, allOrNothing, commitEach} {
				for _, try := range []string{first, retried} {
					if p.impossible(fault, mode, try) != "" {
						impossible++
						continue
					}
					cases = append(cases, run{p.name, fault, mode, try, uint64(seed)})
				}
			}
			if len(cases) == 0 {
				continue
			}
			if perCase == 0 {
				runs = append(runs, few(cases, turn)...)
				turn++
				continue
			}
			for _, r := range cases {
				for n := range perCase {
					r.Seed = uint64(seed + n)
					runs = append(runs, r)
				}
			}
		}
	}
	return runs, impossible
}

// few are those of a point's cases with one fault that the short suite has: one of a model, and of some crashes one of a chain, too. Of what only chains
// have it is a crash, and of some another one.
func few(cases []run, turn int) (chosen []run) {
	at := func(cases []run) {
		if len(cases) > 0 {
			chosen = append(chosen, cases[turn%len(cases)])
		}
	}
	at(slices.DeleteFunc(slices.Clone(cases), run.chains))
	own := len(chosen) == 0
	if crash := cases[0].Fault == killed; own && (crash || turn%4 == 0) || crash && turn%8 == 0 {
		at(slices.DeleteFunc(cases, func(r run) bool { return !r.chains() }))
	}
	return chosen
}

// tell prints what was run, and what failed, and sees that every point was reached.
func (s *totals) tell(t *testing.T, runs, impossible int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Printf("faults: %d points × 3 faults × 4 modes × 2 tries, of which %d combinations cannot be: %d runs (%d error, %d kill, %d stale owner), %d failed\n",
		len(points), impossible, runs, s.runs[errorReturned], s.runs[killed], s.runs[staleOwner], len(s.failed))
	fmt.Printf("faults: after %d crashes the refresh was taken up within %s of the start, by the first look of the engine\n", s.crashes, s.takeover.Round(time.Millisecond))
	for _, r := range s.failed {
		fmt.Printf("faults: failed: %s: FRESHET_FAULTS_SEED=%d FRESHET_FAULTS_RUNS=1 go test -count=1 ./tests/crash -run 'TestFaults/%s'\n", r.name(), r.Seed, r.name())
	}
	if len(s.runs) == 0 {
		return // a choice of -run that chose nothing
	}
	for _, p := range points {
		if s.reached[p.name] == 0 && os.Getenv("FRESHET_FAULTS_RUNS") == "" && runs == s.runs[errorReturned]+s.runs[killed]+s.runs[staleOwner] {
			t.Errorf("the point '%s' was never reached", p.name)
		}
	}
}

// test makes one run.
func (r run) test(t *testing.T, sums *totals) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := openSite(r, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	must(t, s.prepare(ctx))
	if strings.HasPrefix(r.Point, "claim") && r.Try == retried {
		must(t, s.untilBackoff(ctx))
	}
	var e *evidence
	switch r.Fault {
	case errorReturned:
		e, err = s.withError(ctx, errPlanted)
	case killed:
		e, err = s.withKill(ctx, sums)
	case staleOwner:
		e, err = s.withStaleOwner(ctx)
	}
	must(t, err)
	if entries, err := s.entries(); err != nil || !slices.ContainsFunc(entries, func(e entry) bool { return e.Reached == r.Point }) {
		t.Errorf("the point was not reached: %v", err)
	}
	e.checked(t)
	sums.mu.Lock()
	defer sums.mu.Unlock()
	sums.runs[r.Fault]++
	sums.reached[r.Point]++
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checked asks every checker, and whether the refresh ended as it had to.
func (e *evidence) checked(t *testing.T) {
	t.Helper()
	for _, c := range checkers {
		if err := c.check(e); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := e.expected(); err != nil {
		t.Error(err)
	}
}

// expected checks what the fault may do to the refresh besides: a crash, another owner and a log that does not answer cost no attempt;
// a step that fails is one failed attempt.
func (e *evidence) expected() error {
	want, attempts := refresh.Completed, e.failing+1
	p, _ := pointNamed(e.Point)
	switch {
	case p.way == onTheEnd:
		want, attempts = refresh.Failed, e.retryCount+1
	case e.Fault == errorReturned && (strings.HasPrefix(e.Point, "draft") || strings.HasPrefix(e.Point, "f")): // file, folder: a step fails
		attempts++
		if attempts > e.retryCount+1 {
			want, attempts = refresh.Failed, e.retryCount+1
		}
	}
	for _, operation := range e.operations {
		if !e.chains() && slices.Contains(e.ids, operation.ID) && (operation.State != want || len(operation.Attempts) != attempts) {
			return fmt.Errorf("%s ended as %s after %d attempts, not as %s after %d: %+v", operation.ID, operation.State, len(operation.Attempts), want, attempts, operation.Failure)
		}
	}
	if e.chains() {
		if err := e.expectedOfChain(attempts - 1); err != nil {
			return err
		}
	}
	for _, id := range e.ids {
		if e.Fault != killed && !slices.Contains(e.promised, id) {
			return fmt.Errorf("%s was not promised", id)
		}
	}
	return nil
}

func (s *site) trigger() trigger { return trigger{s.Point, s.armed, s.nth} }

// untilBackoff is a life that is stopped between two attempts.
func (s *site) untilBackoff(ctx context.Context) error {
	reached := make(chan struct{})
	i, err := s.open("before", &trigger{Point: "backoff, after", Nth: 1}, func() error { close(reached); return nil })
	if err != nil {
		return err
	}
	defer i.stop()
	s.armed = 0
	if err := i.work(ctx); err != nil {
		return err
	}
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// withError lets the point return an error.
func (s *site) withError(ctx context.Context, planted error) (*evidence, error) {
	at := s.trigger()
	i, err := s.open("first", &at, func() error { return planted })
	if err != nil {
		return nil, err
	}
	defer i.stop()
	return i.finish(ctx)
}

// finish works until everything rests and gathers the evidence.
func (i *incarnation) finish(ctx context.Context) (*evidence, error) {
	if err := i.work(ctx); err != nil {
		return nil, err
	}
	if err := i.rest(ctx); err != nil {
		return nil, err
	}
	return i.gather(ctx, i)
}

// withKill lets a process be killed at the point, some of them the one that follows too, and starts again.
func (s *site) withKill(ctx context.Context, sums *totals) (*evidence, error) {
	if err := s.life(ctx, s.trigger()); !errors.Is(err, errKilled) {
		return nil, fmt.Errorf("the process was not killed: %w", err)
	}
	if s.again {
		next := points[s.random("again").IntN(len(points))]
		if err := s.life(ctx, trigger{next.name, 0, 1}); err != nil && !errors.Is(err, errKilled) {
			return nil, err
		}
	}
	i, err := s.open("second", nil, nil)
	if err != nil {
		return nil, err
	}
	defer i.stop()
	found, err := i.rows.List(ctx, refresh.Filter{})
	if err != nil {
		return nil, err
	}
	unfinished, err := i.rows.Unfinished(ctx)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	i.start() // and no client asks for anything
	if err := i.rest(ctx); err != nil {
		return nil, err
	}
	if err := sums.takenUp(i, unfinished, started); err != nil {
		return nil, err
	}
	if err := i.submit(ctx); err != nil { // a client that heard no id sends its request again
		return nil, err
	}
	if err := i.rest(ctx); err != nil {
		return nil, err
	}
	e, err := i.gather(ctx, i)
	if err != nil {
		return nil, err
	}
	e.crashed = true
	for _, operation := range found {
		e.afterCrash = append(e.afterCrash, operation.ID)
	}
	e.promised = e.promised[:len(e.promised)-len(s.ids)] // what was promised before the crash is what must be found
	return e, nil
}

var errKilled = errors.New("killed")

// life is a process that is killed.
func (s *site) life(ctx context.Context, kill trigger) error {
	known, err := json.Marshal(settled{s.run, s.items, kill})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "run.json"), known, 0o600); err != nil {
		return err
	}
	process := exec.CommandContext(ctx, os.Args[0])
	process.Env = append(os.Environ(), childEnv+"="+s.dir)
	process.Stdout, process.Stderr = s.log, s.log
	err = process.Run()
	if status, ok := process.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL && ctx.Err() == nil {
		return errKilled
	}
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// takenUp: F5, R34. What a crash has left is claimed after the first look of the engine and before any other.
func (s *totals) takenUp(i *incarnation, unfinished []refresh.Operation, started time.Time) error {
	looks, claimed := 0, map[string]time.Time{}
	for _, w := range i.history.all() {
		switch {
		case w.who != i.who:
		case w.name == looked || w.name == lookedInVain:
			looks++
		case w.name == "claim" && w.err == nil && looks == 1:
			claimed[w.operation] = w.at
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashes++
	for _, operation := range unfinished {
		at, known := claimed[operation.ID]
		// It waits for what comes later, or was committed with others of its chain.
		if operation.State == refresh.Queued || operation.State == refresh.Paused || operation.Request.Chain != nil && (operation.State == refresh.Committing || operation.Owner == "") {
			continue
		}
		if !known {
			return fmt.Errorf("%s was left as %s, and not claimed after the first look", operation.ID, operation.State)
		}
		s.takeover = max(s.takeover, at.Sub(started))
	}
	return nil
}

// withStaleOwner lets the first owner sleep at the point until a second one has taken over, and then wakes it.
func (s *site) withStaleOwner(ctx context.Context) (e *evidence, err error) {
	err = s.takeOver(ctx, func(sleeper, second *incarnation) error {
		if err := second.rest(ctx); err != nil {
			return err
		}
		sleeper.halt() // it holds its file against the sweep as long as it works
		e, err = s.gather(ctx, second)
		return err
	})
	return e, err
}

// takeOver calls then when the first owner has woken and has noticed that a second one has taken over.
func (s *site) takeOver(ctx context.Context, then func(sleeper, second *incarnation) error) error {
	asleep, wake, tries := make(chan struct{}), make(chan struct{}), make(chan struct{})
	wakeUp := sync.OnceFunc(func() { close(wake) })
	at := s.trigger()
	sleeper, err := s.open("sleeper", &at, func() error {
		close(asleep)
		<-wake
		return nil
	})
	if err != nil {
		return err
	}
	defer sleeper.stop()
	defer wakeUp()
	p, _ := pointNamed(s.Point)
	second, err := s.openOn(sleeper.store, "second", nil, nil)
	if err != nil {
		return err
	}
	defer second.stop()
	if p.inTransaction() { // nobody comes further before the first has woken
		second.fault, second.do = &trigger{Point: "claim, before", Nth: 1}, func() error { close(tries); return nil }
	}
	working := make(chan error, 1)
	go func() { working <- sleeper.work(ctx) }()
	select {
	case <-asleep:
	case <-ctx.Done():
		return fmt.Errorf("the point was not reached: %w", ctx.Err())
	}
	second.start()
	if err := s.takenOver(ctx, tries); err != nil {
		return fmt.Errorf("nobody took over: %w", err)
	}
	wakeUp()
	if err := <-working; err != nil {
		return err
	}
	if !p.settles(s.Mode) && !s.finishedWithout("sleeper") {
		if _, err := s.history.wait(ctx, func(w written) bool {
			return w.who == "sleeper" && (fault.CodeOf(w.err) == refresh.CodeStale || staleWritesNothing(&evidence{writes: s.history.all()}) != nil)
		}); err != nil {
			return fmt.Errorf("the first owner did not notice that it had been replaced: %w", err)
		}
	}
	return then(sleeper, second)
}

// takenOver returns when the second owner has come as far as the seed says, has found nothing to do, or has come to what tries tells.
func (s *site) takenOver(ctx context.Context, tries <-chan struct{}) error {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	far := make(chan error, 1)
	go func() {
		_, err := s.history.wait(waiting, func(w written) bool {
			return w.who == "second" && (w.name == lookedInVain || w.err == nil && (w.name == s.wake || w.name == "ended" || w.name == "commit" || w.name == "chain commit"))
		})
		far <- err
	}()
	select {
	case <-tries:
		stop()
		<-far
		return nil
	case err := <-far:
		return err
	}
}

// finishedWithout tells whether nobody but who has claimed anything.
func (s *site) finishedWithout(who string) bool {
	return !slices.ContainsFunc(s.history.all(), func(w written) bool {
		return w.who != who && w.who != "setup" && w.who != "before" && w.name == "claim" && w.err == nil
	})
}
