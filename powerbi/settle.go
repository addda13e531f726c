package powerbi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// UnsettledError is a refresh, of a model or a dataflow, of which it is not known whether it was started: the answer to its POST is lost, and the history does
// not say. Nothing was posted twice.
type UnsettledError struct {
	Err        error     // what became of the POST
	Candidates []Refresh // entries of the history, or transactions, that may be the refresh; none: no trace of it
	History    error     // why the history does not tell
}

func (e *UnsettledError) Error() string {
	text := "whether the refresh was started is not known: " + e.Err.Error()
	switch {
	case e.History != nil:
		text += "; the history cannot tell: " + e.History.Error()
	case len(e.Candidates) > 0:
		var ids []string
		for _, candidate := range e.Candidates {
			ids = append(ids, candidate.RequestID)
		}
		text += "; in the history it may be " + strings.Join(ids, " or ")
	}
	return text
}

// Unwrap gives what became of the POST, and why the history cannot tell.
func (e *UnsettledError) Unwrap() []error {
	if e.History == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.History}
}

// errNoTrace is a history in which a lost refresh does not appear.
var errNoTrace = errors.New("for a minute there is no new entry that fits, so that it probably never arrived; look again before you start it again")

// clockSlack is how far two clocks of the service, the one of its answers and the one of its history, may be apart. A date of HTTP is a second
// off by itself.
const clockSlack = 5 * time.Second

// snapshot is what the history knew before a POST.
type snapshot struct {
	read  bool
	known map[string]bool // request ids, in small letters
	date  time.Time       // when, by the service's clock; zero: not told
	at    time.Time       // the same moment by ours
}

// snapshot reads the history. A caller who may not read it, or a model that is not there, is not its business: the POST will tell.
func (c *Client) snapshot(ctx context.Context, ref Ref) (snapshot, error) {
	list, a, err := history(ctx, c.call, ref, 0)
	if err != nil {
		var refusal *Error
		var lost *TransportError
		if errors.As(err, &refusal) && !refusal.Retryable() || !errors.As(err, &refusal) && !errors.As(err, &lost) && ctx.Err() == nil {
			return snapshot{}, nil
		}
		return snapshot{}, err
	}
	ids := make([]string, len(list))
	for i, entry := range list {
		ids[i] = entry.RequestID
	}
	return taken(ids, a), nil
}

// taken is the snapshot of a list with these ids, which just came with a.
func taken(ids []string, a answer) snapshot {
	s := snapshot{read: true, known: map[string]bool{}, at: time.Now()}
	for _, id := range ids {
		s.known[strings.ToLower(id)] = true
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		s.date = date
	}
	return s
}

func (s snapshot) isNew(id string) bool { return !s.known[strings.ToLower(id)] }

// during tells whether a start, by the service's clock, may lie between the snapshot and a moment of ours, as far as clocks tell.
func (s snapshot) during(start, lost time.Time) bool {
	if s.date.IsZero() || start.IsZero() { // one that waits may have no start yet
		return true
	}
	return !start.Before(s.date.Add(-clockSlack)) && !start.After(s.date.Add(lost.Sub(s.at)+clockSlack))
}

// settle looks for the refresh whose POST ended in the error cause. See Client.Refresh.
func (c *Client) settle(ctx context.Context, ref Ref, request RefreshRequest, before snapshot, cause error) (Accepted, error) {
	lost := time.Now()
	if !before.read {
		return Accepted{}, &UnsettledError{Err: cause, History: errors.New("it could not be read before the POST either, so that nothing can be told to be new")}
	}
	for look := 0; ; look++ {
		list, _, err := history(ctx, c.call, ref, 0)
		if err != nil {
			return Accepted{}, &UnsettledError{Err: cause, History: err}
		}
		var fits, open []Refresh
		for _, entry := range list {
			if !before.fits(entry, request, lost) {
				continue
			}
			same, err := c.same(ctx, ref, entry, request)
			switch {
			case err != nil:
				open = append(open, entry)
			case same:
				fits = append(fits, entry)
			}
		}
		switch {
		case len(fits) == 1 && len(open) == 0:
			return Accepted{RequestID: fits[0].RequestID, At: lost, Found: true}, nil
		case len(fits) > 1:
			return Accepted{}, &UnsettledError{Err: cause, Candidates: append(fits, open...)}
		case time.Since(lost) >= droppedAfter && len(open) > 0:
			return Accepted{}, &UnsettledError{Err: cause, Candidates: append(fits, open...)}
		case time.Since(lost) >= droppedAfter:
			return Accepted{}, &UnsettledError{Err: cause, History: errNoTrace}
		}
		if err := sleep(ctx, min(time.Second<<min(look, 4), 10*time.Second)); err != nil {
			return Accepted{}, &UnsettledError{Err: cause, Candidates: open, History: err}
		}
	}
}

// fits tells whether an entry of the history can be the refresh that was posted after the snapshot, and whose answer was lost at a moment of our
// clock.
func (s snapshot) fits(entry Refresh, request RefreshRequest, lost time.Time) bool {
	kind := "ViaEnhancedApi"
	if request.standard() {
		kind = "ViaApi"
	}
	return s.isNew(entry.RequestID) && strings.EqualFold(entry.RefreshType, kind) && s.during(entry.StartTime.Time, lost)
}

// standard tells whether the request asks for a standard refresh.
func (r RefreshRequest) standard() bool {
	r.NotifyOption = ""
	return r.empty()
}

// same compares an enhanced refresh's detail with what was asked for, as far as the detail tells.
func (c *Client) same(ctx context.Context, ref Ref, entry Refresh, request RefreshRequest) (bool, error) {
	if request.standard() {
		return true, nil
	}
	detail, err := c.RefreshDetail(ctx, ref, entry.RequestID)
	if err != nil {
		return false, fmt.Errorf("cannot compare: %w", err)
	}
	if detail.Type != "" && !strings.EqualFold(detail.Type, cmp.Or(request.Type, "Automatic")) ||
		detail.CommitMode != "" && !strings.EqualFold(detail.CommitMode, cmp.Or(request.CommitMode, "Transactional")) {
		return false, nil
	}
	if len(request.Objects) == 0 || len(detail.Objects) == 0 {
		return true, nil
	}
	// The detail has a row for each partition, also of what was asked for by its table.
	covered := make([]bool, len(request.Objects))
	for _, object := range detail.Objects {
		found := false
		for i, asked := range request.Objects {
			if strings.EqualFold(asked.Table, object.Table) && (asked.Partition == "" || strings.EqualFold(asked.Partition, object.Partition)) {
				covered[i], found = true, true
			}
		}
		if !found {
			return false, nil
		}
	}
	return !slices.Contains(covered, false), nil
}
