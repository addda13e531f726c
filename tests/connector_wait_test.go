package tests

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
	"freshet.dev/sqldriver"
)

// slow is a server with dataflow Landing, whose rows come from a view that waits until the gate is open.
type slow struct {
	*host
	p           postgres
	group, flow string
}

const gateNumber = 7

func startSlow(t *testing.T, change func(*server.Config)) *slow {
	t.Helper()
	p := newPostgres(t, "CREATE TABLE data AS SELECT 1::bigint AS id", "CREATE VIEW broken AS SELECT 1 / (id - id) AS id FROM data")
	s := &slow{p: p}
	gate := p.gate(t, gateNumber)
	p.run(t, "CREATE VIEW subject AS SELECT id FROM data WHERE "+gate)
	config := configured(t, p.source())
	if change != nil {
		change(&config)
	}
	s.host = startHost(t, config)
	if config.Auth.Mode == server.AuthLocal {
		issuer, err := auth.NewLocal(config.Data)
		if err != nil {
			t.Fatal(err)
		}
		s.Token = func(context.Context) (string, error) {
			return issuer.Issue(auth.Claims{Owner: true, Scopes: auth.AllScopes()})
		}
	}
	s.group, s.flow = s.deployFlow(t, "Landing", p.from("subject"))
	s.deployFlow(t, "Torn", p.from("broken"))
	return s
}

func (s *slow) shut(t *testing.T) { s.p.gate(t, gateNumber) }

// standing starts a refresh of Landing that stands at the gate, and returns its transaction.
func (s *slow) standing(t *testing.T, db *sql.DB) (transaction string) {
	t.Helper()
	if _, _, failure := told(db, "EXEC refresh_dataflow @DataflowName = 'Landing', @WaitForCompletion = 'False'"); failure != "" {
		t.Fatal(failure)
	}
	eventually(t, "the source is asked", func() bool { return s.p.statements(t, "subject") == 1 })
	return s.newest(t, "InProgress")
}

// newest returns the newest transaction of Landing, which must have the status or come to it.
func (s *slow) newest(t *testing.T, status powerbi.TransactionStatus) (id string) {
	t.Helper()
	eventually(t, "the newest transaction is "+string(status), func() bool {
		list, err := s.DataflowTransactions(t.Context(), s.group, s.flow)
		if err != nil || len(list) == 0 {
			t.Fatal(list, err)
		}
		last := slices.MaxFunc(list, func(a, b powerbi.DataflowTransaction) int { return a.StartTime.Compare(b.StartTime.Time) })
		id = last.ID
		return last.Status == status
	})
	return id
}

// answered is what a statement came to: the last two columns of its row, and the transaction; or its error.
type answered struct {
	transaction, status string
	http                int64
	err                 *sqldriver.Error
	other               error
}

// statement is one that runs.
type statement struct {
	done    chan answered
	notices chan string
}

// run starts a refresh of a dataflow with further parameters. Notices come until it ends.
func (s *slow) run(ctx context.Context, t *testing.T, client *powerbi.Client, flow, with string) statement {
	t.Helper()
	st := statement{make(chan answered, 1), make(chan string, 1000)}
	db := connected(t, client, func(text string) {
		select {
		case st.notices <- text:
		default:
		}
	})
	go func() {
		var got answered
		var status sql.NullInt64
		err := db.QueryRowContext(ctx, "SELECT RequestId, Status, HttpStatusCode FROM refresh_dataflow WHERE DataflowName = '"+flow+"' WITH (InitialWaitMs=0, StatusCheckWaitSec=0"+with+")").
			Scan(&got.transaction, &got.status, &status)
		if got.http = status.Int64; err != nil && !errors.As(err, &got.err) {
			got.other = err
		}
		st.done <- got
	}()
	return st
}

// told waits for a notice that holds a text.
func (st statement) told(t *testing.T, text string) {
	t.Helper()
	var all []string
	for timeout := time.After(patience); ; {
		select {
		case notice := <-st.notices:
			if all = append(all, notice); strings.Contains(notice, text) {
				return
			}
		case got := <-st.done:
			t.Fatalf("ended as %+v before it told %q", got, text)
		case <-timeout:
			t.Fatalf("waited in vain for %q; told %q", text, all)
		}
	}
}

func (st statement) ended(t *testing.T) answered {
	t.Helper()
	select {
	case got := <-st.done:
		return got
	case <-time.After(patience):
		t.Fatal("the statement does not end")
		panic("unreachable")
	}
}

// C4, F9: what a statement does about a refresh of a dataflow that runs, against a server whose source is held.
func TestC4WaitsForFreshet(t *testing.T) {
	s := startSlow(t, nil)
	db := connected(t, s.Client, nil)
	open := func(t *testing.T) {
		t.Helper()
		s.p.open(t, gateNumber)
	}

	t.Run("it runs already, and is joined", func(t *testing.T) {
		transaction := s.standing(t, db)
		st := s.run(t.Context(), t, s.Client, "Landing", "")
		st.told(t, "joining "+transaction)
		open(t)
		if got := st.ended(t); got.transaction != transaction || got.status != "Success" || got.http != 400 {
			t.Errorf("got %+v", got)
		}
	})
	for with, want := range map[string]struct{ first, status string }{"wait": {"Success", "Success"}, "cancel": {"Cancelled", "Success"}} {
		t.Run("it runs already, IfRunning="+with, func(t *testing.T) {
			s.shut(t)
			transaction := s.standing(t, db)
			st := s.run(t.Context(), t, s.Client, "Landing", ", IfRunning='"+with+"'")
			if with == "wait" {
				st.told(t, "InProgress, transaction "+transaction)
				open(t)
			} else {
				st.told(t, "its refresh is started")
				open(t)
			}
			got := st.ended(t)
			if got.transaction == transaction || got.status != want.status || got.http != 200 {
				t.Errorf("got %+v", got)
			}
			var first string
			if err := db.QueryRow("SELECT Status FROM get_dataflow_transactions WHERE DataflowName = 'Landing' AND TransactionId = ?", transaction).Scan(&first); err != nil || first != want.first {
				t.Errorf("the first one: %s, %v", first, err)
			}
		})
	}
	t.Run("it runs already, and that is an error", func(t *testing.T) {
		s.shut(t)
		s.standing(t, db)
		for _, with := range []string{", IfRunning='fail'", ", ContinueOnErrorForMessage='False'", ", ErrorSubstringToMatch='limit'"} {
			got := s.run(t.Context(), t, s.Client, "Landing", with).ended(t)
			if got.err == nil || got.err.HTTPStatus != 400 || !strings.Contains(got.err.Message, "is currently in progress") {
				t.Errorf("%s: %+v", with, got)
			}
		}
		open(t)
		s.newest(t, "Success")
	})
	t.Run("the limit of the wait", func(t *testing.T) {
		s.shut(t)
		got := s.run(t.Context(), t, s.Client, "Landing", ", MaxWaitSec=1").ended(t)
		if got.err == nil || got.err.Code != sqldriver.CodeWaitLimit || !strings.Contains(got.err.Message, "it goes on by itself") {
			t.Errorf("got %+v", got)
		}
		transaction := s.newest(t, "InProgress")
		if !strings.Contains(got.err.Message, transaction) {
			t.Errorf("the error does not name %s: %v", transaction, got.err)
		}
		open(t)
		if ended := s.newest(t, "Success"); ended != transaction {
			t.Errorf("%s ended, not %s", ended, transaction)
		}
	})
	for with, want := range map[string]powerbi.TransactionStatus{"": "InProgress", ", CancelOnAbort='True'": "Cancelled"} {
		t.Run("the client goes away"+with, func(t *testing.T) {
			s.shut(t)
			ctx, cancel := context.WithCancel(t.Context())
			st := s.run(ctx, t, s.Client, "Landing", with)
			st.told(t, "InProgress")
			cancel()
			if got := st.ended(t); !errors.Is(got.other, context.Canceled) {
				t.Errorf("got %+v", got)
			}
			s.newest(t, want)
			open(t)
			if want == "InProgress" {
				s.newest(t, "Success")
			}
		})
	}
	t.Run("two callers race", func(t *testing.T) {
		s.shut(t)
		one, two := s.run(t.Context(), t, s.Client, "Landing", ""), s.run(t.Context(), t, s.Client, "Landing", "")
		one.told(t, "InProgress")
		two.told(t, "InProgress")
		open(t)
		a, b := one.ended(t), two.ended(t)
		if a.transaction != b.transaction || a.status != "Success" || b.status != "Success" || a.http+b.http != 200+400 {
			t.Errorf("got %+v and %+v", a, b)
		}
	})
	t.Run("two callers race, and each waits for its own", func(t *testing.T) {
		s.shut(t)
		one, two := s.run(t.Context(), t, s.Client, "Landing", ", IfRunning='wait'"), s.run(t.Context(), t, s.Client, "Landing", ", IfRunning='wait'")
		one.told(t, "InProgress")
		two.told(t, "InProgress")
		open(t)
		a, b := one.ended(t), two.ended(t)
		if a.transaction == b.transaction || a.status != "Success" || b.status != "Success" || a.http != 200 || b.http != 200 {
			t.Errorf("got %+v and %+v", a, b)
		}
	})
	t.Run("it fails", func(t *testing.T) {
		if got := s.run(t.Context(), t, s.Client, "Torn", "").ended(t); got.err == nil || got.err.Code != sqldriver.CodeRefreshFailed || got.err.HTTPStatus != 200 || !strings.Contains(got.err.Message, "division by zero") {
			t.Errorf("got %+v", got)
		}
		if got := s.run(t.Context(), t, s.Client, "Torn", ", OnFailure='row'").ended(t); got.status != "Failed" || got.http != 200 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("another refusal", func(t *testing.T) { // without a capacity a dataflow is refreshed eight times a day
		if err := s.AssignToCapacity(t.Context(), s.group, powerbi.NoCapacity); err != nil {
			t.Fatal(err)
		}
		for range 9 {
			got := s.run(t.Context(), t, s.Client, "Landing", "").ended(t)
			if got.err == nil && got.status == "Success" {
				continue
			}
			if got.err == nil || got.err.HTTPStatus != 400 || !strings.Contains(got.err.Message, "exceeded allowed limit 8") {
				t.Errorf("got %+v", got)
			}
			return
		}
		t.Error("there is no limit")
	})
}

// F9: a token that the server refuses in the middle of a wait is replaced, and the wait goes on.
func TestF9TokensInAWaitForFreshet(t *testing.T) {
	s := startSlow(t, func(config *server.Config) { config.Auth.Mode = server.AuthLocal })
	stranger, err := auth.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	worthless, err := stranger.Issue(auth.Claims{Owner: true, Scopes: auth.AllScopes()})
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu      sync.Mutex
		current string
		refused int
	)
	renew := func() {
		token, err := s.Token(t.Context())
		if err != nil {
			t.Error(err)
		}
		current = token
	}
	renew()
	client := &powerbi.Client{Host: s.Host}
	client.Token = func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return current, nil
	}
	client.Refused = func(string) {
		mu.Lock()
		defer mu.Unlock()
		refused++
		renew()
	}
	st := s.run(t.Context(), t, client, "Landing", "")
	for range 2 {
		st.told(t, "InProgress")
		mu.Lock()
		current, refused = worthless, 0
		mu.Unlock()
		eventually(t, "the token is refused", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return refused == 1
		})
	}
	st.told(t, "InProgress")
	s.p.open(t, gateNumber)
	if got := st.ended(t); got.status != "Success" || got.http != 200 {
		t.Errorf("got %+v", got)
	}
}

// C4, F9: a server that asks to be left alone for an hour ends a statement whose MaxWaitSec comes before, at once, and nothing was started.
func TestC4ThrottledByFreshet(t *testing.T) {
	s := startSlow(t, func(config *server.Config) { config.Limits.RefreshesPerHour = 1 })
	s.p.open(t, gateNumber)
	if got := s.run(t.Context(), t, s.Client, "Landing", "").ended(t); got.status != "Success" {
		t.Fatalf("got %+v", got)
	}
	begin := time.Now()
	got := s.run(t.Context(), t, s.Client, "Landing", ", MaxWaitSec=1800").ended(t)
	if got.err == nil || got.err.Code != sqldriver.CodeWaitLimit || got.err.HTTPStatus != http.StatusTooManyRequests || !strings.Contains(got.err.Message, "no refresh of the dataflow 'Landing' is started") {
		t.Errorf("got %+v", got)
	}
	if waited := time.Since(begin); waited > patience {
		t.Errorf("waited %s", waited)
	}
	if list, err := s.DataflowTransactions(t.Context(), s.group, s.flow); err != nil || len(list) != 1 {
		t.Errorf("%d transactions, %v", len(list), err)
	}
}
