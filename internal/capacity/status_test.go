package capacity

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// book is a Book in memory that may be out of order.
type book struct {
	stored map[string]Status
	err    error
}

func (b *book) CapacityStatuses(context.Context) (map[string]Status, error) { return b.stored, b.err }

func (b *book) PutCapacityStatus(_ context.Context, name string, status Status) error {
	if b.err == nil {
		b.stored[name] = status
	}
	return b.err
}

// R34: the state is stored before anybody is told, and a state that cannot be stored does not come about.
func TestR34SetStoresFirst(t *testing.T) {
	stored := &book{stored: map[string]Status{}}
	c := open(t, Options{Name: "default", Book: stored})
	told := 0
	remove := c.OnPause(func() {
		told++
		if stored.stored["default"].State != Paused {
			t.Error("told before it was stored")
		}
	})
	paused := Status{State: Paused, Since: noon, By: "ana"}
	stored.err = errors.New("disk I/O error")
	if _, err := c.Set(t.Context(), paused); !errors.Is(err, stored.err) || c.Status().State != Active || told != 0 {
		t.Fatalf("%v, %+v, told %d", err, c.Status(), told)
	}
	stored.err = nil
	for _, status := range []Status{paused, {State: Paused, Since: noon.Add(time.Hour), By: "ben"}} {
		if got, err := c.Set(t.Context(), status); err != nil || got != paused || c.Status() != paused || told != 1 {
			t.Fatalf("%+v, %v, told %d", got, err, told)
		}
	}
	late := 0
	c.OnPause(func() { late++ })()
	if late != 1 {
		t.Fatalf("who comes late is told %d times", late)
	}
	refusal := c.Refuse()
	if fault.CodeOf(refusal) != CodeNotActive || !strings.Contains(refusal.Error(), "paused since 2026-03-01T12:00:00Z") {
		t.Fatalf("refusal %v", refusal)
	}
	remove()
	for _, status := range []Status{{State: Active, Since: noon}, {State: Paused, Since: noon}} {
		if _, err := c.Set(t.Context(), status); err != nil {
			t.Fatal(err)
		}
	}
	if told != 1 || late != 1 {
		t.Fatalf("told %d and %d times after they did not ask any more", told, late)
	}
	if again := open(t, Options{Name: "default", Status: stored.stored["default"]}); again.Status().State != Paused || open(t, Options{}).Status().State != Active || open(t, Options{}).Refuse() != nil {
		t.Fatalf("after a restart %+v", again.Status())
	}
}

func TestFind(t *testing.T) {
	list := []*Capacity{open(t, Options{Name: "default"}), open(t, Options{Name: "Night"})}
	if found, err := Find(list, "nIGHT"); err != nil || found != list[1] {
		t.Fatalf("%v, %v", found, err)
	}
	for name, hint := range map[string]string{"nihgt": "Did you mean 'Night'?", "warehouse": "The configuration has: default, Night."} {
		if _, err := Find(list, name); fault.KindOf(err) != fault.NotFound || fault.CodeOf(err) != CodeUnknown || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
