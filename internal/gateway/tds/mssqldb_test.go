package tds

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-sql/sqlexp"
	mssql "github.com/microsoft/go-mssqldb"

	"freshet.dev/internal/gateway"
)

// open connects go-mssqldb; options are of its DSN.
func (b *bench) open(t *testing.T, options ...string) *sql.DB {
	t.Helper()
	query := url.Values{"dial timeout": {"10"}, "connection timeout": {"10"}}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		query.Set(key, value)
	}
	dsn := url.URL{Scheme: "sqlserver", User: url.UserPassword(toyUser, toyPassword), Host: b.address, RawQuery: query.Encode()}
	db, err := sql.Open("sqlserver", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// ways are how go-mssqldb may connect to a server of an encryption; "" is plain.
func (b *bench) ways() map[string][]string {
	return map[string][]string{
		"plain":    {"encrypt=disable"},
		"login":    {"encrypt=false", "trustservercertificate=true"},
		"required": {"encrypt=true", "certificate=" + b.ca, "hostnameincertificate=localhost"},
		"strict":   {"encrypt=strict", "certificate=" + b.ca, "hostnameincertificate=localhost"},
	}
}

// TestC5Encryption holds the table of who comes in how.
func TestC5Encryption(t *testing.T) {
	const no = "refused"
	for _, of := range []struct {
		name       string
		encryption Encryption
		want       map[string]string // whether the password came by TLS
	}{
		{"login", EncryptLogin, map[string]string{"plain": "false", "login": "true", "required": "true", "strict": "true"}},
		{"required", EncryptRequired, map[string]string{"plain": no, "login": "true", "required": "true", "strict": "true"}},
		{"strict", EncryptStrict, map[string]string{"plain": no, "login": no, "required": no, "strict": "true"}},
		{"off", EncryptOff, map[string]string{"plain": "false", "login": "false", "required": no, "strict": no}},
	} {
		t.Run(of.name, func(t *testing.T) {
			b := serve(t, of.encryption, nil)
			for way, options := range b.ways() {
				var user, database, application, encrypted string
				err := b.open(t, append(options, "database=retail", "app name=Größe")...).QueryRowContext(t.Context(), "select login").Scan(&user, &database, &application, &encrypted)
				if err != nil {
					encrypted = no
				} else if user != toyUser || database != "retail" || application != "Größe" {
					t.Errorf("%s: user %q, database %q, application %q", way, user, database, application)
				}
				if encrypted != of.want[way] {
					t.Errorf("%s: encrypted %s, want %s (%v)", way, encrypted, of.want[way], err)
				}
			}
		})
	}
}

// TestC5LongLogin logs in with a LOGIN7 of several packets, of which the first alone is encrypted.
func TestC5LongLogin(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	name := strings.Repeat("long ", 700)
	for way, options := range b.ways() {
		var user, database, application, encrypted string
		if err := b.open(t, append(options, "app name="+name)...).QueryRowContext(t.Context(), "select login").Scan(&user, &database, &application, &encrypted); err != nil {
			t.Errorf("%s: %v", way, err)
		} else if application != name {
			t.Errorf("%s: the application's name has %d letters", way, len(application))
		}
	}
}

func TestC5WrongLogin(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	for user, want := range map[string]string{"nobody": "Login failed for user 'nobody'.", "locked": "Login failed for user 'locked'. cannot log in: the profile is locked"} {
		db, err := sql.Open("sqlserver", "sqlserver://"+user+":wrong-secret@"+b.address+"?encrypt=disable")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var told mssql.Error
		if err := db.PingContext(t.Context()); !errors.As(err, &told) || told.Number != 18456 || told.Class != 14 || told.Message != "login error: "+want {
			t.Errorf("%s: %v, %d, class %d, %q", user, err, told.Number, told.Class, told.Message)
		}
	}
	b.shutdown()
	<-b.stopped
	if log := b.logged(); !strings.Contains(log, "error=\"Login failed for user 'nobody'.\"\n") {
		t.Errorf("logged, once a login, why: %s", log)
	}
	for _, login := range []Login{{User: "x", Password: "wrong-secret"}} {
		if text := fmt.Sprintf("%v %+v %#v %s", login, login, login, &login); strings.Contains(text, "wrong-secret") {
			t.Errorf("a login prints its password: %s", text)
		}
	}
}

// TestC3Types reads a value and NULL of every type, with the types as the client reports them.
func TestC3Types(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	for way, options := range b.ways() {
		t.Run(way, func(t *testing.T) {
			db := b.open(t, options...)
			rows, err := db.QueryContext(t.Context(), "select types")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			types, err := rows.ColumnTypes()
			if err != nil {
				t.Fatal(err)
			}
			values := make([]any, len(types))
			into := make([]any, len(types))
			for i := range values {
				into[i] = &values[i]
			}
			if !rows.Next() {
				t.Fatal(rows.Err())
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			at := moment()
			wall := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
			want := everyValue()
			want[7], want[8], want[9] = []byte("-922337203685477.5807"), []byte("922337203685477.5807"), []byte("-214748.3648")
			want[10], want[12], want[14] = "ab   ", "日    ", []byte{1, 2, 0, 0}
			want[16] = []byte("\xFF\x19\x96\x6F\x86\x8B\x11\xD0\xB4\x2D\x00\xC0\x4F\xC9\x64\xFF") // as on the wire
			want[17] = time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)
			want[18] = time.Date(1, 1, 1, 23, 59, 58, 123_000_000, time.UTC)
			want[19], want[21] = wall, wall
			want[20] = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			for i, column := range everyType() {
				name, _, _ := strings.Cut(column.Name, "(")
				if got := strings.ToLower(types[i].DatabaseTypeName()); got != name {
					t.Errorf("%s has the type %s", column.Name, got)
				}
				if length, ok := types[i].Length(); ok && column.Type.Length > 0 && length != int64(column.Type.Length) {
					t.Errorf("%s has the length %d", column.Name, length)
				}
				got, expected := values[i], want[i]
				if one, ok := got.(time.Time); ok {
					two := expected.(time.Time)
					if !one.Equal(two) || column.Name == "datetimeoffset" && one.Format(time.RFC3339Nano) != at.Format(time.RFC3339Nano) {
						t.Errorf("%s is %v, want %v", column.Name, one, two)
					}
				} else if fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", expected, expected) {
					t.Errorf("%s is %T %.80v, want %T %.80v", column.Name, got, got, expected, expected)
				}
			}
			rows.Close()
			if rows, err = db.QueryContext(t.Context(), "select nulls"); err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			if !rows.Next() {
				t.Fatal(rows.Err())
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, column := range everyType() {
				if values[i] != nil {
					t.Errorf("%s is %v, want nil", column.Name, values[i])
				}
			}
		})
	}
}

// TestC5Parameters sends parameters of all types, and has them back as a result.
func TestC5Parameters(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	db := b.open(t, "encrypt=disable")
	at := moment()
	for _, p := range []struct {
		value any
		want  gateway.Param
	}{
		{int64(5), gateway.Param{Type: gateway.Type{Kind: gateway.BigInt}, Value: int64(5)}},
		{int32(-5), gateway.Param{Type: gateway.Type{Kind: gateway.Int}, Value: int64(-5)}},
		{true, gateway.Param{Type: gateway.Type{Kind: gateway.Bit}, Value: true}},
		{2.5, gateway.Param{Type: gateway.Type{Kind: gateway.Float}, Value: 2.5}},
		{"Größe 日😀", gateway.Param{Type: gateway.Type{Kind: gateway.NVarchar, Length: 9}, Value: "Größe 日😀"}},
		{"", gateway.Param{Type: gateway.Type{Kind: gateway.NVarchar}, Value: ""}},
		{strings.Repeat("日", 600_000), gateway.Param{Type: gateway.Type{Kind: gateway.NVarchar}, Value: strings.Repeat("日", 600_000)}},
		{mssql.VarChar("Größe"), gateway.Param{Type: gateway.Type{Kind: gateway.Varchar, Length: 7}, Value: "GrÃ¶ÃŸe"}}, // the driver sends UTF-8 as if it were the code page
		{[]byte{0, 255}, gateway.Param{Type: gateway.Type{Kind: gateway.Varbinary, Length: 2}, Value: []byte{0, 255}}},
		{nil, gateway.Param{}},
		{at, gateway.Param{Type: gateway.Type{Kind: gateway.DateTimeOffset, Scale: 7}, Value: at}},
		{mssql.DateTime1(at), gateway.Param{Type: gateway.Type{Kind: gateway.DateTime}, Value: time.Date(2026, 2, 28, 23, 59, 58, 123_000_000, time.UTC)}},
		{mssql.UniqueIdentifier{0x6F, 0x96, 0x19, 0xFF, 0x8B, 0x86, 0xD0, 0x11, 0xB4, 0x2D, 0, 0xC0, 0x4F, 0xC9, 0x64, 0xFF},
			gateway.Param{Type: gateway.Type{Kind: gateway.Unique}, Value: "6F9619FF-8B86-D011-B42D-00C04FC964FF"}},
	} {
		rows, err := db.QueryContext(t.Context(), "select echo @p1", p.value)
		if err != nil {
			t.Errorf("%.40v: %v", p.value, err)
			continue
		}
		var back any
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		if err := rows.Scan(&back); err != nil {
			t.Fatal(err)
		}
		rows.Close()
		for request := range b.requests {
			if request.Text == "" {
				continue // the reset
			}
			got := request.Params[0]
			if got.Name != "@p1" || fmt.Sprint(got.Type) != fmt.Sprint(p.want.Type) || fmt.Sprintf("%T %v", got.Value, got.Value) != fmt.Sprintf("%T %v", p.want.Value, p.want.Value) {
				t.Errorf("%.40v came as %s %s %T %.60v, want %T %.60v", p.value, got.Name, got.Type, got.Value, got.Value, p.want.Value, p.want.Value)
			}
			break
		}
		if want, ok := p.want.Value.(string); ok && p.want.Type.Kind == gateway.NVarchar && back != want {
			t.Errorf("%.40v went back as %.60v", p.value, back)
		}
	}
	// By name, and a prepared statement more than once.
	statement, err := db.PrepareContext(t.Context(), "select echo")
	if err != nil {
		t.Fatal(err)
	}
	defer statement.Close()
	for i := range 3 {
		var one int
		var two string
		if err := statement.QueryRowContext(t.Context(), sql.Named("Id", i), sql.Named("WorkspaceId", "w")).Scan(&one, &two); err != nil || one != i || two != "w" {
			t.Errorf("%d: %d, %q, %v", i, one, two, err)
		}
	}
	var told mssql.Error
	if _, err := db.ExecContext(t.Context(), "exec p", mssql.TVP{TypeName: "dbo.T", Value: []struct{ A int }{{1}}}); !errors.As(err, &told) || !strings.Contains(told.Message, "a table") {
		t.Errorf("a table as a parameter: %v", err)
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Errorf("the connection after a refused parameter: %v", err)
	}
}

func TestC5Results(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	db := b.open(t, "encrypt=disable", "packet size=512")
	rows, err := db.QueryContext(t.Context(), "run two")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var counts []int
	for more := true; more; more = rows.NextResultSet() {
		n := 0
		for rows.Next() {
			n++
		}
		counts = append(counts, n)
	}
	if fmt.Sprint(counts) != "[2 1]" || rows.Err() != nil {
		t.Errorf("results of %v rows: %v", counts, rows.Err())
	}
	rows.Close()
	// More rows than a packet, than a buffer.
	if rows, err = db.QueryContext(t.Context(), "rows 20000"); err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	last := 0
	for rows.Next() {
		if err := rows.Scan(&last); err != nil {
			t.Fatal(err)
		}
	}
	if last != 20000 || rows.Err() != nil {
		t.Errorf("the last row is %d: %v", last, rows.Err())
	}
	// A statement without a result, with a count and without.
	if result, err := db.ExecContext(t.Context(), "run messages"); err != nil {
		t.Error(err)
	} else if n, err := result.RowsAffected(); n != 3 || err != nil {
		t.Errorf("%d rows affected, %v", n, err)
	}
	if _, err := db.ExecContext(t.Context(), "SET NOCOUNT ON"); err != nil {
		t.Error(err)
	}
	// A procedure by name, whose output parameter keeps its value, and its return status.
	if _, err := db.ExecContext(t.Context(), "refresh_dataflow", sql.Named("Id", "x")); err != nil {
		t.Error(err)
	}
	var told mssql.Error
	if _, err := db.ExecContext(t.Context(), "no_such_procedure", sql.Named("Id", "x")); !errors.As(err, &told) || told.Number != 2812 {
		t.Errorf("an unknown procedure: %v", err)
	}
}

func TestC5Errors(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	db := b.open(t, "encrypt=disable")
	for text, want := range map[string]mssql.Error{
		"run fail":        {Number: 50123, State: 7, Class: 15, Message: "cannot do it: Größe", LineNo: 3},
		"run late fail":   {Number: 50000, State: 1, Class: 16, Message: "cannot reach the service. Try again"},
		"run defect":      {Number: 50000, State: 1, Class: 16, Message: "cannot run the statement: an internal error, which the server's log has"},
		"select too long": {Number: 8152, State: 1, Class: 16, Message: `cannot send abcd as column "short", which is nvarchar(3)`},
		"select too many": {Number: 1056, State: 1, Class: 16, Message: "cannot send a result of 4097 columns: there are 1 to 4096"},
		"insert bulk t (a int)": {Number: 4806, State: 1, Class: 16, Message: "cannot take a bulk load. Send INSERT statements. SSIS: take an ODBC destination, " +
			"an ADO NET destination with UseBulkInsertWhenPossible set to False, or an OLE DB Command with INSERT INTO … VALUES (?, …), in the place of an OLE DB destination"},
	} {
		for _, arguments := range [][]any{nil, {1}} { // a batch, and a procedure
			if text == "insert bulk t (a int)" && arguments != nil {
				continue
			}
			var told mssql.Error
			_, err := db.ExecContext(t.Context(), text, arguments...)
			if !errors.As(err, &told) || told.Number != want.Number || told.State != want.State || told.Class != want.Class || told.Message != want.Message || told.LineNo != want.LineNo || told.ServerName != "Freshet" {
				t.Errorf("%s: %+v (%v)", text, told, err)
			}
		}
	}
	if !strings.Contains(b.logged(), "secret of the inside") {
		t.Error("the log has not the defect")
	}
	if _, err := db.ExecContext(t.Context(), "run panic"); err == nil {
		t.Error("a panic has no error")
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Errorf("another connection after a panic: %v", err)
	}
	b.shutdown()
	<-b.stopped
	if !strings.Contains(b.logged(), "a defect ended") {
		t.Error("the log has not the panic")
	}
}

// TestC4Attention cancels a statement that waits: its context ends, the connection goes on.
func TestC4Attention(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	for way, options := range b.ways() {
		for _, arguments := range [][]any{nil, {1}} {
			db := b.open(t, options...)
			db.SetMaxOpenConns(1)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-b.started; cancel() }()
			_, err := db.QueryContext(ctx, "run wait", arguments...)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", way, err)
			}
			if err := <-b.ended; !errors.Is(err, errAttention) {
				t.Errorf("%s: the statement ended with %v", way, err)
			}
			n := 0
			if err := db.QueryRowContext(t.Context(), "select 1").Scan(&n); err != nil || n != 1 {
				t.Errorf("%s: after the cancel: %d, %v", way, n, err)
			}
		}
	}
}

// TestC4Gone ends a statement whose client has gone.
func TestC4Gone(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	c := b.dial(t)
	c.login()
	c.batch("run wait")
	<-b.started
	c.Close()
	if err := <-b.ended; !errors.Is(err, errGone) {
		t.Errorf("the statement ended with %v", err)
	}
	<-b.closed
}

// TestC4Progress has the messages of a statement while it still runs.
func TestC4Progress(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	db := b.open(t, "encrypt=disable")
	var queue sqlexp.ReturnMessage
	rows, err := db.QueryContext(t.Context(), "run wait", &queue)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	told, results := "", 0
	for active := true; active; {
		switch m := queue.Message(t.Context()).(type) {
		case sqlexp.MsgNotice:
			told = m.Message.String()
			b.released <- struct{}{} // only now the statement goes on
		case sqlexp.MsgNext:
			for rows.Next() {
				results++
			}
		case sqlexp.MsgNextResultSet:
			active = rows.NextResultSet()
		case sqlexp.MsgError:
			t.Fatal(m.Error)
		}
	}
	if told != "waiting" || results != 1 {
		t.Errorf("told %q, %d rows", told, results)
	}
}

// TestC5Shutdown tells a waiting client that the server stops.
func TestC5Shutdown(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	db := b.open(t, "encrypt=disable")
	go func() { <-b.started; b.shutdown() }()
	var told mssql.Error
	if _, err := db.ExecContext(t.Context(), "run wait"); !errors.As(err, &told) || told.Number != 6005 {
		t.Errorf("%v", err)
	}
	<-b.ended
}

// A server that stops lets what runs end, for a while, and takes nothing more.
func TestC5Drain(t *testing.T) {
	b := serve(t, EncryptLogin, func(s *Server) { s.Drain = time.Minute })
	db := b.open(t, "encrypt=disable")
	idle, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	ended := make(chan error, 1)
	go func() {
		n := 0
		ended <- db.QueryRowContext(t.Context(), "run wait").Scan(&n)
	}()
	<-b.started
	b.shutdown()
	for idle.PingContext(t.Context()) == nil {
	}
	b.released <- struct{}{}
	if err := <-ended; err != nil {
		t.Errorf("what ran was ended: %v", err)
	}
	<-b.stopped
}

func TestC5Transactions(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	db := b.open(t, "encrypt=disable")
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
		tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := tx.QueryRowContext(t.Context(), "select 1").Scan(&n); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
		if err := end(tx); err != nil {
			t.Error(err)
		}
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestC5Describe has the columns of a statement without running it.
func TestC5Describe(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	db := b.open(t, "encrypt=disable")
	rows, err := db.QueryContext(t.Context(), "[master].sys.sp_describe_first_result_set", sql.Named("tsql", "select types"), sql.Named("params", "@p1 int"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || len(names) != 39 {
		t.Fatalf("%d columns, %v", len(names), err)
	}
	i := 0
	for ; rows.Next(); i++ {
		row := make([]any, len(names))
		into := make([]any, len(names))
		for j := range row {
			into[j] = &row[j]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		want := everyType()[i]
		if row[1] != int64(i+1) || row[2] != want.Name || row[5] != want.Type.String() {
			t.Errorf("row %d: %v", i, row)
		}
	}
	if i != len(everyType()) || rows.Err() != nil {
		t.Errorf("%d rows, %v", i, rows.Err())
	}
	for len(b.requests) > 0 {
		if request := <-b.requests; request.Text != "" {
			t.Errorf("describing ran %q", request.Text)
		}
	}
}

// TestC5Cursor reads a result by the procedures of cursors, as ODBC and OLE DB do.
func TestC5Cursor(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	conn, err := b.open(t, "encrypt=disable").Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var handle, scroll, control, count int32 = 0, 8, 1, 0
	open := func() {
		t.Helper()
		handle, scroll, control, count = 0, 8, 1, 0
		if _, err := conn.ExecContext(t.Context(), "sp_cursoropen", sql.Named("cursor", sql.Out{Dest: &handle}), sql.Named("stmt", "select rows 5"),
			sql.Named("scrollopt", sql.Out{Dest: &scroll, In: true}), sql.Named("ccopt", sql.Out{Dest: &control, In: true}), sql.Named("rowcount", sql.Out{Dest: &count, In: true})); err != nil {
			t.Fatal(err)
		}
	}
	open()
	if handle == 0 || scroll != cursorStatic || control != cursorReadOnly || count != 5 {
		t.Fatalf("cursor %d, %d, %d, %d rows", handle, scroll, control, count)
	}
	fetch := func(kind, row, rows int) string {
		t.Helper()
		got, err := conn.QueryContext(t.Context(), "sp_cursorfetch", sql.Named("cursor", handle), sql.Named("fetchtype", kind), sql.Named("rownum", row), sql.Named("nrows", rows))
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		if names, _ := got.Columns(); fmt.Sprint(names) != "[n ROWSTAT]" {
			t.Errorf("columns %v", names)
		}
		var all []int
		for got.Next() {
			var n, status int
			if err := got.Scan(&n, &status); err != nil || status != 1 {
				t.Error(status, err)
			}
			all = append(all, n)
		}
		return fmt.Sprint(all)
	}
	for _, step := range []struct {
		kind, row, rows int
		want            string
	}{
		{fetchNext, 0, 2, "[1 2]"}, {fetchNext, 0, 2, "[3 4]"}, {fetchNext, 0, 2, "[5]"}, {fetchNext, 0, 2, "[]"}, {fetchPrevious, 0, 2, "[4 5]"}, {fetchPrevious, 0, 2, "[2 3]"},
		{fetchPrevious, 0, 2, "[1 2]"}, {fetchPrevious, 0, 2, "[]"}, {fetchNext, 0, 1, "[1]"}, {fetchLast, 0, 2, "[4 5]"}, {fetchFirst, 0, 3, "[1 2 3]"}, {fetchRefresh, 0, 3, "[1 2 3]"},
		{fetchAbsolute, 4, 9, "[4 5]"}, {fetchAbsolute, -2, 1, "[4]"}, {fetchRelative, -1, 1, "[3]"}, {fetchAbsolute, 99, 1, "[]"}, {fetchAbsolute, -99, 1, "[]"}, {fetchNext, 0, 1000000, "[1 2 3 4 5]"},
	} {
		if got := fetch(step.kind, step.row, step.rows); got != step.want {
			t.Errorf("fetch %d, row %d, %d rows: %s, want %s", step.kind, step.row, step.rows, got, step.want)
		}
	}
	var row, all int32
	if _, err := conn.ExecContext(t.Context(), "sp_cursorfetch", sql.Named("cursor", handle), sql.Named("fetchtype", fetchInfo), sql.Named("rownum", sql.Out{Dest: &row}), sql.Named("nrows", sql.Out{Dest: &all})); err != nil || row != 1 || all != 5 {
		t.Errorf("row %d of %d, %v", row, all, err)
	}
	if _, err := conn.ExecContext(t.Context(), "sp_cursoroption", handle, 2, "C1"); err != nil {
		t.Error(err)
	}
	// With the first rows at once; prepared; prepared and run in one.
	scroll, count = cursorForward|cursorAutoFetch, 2
	rows, err := conn.QueryContext(t.Context(), "sp_cursoropen", sql.Named("cursor", sql.Out{Dest: &handle}), sql.Named("stmt", "select rows 5"),
		sql.Named("scrollopt", sql.Out{Dest: &scroll, In: true}), sql.Named("ccopt", sql.Out{Dest: &control, In: true}), sql.Named("rowcount", sql.Out{Dest: &count, In: true}))
	if err != nil {
		t.Fatal(err)
	}
	fetched := 0
	for rows.Next() {
		fetched++
	}
	if rows.Close(); fetched != 2 || scroll != cursorForward|cursorAutoFetch || count != 5 {
		t.Errorf("%d rows at once, options %#x, %d rows", fetched, scroll, count)
	}
	if got := fetch(fetchNext, 0, 9); got != "[3 4 5]" {
		t.Errorf("behind the rows at once: %s", got)
	}
	var statement int32
	scroll, count = 8, 0
	if _, err := conn.ExecContext(t.Context(), "sp_cursorprepare", sql.Named("handle", sql.Out{Dest: &statement}), sql.Named("params", nil), sql.Named("stmt", "select rows 3"), sql.Named("options", 1)); err != nil || statement == 0 {
		t.Errorf("statement %d, %v", statement, err)
	}
	if _, err := conn.ExecContext(t.Context(), "sp_cursorexecute", sql.Named("handle", statement), sql.Named("cursor", sql.Out{Dest: &handle}), sql.Named("scrollopt", sql.Out{Dest: &scroll, In: true}),
		sql.Named("ccopt", sql.Out{Dest: &control, In: true}), sql.Named("rowcount", sql.Out{Dest: &count, In: true})); err != nil || count != 3 {
		t.Errorf("%d rows, %v", count, err)
	}
	if got := fetch(fetchLast, 0, 1); got != "[3]" {
		t.Errorf("of a prepared statement: %s", got)
	}
	if _, err := conn.ExecContext(t.Context(), "sp_cursorunprepare", statement); err != nil {
		t.Error(err)
	}
	if _, err := conn.ExecContext(t.Context(), "sp_cursorprepexec", sql.Named("handle", sql.Out{Dest: &statement}), sql.Named("cursor", sql.Out{Dest: &handle}), sql.Named("params", "@p int"), sql.Named("stmt", "select rows 4"),
		sql.Named("scrollopt", sql.Out{Dest: &scroll, In: true}), sql.Named("ccopt", sql.Out{Dest: &control, In: true}), sql.Named("rowcount", sql.Out{Dest: &count, In: true}), sql.Named("p", 1)); err != nil || count != 4 || statement == 0 {
		t.Errorf("statement %d, %d rows, %v", statement, count, err)
	}
	if got := fetch(fetchNext, 0, 9); got != "[1 2 3 4]" {
		t.Errorf("of what was prepared and run: %s", got)
	}
	// What has no result runs, and has no cursor.
	if _, err := conn.ExecContext(t.Context(), "sp_cursoropen", sql.Named("cursor", sql.Out{Dest: &statement}), sql.Named("stmt", "run messages")); err != nil || statement != 0 {
		t.Errorf("cursor %d, %v", statement, err)
	}
	var told mssql.Error
	if _, err := conn.ExecContext(t.Context(), "sp_cursor", sql.Named("cursor", handle), sql.Named("optype", 4)); !errors.As(err, &told) || told.Number != numberCursorReading {
		t.Errorf("a change through the cursor: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "sp_cursorclose", sql.Named("cursor", handle)); err != nil {
		t.Error(err)
	}
	if _, err := conn.ExecContext(t.Context(), "sp_cursorfetch", sql.Named("cursor", handle)); !errors.As(err, &told) || told.Number != numberCursor {
		t.Errorf("a fetch after the close: %v", err)
	}
	// A user of a pool finds no cursor of the one before.
	open()
	conn.Close()
	if _, err := b.open(t, "encrypt=disable").ExecContext(t.Context(), "sp_cursorfetch", sql.Named("cursor", handle)); !errors.As(err, &told) || told.Number != numberCursor {
		t.Errorf("a fetch after a reset: %v", err)
	}
}

// TestC5Prepared runs a statement by its handle, as ODBC does. Preparing runs nothing.
func TestC5Prepared(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	conn, err := b.open(t, "encrypt=disable").Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var handle int32
	rows, err := conn.QueryContext(t.Context(), "sp_prepare", sql.Named("handle", sql.Out{Dest: &handle}), sql.Named("params", "@Id int, @Name nvarchar(10)"), sql.Named("stmt", "select echo"), sql.Named("options", 1))
	if err != nil {
		t.Fatal(err)
	}
	types, err := rows.ColumnTypes()
	if err != nil || len(types) != 2 || types[0].Name() != "Id" || types[1].DatabaseTypeName() != "NVARCHAR" || rows.Next() {
		t.Errorf("prepared columns %v, %v", types, err)
	}
	rows.Close()
	for len(b.requests) > 0 {
		if request := <-b.requests; request.Text != "" {
			t.Errorf("preparing ran %q", request.Text)
		}
	}
	if handle == 0 {
		t.Fatal("no handle")
	}
	for i := range 3 {
		var id int
		var name string
		if err := conn.QueryRowContext(t.Context(), "sp_execute", handle, i, "n").Scan(&id, &name); err != nil || id != i || name != "n" {
			t.Errorf("%d: %d %q %v", i, id, name, err)
		}
	}
	if _, err := conn.ExecContext(t.Context(), "sp_unprepare", handle); err != nil {
		t.Error(err)
	}
	var told mssql.Error
	if _, err := conn.ExecContext(t.Context(), "sp_execute", handle, 1); !errors.As(err, &told) || told.Number != numberHandle {
		t.Errorf("after its end: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "sp_prepare", sql.Named("handle", sql.Out{Dest: &handle}), sql.Named("params", nil), sql.Named("stmt", "run fail")); !errors.As(err, &told) || told.Number != 50123 {
		t.Errorf("preparing what cannot be: %v", err)
	}
}
