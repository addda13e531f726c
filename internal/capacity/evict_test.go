package capacity

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// shelf is a reader that keeps a grant while it has no use for it.
type shelf struct {
	name  string
	grant *Grant
	gone  *[]string // the names of those that were evicted, in their order
}

func (s *shelf) evict() { *s.gone = append(*s.gone, s.name); s.grant.Release() }

func lend(t *testing.T, c *Capacity, name string, bytes int64, gone *[]string) *shelf {
	t.Helper()
	grant, err := c.Grant(t.Context(), bytes, bytes)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{name, grant, gone}
	if !grant.Lend(s.evict) {
		t.Fatalf("%s could not be lent", name)
	}
	return s
}

// What nobody needs is taken back for those who wait, the least recently used first and no more than is needed; what is in use is not.
func TestLentMemoryIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Memory: 100})
		var gone []string
		first, second := lend(t, c, "first", 20, &gone), lend(t, c, "second", 20, &gone)
		lend(t, c, "third", 20, &gone)
		if !first.grant.Recall() || !first.grant.Lend(first.evict) { // used again: it is the last to go
			t.Fatal("a lent grant was not recalled")
		}
		refresh, err := c.GrantRefresh(t.Context(), 10, 50, func() {}) // 40 are free
		if err != nil || refresh.Bytes() != 50 || !slices.Equal(gone, []string{"second"}) {
			t.Fatalf("%v, %v, gone %v", refresh, err, gone)
		}
		if second.grant.Recall() || second.grant.Lend(second.evict) {
			t.Fatal("what is gone was recalled")
		}
		if reader, err := c.Grant(t.Context(), 30, 30); err != nil || reader.Bytes() != 30 || !slices.Equal(gone, []string{"second", "third"}) {
			t.Fatalf("%v, %v, gone %v", reader, err, gone)
		}
		// first is needed now, so the next one waits for somebody to end.
		if !first.grant.Recall() {
			t.Fatal("it was not recalled")
		}
		waiting := make(chan int64, 1)
		go func() {
			if grant, err := c.Grant(t.Context(), 40, 40); err == nil {
				waiting <- grant.Bytes()
			}
		}()
		synctest.Wait()
		if first.grant.Lend(first.evict) {
			t.Fatal("it was lent although somebody waits")
		}
		first.grant.Release()
		refresh.Release()
		if got := <-waiting; got != 40 || len(gone) != 2 {
			t.Fatalf("granted %d, gone %v", got, gone)
		}
		if usage := c.Usage(); usage.MemoryGranted != 70 || len(c.lent)+len(c.loading) != 0 {
			t.Fatalf("usage %+v, %d lent, %d refreshes", usage, len(c.lent), len(c.loading))
		}
	})
}

// A holder that comes back while its grant is being taken finds out, and nothing is given twice.
func TestRecallOfWhatIsBeingTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Memory: 100})
		held, err := c.Grant(t.Context(), 100, 100)
		if err != nil {
			t.Fatal(err)
		}
		evicting, back := make(chan struct{}), make(chan struct{})
		if !held.Lend(func() { close(evicting); <-back }) {
			t.Fatal("it could not be lent")
		}
		got := make(chan int64, 1)
		go func() {
			if grant, err := c.Grant(t.Context(), 60, 60); err == nil {
				got <- grant.Bytes()
			}
		}()
		<-evicting
		if held.Recall() {
			t.Fatal("it was recalled while it is taken")
		}
		held.Release()
		close(back)
		held.Release()
		if bytes := <-got; bytes != 60 {
			t.Fatalf("granted %d", bytes)
		}
		if usage := c.Usage(); usage.MemoryGranted != 60 {
			t.Fatalf("usage %+v", usage)
		}
	})
}

// R35: a reader that has waited for 30 s evicts the refresh that began last, and after 30 s more the one before; what they give is the
// reader's, although others came before it. Refreshes that wait evict nobody, and a reader that gets its memory in time neither.
func TestR35ReadersEvictRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Memory: 100})
		start := time.Now()
		var evicted []string
		begin := func(name string, bytes int64) {
			var grant *Grant
			grant, err := c.GrantRefresh(t.Context(), bytes, bytes, func() {
				evicted = append(evicted, fmt.Sprint(name, " ", time.Since(start)))
				go func() { time.Sleep(time.Second); grant.Release() }() // it takes a moment to stop
			})
			if err != nil {
				t.Error(err)
			}
		}
		begin("old", 25)
		begin("young", 25)
		reader, err := c.Grant(t.Context(), 40, 40)
		if err != nil {
			t.Fatal(err)
		}
		ask := func(least int64) chan string {
			got := make(chan string, 1)
			go func() {
				grant, err := c.Grant(t.Context(), least, least)
				if err != nil {
					t.Error(err)
					return
				}
				got <- fmt.Sprint(grant.Bytes(), " ", time.Since(start))
				grant.Release()
			}()
			synctest.Wait()
			return got
		}
		inTime := ask(50)
		time.Sleep(29 * time.Second)
		reader.Release()
		if got := <-inTime; got != "50 29s" || evicted != nil {
			t.Fatalf("%s, evicted %v", got, evicted)
		}
		waitingRefresh := make(chan string, 1)
		go func() {
			if grant, err := c.GrantRefresh(t.Context(), 50, 50, func() {}); err == nil {
				waitingRefresh <- fmt.Sprint(grant.Bytes(), " ", time.Since(start))
			}
		}()
		synctest.Wait()
		big := ask(90)
		if got := <-big; got != "90 1m30s" || !slices.Equal(evicted, []string{"young 59s", "old 1m29s"}) {
			t.Fatalf("%s, evicted %v", got, evicted)
		}
		if got := <-waitingRefresh; got != "50 1m30s" {
			t.Fatalf("the refresh behind it: %s", got)
		}
	})
}

// R35: no refresh is evicted for a reader who only stands behind a larger wish: it goes first.
func TestR35ImpatientReaderGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Memory: 100})
		refresh, err := c.GrantRefresh(t.Context(), 10, 10, func() { t.Error("the refresh was evicted") })
		if err != nil {
			t.Fatal(err)
		}
		reader, err := c.Grant(t.Context(), 60, 60)
		if err != nil {
			t.Fatal(err)
		}
		large := make(chan int64, 1)
		go func() {
			if grant, err := c.GrantRefresh(t.Context(), 40, 40, func() { t.Error("the waiting refresh was evicted") }); err == nil {
				large <- grant.Bytes()
			}
		}()
		synctest.Wait()
		start := time.Now()
		small, err := c.Grant(t.Context(), 20, 20) // 30 are free
		if err != nil || small.Bytes() != 20 || time.Since(start) != 30*time.Second {
			t.Fatalf("%v, %v after %s", small, err, time.Since(start))
		}
		small.Release()
		reader.Release()
		if got := <-large; got != 40 {
			t.Fatalf("the large wish got %d", got)
		}
		refresh.Release()
	})
}
