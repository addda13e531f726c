package session

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
)

// C5: the passwords of one address are checked one after the other, so that who guesses at one keeps nobody out at another.
func TestC5LoginsOfAnAddressTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		inside, most := map[string]int{}, map[string]int{}
		g := New(Options{SignIn: func(_ context.Context, user, _ string) (Identity, error) {
			mu.Lock()
			inside[user]++
			most[user] = max(most[user], inside[user])
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			inside[user]--
			mu.Unlock()
			return Identity{}, fault.New(fault.Denied, "", "no")
		}})
		login := func(ctx context.Context, user string) {
			_, _, err := g.Login(ctx, Login{User: user, Address: user})
			if err == nil || ctx.Err() == nil && !strings.Contains(err.Error(), "Login failed for user") {
				t.Errorf("%s: %v", user, err)
			}
		}
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() { login(t.Context(), "guesser") })
		}
		synctest.Wait()
		began := time.Now()
		login(t.Context(), "other")
		if took := time.Since(began); took != time.Second {
			t.Errorf("a login beside twenty of another address took %s", took)
		}
		hasty, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		login(hasty, "guesser") // and one that waits for its turn can go
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("a login that was given up took %s", took)
		}
		group.Wait()
		if most["guesser"] != 1 || len(g.turns) != 0 {
			t.Errorf("%v at the same time, %d turns are left", most, len(g.turns))
		}
	})
}
