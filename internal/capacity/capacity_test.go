package capacity

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func open(t *testing.T, options Options) *Capacity {
	t.Helper()
	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGrantsAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Memory: 100})
		first, err := c.Grant(t.Context(), 60, 80)
		if err != nil || first.Bytes() != 80 {
			t.Fatalf("first: %v, %v", first, err)
		}
		order := make(chan int64, 2)
		ask := func(least, most int64) {
			go func() {
				grant, err := c.Grant(t.Context(), least, most)
				if err != nil {
					t.Error(err)
					return
				}
				order <- grant.Bytes()
			}()
			synctest.Wait()
		}
		ask(90, 90)
		ask(10, 10) // would fit, but does not overtake
		if usage := c.Usage(); usage.MemoryGranted != 80 || usage.MemoryWaiters != 2 {
			t.Fatalf("usage %+v", usage)
		}
		first.Release()
		first.Release()
		if a, b := <-order, <-order; a+b != 100 {
			t.Fatalf("granted %d and %d", a, b)
		}
		if usage := c.Usage(); usage.MemoryGranted != 100 || usage.MemoryWaiters != 0 {
			t.Fatalf("usage %+v", usage)
		}
	})
}

func TestGrantTakesWhatIsFree(t *testing.T) {
	c := open(t, Options{Memory: 100})
	if grant, _ := c.Grant(t.Context(), 30, 1000); grant.Bytes() != 100 {
		t.Fatalf("granted %d", grant.Bytes())
	} else {
		grant.Release()
	}
	// More than there is at all means everything, not for ever.
	if grant, _ := c.Grant(t.Context(), 500, 500); grant.Bytes() != 100 {
		t.Fatalf("granted %d", grant.Bytes())
	}
}

func TestWaitersThatGiveUpLeaveNothingTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Memory: 100, MaxConcurrentRefreshes: 1})
		held, err := c.Grant(t.Context(), 100, 100)
		if err != nil {
			t.Fatal(err)
		}
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		failed := make(chan error, 1)
		go func() { _, err := c.Grant(ctx, 100, 100); failed <- err }()
		synctest.Wait()
		behind := make(chan int64, 1)
		go func() {
			if grant, err := c.Grant(t.Context(), 0, 0); err == nil {
				behind <- grant.Bytes()
			}
		}()
		synctest.Wait()
		cancel(stop)
		if err := <-failed; !errors.Is(err, stop) {
			t.Fatalf("error %v", err)
		}
		if bytes := <-behind; bytes != 0 {
			t.Fatalf("behind: %d", bytes)
		}
		held.Release()
		if usage := c.Usage(); usage != (Usage{}) {
			t.Fatalf("usage %+v", usage)
		}
	})
}

// Queries go on while refreshes run: these wait for each other first.
func TestRefreshesLeaveMemoryToQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Memory: 2048 << 20})
		first, err := c.GrantRefresh(t.Context(), 192<<20, 1024<<20, func() {})
		if err != nil || first.Bytes() != 1024<<20 {
			t.Fatalf("first: %v, %v", first, err)
		}
		second, err := c.GrantRefresh(t.Context(), 192<<20, 1920<<20, func() {})
		if err != nil || second.Bytes() != 512<<20 {
			t.Fatalf("second: %v, %v", second, err)
		}
		third := make(chan int64, 1)
		go func() {
			if grant, err := c.GrantRefresh(t.Context(), 192<<20, 192<<20, func() {}); err == nil {
				third <- grant.Bytes()
			}
		}()
		synctest.Wait()
		query, err := c.Grant(t.Context(), 512<<20, 512<<20)
		if err != nil || query.Bytes() != 512<<20 {
			t.Fatalf("query: %v, %v", query, err)
		}
		query.Release()
		second.Release()
		if got := <-third; got != 192<<20 {
			t.Fatalf("third: %d", got)
		}
		first.Release()
		if usage := c.Usage(); usage.MemoryGranted != 192<<20 {
			t.Fatalf("usage %+v", usage)
		}
		// A refresh that cannot have its memory gives back its part.
		all, err := c.Grant(t.Context(), 1856<<20, 1856<<20)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() { _, err := c.GrantRefresh(ctx, 192<<20, 192<<20, func() {}); failed <- err }()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		all.Release()
		if taken, _ := c.refreshes.usage(); taken != 192<<20 {
			t.Fatalf("refreshes hold %d", taken)
		}
		if small := open(t, Options{Memory: 100}); small.refreshes.size != 50 {
			t.Fatalf("of a small capacity %d", small.refreshes.size)
		}
	})
}

func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{MaxConcurrentRefreshes: 2})
		one, _ := c.Place(t.Context())
		two, _ := c.Place(t.Context())
		got := make(chan func(), 1)
		go func() { three, _ := c.Place(t.Context()); got <- three }()
		synctest.Wait()
		if usage := c.Usage(); usage.PlacesTaken != 2 || usage.PlacesAwaiting != 1 {
			t.Fatalf("usage %+v", usage)
		}
		one()
		(<-got)()
		two()
		if usage := c.Usage(); usage.PlacesTaken != 0 {
			t.Fatalf("usage %+v", usage)
		}
	})
}

func TestDefaults(t *testing.T) {
	c := open(t, Options{Name: "default"})
	if c.Memory() < 64<<20 || c.places.size != 4 || c.Name() != "default" {
		t.Fatalf("%d bytes, %d places", c.Memory(), c.places.size)
	}
	if _, err := New(Options{Memory: -1}); err == nil {
		t.Fatal("negative memory was taken")
	}
	if got := memTotal("MemFree: 1 kB\nMemTotal:        4045232 kB\n"); got != 4142317568 {
		t.Fatalf("MemTotal %d", got)
	}
}

// TestGrow: a grant grows by what is free, in all pools or none, never past who waits, and gives everything back.
func TestGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Options{Name: "test", Memory: 2 << 30})
		if err != nil {
			t.Fatal(err)
		}
		grant, err := c.GrantRefresh(t.Context(), 256<<20, 256<<20, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !grant.Grow(256<<20) || grant.Bytes() != 512<<20 || c.Usage().MemoryGranted != 512<<20 {
			t.Errorf("it grew to %d, %+v", grant.Bytes(), c.Usage())
		}
		if grant.Grow(1536 << 20) {
			t.Error("it grew beyond what refreshes may take")
		}
		if c.Usage().MemoryGranted != 512<<20 {
			t.Errorf("a refused growth left %+v", c.Usage())
		}
		ctx, stop := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { _, err := c.GrantRefresh(ctx, 1400<<20, 1400<<20, nil); failed <- err }()
		synctest.Wait()
		if grant.Grow(1 << 20) {
			t.Error("it grew before somebody who waits")
		}
		stop()
		if err := <-failed; err == nil {
			t.Error("the one that waited got what was not there")
		}
		grant.Release()
		grant.Release()
		if grant.Grow(1) || c.Usage().MemoryGranted != 0 {
			t.Errorf("after its end: %+v", c.Usage())
		}
	})
}
