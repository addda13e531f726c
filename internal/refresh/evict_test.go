package refresh_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/refresh"
)

const evictedText = "Session cancelled because it is connected to a database that has been evicted to free up memory for other operations"

// tight starts the bench anew on a capacity of 600 MiB, of which refreshes may have half.
func (b *bench) tight(evictedRetry bool) *capacity.Capacity {
	b.t.Helper()
	b.stop()
	c, err := capacity.New(capacity.Options{Name: "default", Memory: 600 << 20})
	if err != nil {
		b.t.Fatal(err)
	}
	b.options.Capacities = []*capacity.Capacity{c}
	b.options.EvictedRetry = evictedRetry
	b.start()
	return c
}

// hungry is a reader who needs more than refreshes leave.
func (b *bench) hungry() *capacity.Grant {
	b.t.Helper()
	grant, err := b.options.Capacities[0].Grant(b.t.Context(), 500<<20, 500<<20)
	if err != nil {
		b.t.Fatal(err)
	}
	return grant
}

// R35: the refresh fails with Power BI's code and words, the rows stay, and running it again works.
func TestR35Evicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.refresh(full(), refresh.Completed)
		b.tight(false)
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) { return 20, after(ctx, time.Hour) })
		operation := b.submit(full())
		synctest.Wait()
		began := time.Now()
		grant := b.hungry()
		want(t, time.Since(began), 30*time.Second)
		operation = b.ends(operation.ID, refresh.Failed)
		want(t, operation.Failure.JSON(), `{"errorCode":"0xC11C0020","errorDescription":"`+evictedText+`"}`)
		messages := b.detail(operation.ID).Messages
		if len(messages) != 1 || messages[0].Type != refresh.ErrorMessage || messages[0].Code != "0xC11C0020" || messages[0].Text != evictedText {
			t.Fatalf("messages %+v", messages)
		}
		want(t, b.statuses(operation.ID), []string{"2024 Cancelled", "2025 Cancelled"})
		b.wantStates(map[string]string{"2024": "Ready 10", "2025": "Ready 10"})
		grant.Release()
		b.refresh(full(), refresh.Completed)
		b.wantStates(map[string]string{"2024": "Ready 20", "2025": "Ready 20"})
	})
}

// R33, R35: with a retryCount it is a failed attempt like others: what was finished is kept.
func TestR35EvictedWithRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.tight(false)
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Partition == "2024" {
				return 20, nil
			}
			return 20, after(ctx, time.Hour)
		})
		operation := b.submit(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1)})
		synctest.Wait()
		want(t, len(b.loaded()), 2)
		b.hungry().Release()
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, b.loaded(), []string{"2025"})
		want(t, len(operation.Attempts), 2)
		want(t, operation.Attempts[0].Failure.Code, refresh.CodeEvicted)
		if messages := b.detail(operation.ID).Messages; len(messages) != 1 || messages[0].Type != refresh.WarningMessage {
			t.Fatalf("messages %+v", messages)
		}
	})
}

// R35: evictedRetry runs it again by itself; that uses up no retryCount, over restarts too, and never passes the 24 hours.
func TestR35EvictedRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.tight(true)
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) { return 20, after(ctx, time.Hour) })
		operation := b.submit(full())
		for range 3 {
			synctest.Wait()
			time.Sleep(5 * time.Minute)
			grant := b.hungry()
			synctest.Wait()
			want(t, b.state(operation.ID), refresh.Backoff)
			grant.Release()
			b.restart(time.Minute)
		}
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, len(operation.Attempts), 4)

		// Another error still ends it at the first attempt that counts.
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Attempt > 1 {
				return 0, errDown
			}
			return 0, after(ctx, time.Hour)
		})
		operation = b.submit(full())
		synctest.Wait()
		b.hungry().Release()
		operation = b.ends(operation.ID, refresh.Failed)
		want(t, fmt.Sprint(len(operation.Attempts), " ", operation.Attempts[1].Failure.Code), "2 "+refresh.CodeProcessing)

		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) { return 0, after(ctx, 30*time.Hour) })
		operation = b.submit(refresh.Params{Type: ptr("full"), Timeout: ptr("23:59:59")})
		synctest.Wait()
		time.Sleep(23 * time.Hour)
		b.hungry().Release()
		operation = b.ends(operation.ID, refresh.TimedOut)
		want(t, operation.EndedAt.Sub(operation.AcceptedAt), 24*time.Hour)
	})
}
