package notify_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/notify"
)

// certificate is what the tests' servers for TLS show. It is for 127.0.0.1, and this process trusts it.
var certificate tls.Certificate

func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(nil)
	certificate = server.TLS.Certificates[0]
	folder, err := os.MkdirTemp("", "notify")
	if err != nil {
		panic(err)
	}
	path := filepath.Join(folder, "roots.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		panic(err)
	}
	server.Close()
	os.Setenv("SSL_CERT_FILE", path) // read once, at the first need
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(folder)
		os.Exit(code)
	}))
}

// ended is long ago: a notification of it has but one try.
var ended = time.Date(2026, 3, 1, 6, 32, 11, 0, time.UTC)

func event(kind, extended string) notify.Event {
	status := extended
	if extended == "TimedOut" {
		status = "Failed"
	}
	refresh := notify.Refresh{
		RequestID: "87f31ef7-1e3a-4006-9b0b-191693e79e9e",
		Workspace: notify.Named{ID: "aaaaaaaa-0000-4000-8000-000000000001", Name: "Sales"}, Dataset: notify.Named{ID: "5b4f1d3e-0000-4000-8000-000000000001", Name: "Retail"},
		RefreshType: kind, Status: status, ExtendedStatus: extended, StartTime: ended.Add(-131 * time.Second), EndTime: ended, Rows: 12,
	}
	if status == "Failed" {
		refresh.Rows = 0
		refresh.Error = &notify.Error{
			Code: "ModelRefresh_ShortMessage_ProcessingError", Message: `cannot read "zwölf" as a number (table 'Orders', column 'Amount', row 7)`,
			Where: fault.Where{Table: "Orders", Column: "Amount", Row: 7},
		}
	}
	return notify.Ended(refresh)
}

func newService(t *testing.T, config notify.Config, log *bytes.Buffer) *notify.Service {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s, err := notify.New(notify.Options{Config: config, Now: time.Now, Logger: logger, Random: func() float64 { return 1 }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// box is an outbox in memory.
type box struct {
	mu       sync.Mutex
	kept     []entry
	ids      int64
	warnings []string
	refuses  int           // so many writes
	changed  chan struct{} // gets a value at each Settle and PutOff; nil: nobody waits
}

type entry struct {
	notify.Notification
	due time.Time
}

func (b *box) put(e notify.Event, recipients ...notify.Recipient) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, recipient := range recipients {
		b.ids++
		b.kept = append(b.kept, entry{notify.Notification{ID: b.ids, Recipient: recipient, Event: e}, e.Timestamp})
	}
}

func (b *box) DueNotifications(_ context.Context, now time.Time) ([]notify.Notification, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortStableFunc(b.kept, func(a, b entry) int { return cmp.Compare(a.due.UnixNano(), b.due.UnixNano()) })
	seen := map[notify.Recipient]bool{}
	var due []notify.Notification
	for _, kept := range b.kept {
		if !kept.due.After(now) && !seen[kept.Recipient] {
			seen[kept.Recipient] = true
			due = append(due, kept.Notification)
		}
	}
	return due, nil
}

func (b *box) write(id int64, change func(i int)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuses > 0 {
		b.refuses--
		return fault.New(fault.Unavailable, "CatalogDiskFull", "cannot write: the disk is full")
	}
	if i := slices.IndexFunc(b.kept, func(kept entry) bool { return kept.ID == id }); i >= 0 {
		change(i)
	}
	if b.changed != nil {
		b.changed <- struct{}{}
	}
	return nil
}

func (b *box) PutOff(_ context.Context, id int64, due time.Time) error {
	return b.write(id, func(i int) { b.kept[i].Tries++; b.kept[i].due = due })
}

func (b *box) Settle(_ context.Context, id int64, _ time.Time, warning string) error {
	return b.write(id, func(i int) {
		b.kept = slices.Delete(b.kept, i, i+1)
		if warning != "" {
			b.warnings = append(b.warnings, warning)
		}
	})
}

// left tells what is in the box: recipients and tries.
func (b *box) left() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, kept := range b.kept {
		list = append(list, fmt.Sprint(kept.Target, " ", kept.Tries))
	}
	return strings.Join(list, ", ")
}

// once sends what is in the box, each notification once.
func once(t *testing.T, s *notify.Service, b *box) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	n := len(b.kept)
	b.changed = make(chan struct{}, n)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Run(ctx, b)
	}()
	for range n {
		select {
		case <-b.changed:
		case <-ctx.Done():
			t.Error("nothing was sent")
		}
	}
	cancel()
	<-stopped
}
