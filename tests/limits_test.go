package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"freshet.dev/powerbi"
)

// endless is an expression whose load ends only when it is cancelled.
const endless = `Table.FromColumns({List.Generate(() => 0, each _ >= 0, each _ + 1)}, {"id"})`

// TestR6R7ManyAtOnce posts 32 refreshes of one model at once: of the enhanced ones one is accepted and the others are refused by its id; of the
// standard ones one runs, one is queued and the others are dropped. What was promised is in the history, and nothing else.
func TestR6R7ManyAtOnce(t *testing.T) {
	const many = 32
	h := startHost(t, configured(t))
	for _, kind := range []struct {
		body            string
		accepted, other int
	}{{`{"type":"full"}`, 1, many - 1}, {"", 2, many - 2}} {
		ref := h.deploy(t, fmt.Sprintf("Endless %d", kind.accepted), modelOf(t, "Endless", tableOf("T", "id int64", reads("T", endless))))
		var (
			mu                sync.Mutex
			promised, dropped []string
			refused           []answer
			group             sync.WaitGroup
		)
		for range many {
			group.Go(func() {
				got := h.raw(t, "POST", refreshesOf(ref), kind.body)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case got.status == http.StatusAccepted && got.header.Get("x-freshet-outcome") == "dropped":
					dropped = append(dropped, got.header.Get("RequestId"))
				case got.status == http.StatusAccepted:
					promised = append(promised, got.header.Get("RequestId"))
				default:
					refused = append(refused, got)
				}
			})
		}
		group.Wait()
		if len(promised) != kind.accepted || len(dropped)+len(refused) != kind.other {
			t.Fatalf("%q: %d accepted, %d dropped, %d refused", kind.body, len(promised), len(dropped), len(refused))
		}
		if kind.body != "" {
			for _, got := range refused {
				if got.status != http.StatusBadRequest || !strings.Contains(got.body, "Another refresh request is already executing: "+promised[0]) {
					t.Errorf("refused with %d %s", got.status, got.body)
				}
			}
		} else if len(refused) > 0 {
			t.Errorf("a standard refresh was refused: %+v", refused[0])
		}
		for _, id := range dropped {
			if got := h.raw(t, "GET", refreshesOf(ref)+"/"+id, ""); got.status != http.StatusNotFound {
				t.Errorf("a dropped one is found: %d %s", got.status, got.body)
			}
		}
		history, err := h.Refreshes(t.Context(), ref, many)
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, entry := range history {
			listed = append(listed, entry.RequestID)
			if entry.Status != powerbi.Unknown {
				t.Errorf("%s is %s", entry.RequestID, entry.Status)
			}
		}
		slices.Sort(listed)
		slices.Sort(promised)
		if !slices.Equal(listed, promised) {
			t.Errorf("the history has %q, promised were %q", listed, promised)
		}
	}
}
