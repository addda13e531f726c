package postgres

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// maxMessage bounds one row.
const maxMessage = 256 << 20

// wideFrontend reads the network in pieces of 256 KiB; pgx asks for 8.
func wideFrontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	return pgproto3.NewFrontend(bufio.NewReaderSize(r, 256<<10), w)
}

const (
	// obeyWithin is how long a server may take to end a statement that it was asked to cancel. Then the connection is closed: a source
	// query is gone within a second (R30), also when nothing that it sends arrives any more.
	obeyWithin = 500 * time.Millisecond
	// answerWithin is how long a connection may take to begin a transaction. One that has lain idle may lead nowhere, and TCP alone would
	// find that out after a quarter of an hour.
	answerWithin = 15 * time.Second
)

// canceller ends a statement whose context has ended by a cancel request, so that the server stops although it sends nothing.
type canceller struct {
	conn    *pgconn.PgConn
	closing *time.Timer
	stop    context.CancelFunc
	asked   chan struct{} // closed when the cancel request has been made or given up
}

func cancelAtServer(conn *pgconn.PgConn) ctxwatch.Handler { return &canceller{conn: conn} }

func (c *canceller) HandleCancel(context.Context) {
	asking, stop := context.WithTimeout(context.Background(), answerWithin)
	c.stop, c.asked = stop, make(chan struct{})
	c.closing = time.AfterFunc(obeyWithin, func() { _ = c.conn.Conn().Close() }) // the statement fails with it
	go func() {
		defer close(c.asked)
		_ = c.conn.CancelRequest(asking) // when it does not arrive, the closed connection tells
	}()
}

func (c *canceller) HandleUnwatchAfterCancel() {
	c.closing.Stop()
	c.stop()
	<-c.asked
}

// errClosed is the cause with which Close ends what still runs.
var errClosed = errors.New("the source was closed")

// cluster is what a setting leads to: a server, with a pool of connections for each database that was asked for. Together they hold
// no more connections than the setting allows.
type cluster struct {
	setting source.Setting
	config  *pgxpool.Config
	places  *semaphore.Weighted
	closing context.Context // ends with Close
	close   context.CancelCauseFunc

	mu    sync.Mutex
	pools map[string]*pgxpool.Pool // by database
}

func (s *cluster) Open(_ context.Context, path string) (source.Conn, error) {
	_, database, _ := strings.Cut(path, ";")
	return &conn{cluster: s, path: path, database: database}, nil
}

func (s *cluster) Close() error {
	s.close(errClosed)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pool := range s.pools {
		pool.Close() // waits for its connections
	}
	s.pools = nil
	return nil
}

func (s *cluster) pool(database string) (*pgxpool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Err() != nil {
		return nil, context.Cause(s.closing)
	}
	if pool := s.pools[database]; pool != nil {
		return pool, nil
	}
	config := s.config.Copy()
	config.ConnConfig.Database = database
	pool, err := pgxpool.NewWithConfig(s.closing, config)
	if err != nil {
		return nil, err
	}
	s.pools[database] = pool
	return pool, nil
}

// conn is one database of a cluster.
type conn struct {
	cluster  *cluster
	path     string
	database string
}

func (c *conn) Ref() source.Ref { return source.Ref{Kind: "PostgreSQL", Path: c.path} }
func (c *conn) Close() error    { return nil }

func (c *conn) Dialect() source.Dialect {
	return source.Dialect{Name: "postgresql", Ident: Ident, Literal: Literal, Clean: clean, Column: declared}
}

// Ident returns a quoted name.
func Ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal returns a quoted text; connections have standard_conforming_strings on, so that a backslash is itself.
func Literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

// transaction runs work in a READ ONLY transaction on a connection of its own. The snapshot is one, and what work looked up about
// types and tables cannot change before its end.
func (c *conn) transaction(ctx context.Context, work func(ctx context.Context, pg *pgconn.PgConn) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.cluster.closing, func() { cancel(errClosed) })()

	if err := c.cluster.places.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer c.cluster.places.Release(1)
	pool, err := c.cluster.pool(c.database)
	if err != nil {
		return c.failure(ctx, err, 0, "")
	}
	held, err := c.begin(ctx, pool)
	if err != nil {
		return c.failure(ctx, err, 0, "")
	}
	defer held.Release()
	pg := held.Conn().PgConn()
	err = work(ctx, pg)
	// What a statement may have set for its session ends here. A connection that cannot be cleaned is not kept, nor one whose statement
	// was cancelled: the request may still be under way, and would hit the next one.
	clean, done := context.WithTimeout(context.WithoutCancel(ctx), obeyWithin)
	defer done()
	if ctx.Err() != nil || run(clean, pg, "ROLLBACK") != nil || run(clean, pg, "DISCARD ALL") != nil {
		_ = pg.Close(clean)
	}
	return err
}

// begin begins the transaction on a connection of the pool. One that broke while it lay idle costs nothing: the next one is taken.
func (c *conn) begin(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	for tries := pool.Config().MaxConns; ; tries-- {
		held, err := pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		limited, stop := context.WithTimeout(ctx, answerWithin)
		err = begin(limited, held.Conn().PgConn())
		stop()
		if err == nil {
			return held, nil
		}
		again := held.Conn().IsClosed() && ctx.Err() == nil && tries > 0
		held.Release()
		if !again {
			return nil, err
		}
	}
}

// begin begins a transaction in which a statement ends when its reader is gone, however it went: by itself the server looks at the
// connection only when it has something to send.
func begin(ctx context.Context, pg *pgconn.PgConn) error {
	const transaction = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	major, _, _ := strings.Cut(pg.ParameterStatus("server_version"), ".")
	if version, err := strconv.Atoi(major); err != nil || version < 14 {
		return run(ctx, pg, transaction)
	}
	err := run(ctx, pg, transaction+"; SET LOCAL client_connection_check_interval = '1s'")
	if err == nil || pg.IsClosed() {
		return err
	}
	if err := run(ctx, pg, "ROLLBACK"); err != nil { // a server on Windows cannot look
		return err
	}
	return run(ctx, pg, transaction)
}

func run(ctx context.Context, pg *pgconn.PgConn, sql string) error {
	_, err := pg.Exec(ctx, sql).ReadAll()
	return err
}

// rows runs a statement of ours and returns its rows as text.
func rows(ctx context.Context, pg *pgconn.PgConn, sql string, args ...string) ([][][]byte, error) {
	values := make([][]byte, len(args))
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	result := pg.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	return result.Rows, result.Err
}

const tablesSQL = `SELECT n.nspname, c.relname, CASE WHEN c.relkind IN ('v', 'm') THEN 'View' ELSE 'Table' END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`

func (c *conn) Tables(ctx context.Context) ([]source.Table, error) {
	var tables []source.Table
	err := c.transaction(ctx, func(ctx context.Context, pg *pgconn.PgConn) error {
		found, err := rows(ctx, pg, tablesSQL)
		if err != nil {
			return c.failure(ctx, err, 0, "")
		}
		for _, row := range found {
			tables = append(tables, source.Table{Schema: string(row[0]), Name: string(row[1]), Kind: string(row[2])})
		}
		return nil
	})
	return tables, err
}

func (c *conn) Describe(ctx context.Context, sql string) (*arrow.Schema, error) {
	statement, err := clean(sql)
	if err != nil {
		return nil, err
	}
	var fields []field
	err = c.transaction(ctx, func(ctx context.Context, pg *pgconn.PgConn) (err error) {
		fields, err = c.describe(ctx, pg, statement)
		return err
	})
	if err != nil {
		return nil, err
	}
	return schemaOf(fields), nil
}

// describe prepares a statement by itself. Only that proves that it is one whole statement: COPY takes no parameters, so that the
// text is put between its brackets.
func (c *conn) describe(ctx context.Context, pg *pgconn.PgConn, statement string) ([]field, error) {
	prepared, err := pg.Prepare(ctx, "", statement, nil)
	if err != nil {
		return nil, c.failure(ctx, err, 0, statement)
	}
	if len(prepared.ParamOIDs) > 0 {
		return nil, fault.New(fault.Invalid, source.CodeQuery, "cannot run a statement on PostgreSQL '%s': it has parameters ($1 …)", c.path)
	}
	if len(prepared.Fields) == 0 {
		return nil, fault.New(fault.Invalid, source.CodeQuery, "cannot run a statement on PostgreSQL '%s': it gives no columns", c.path).
			WithHint("A statement must be a SELECT.")
	}
	fields := make([]field, len(prepared.Fields))
	var unknown []string
	for i, f := range prepared.Fields {
		fields[i] = fieldOf(f.Name, f.DataTypeOID, f.TypeModifier)
		if fields[i].declared == "" {
			unknown = append(unknown, decimalText(f.DataTypeOID))
		}
	}
	if len(unknown) == 0 {
		return fields, nil
	}
	found, err := rows(ctx, pg, "SELECT o, pg_catalog.format_type(o::oid, NULL) FROM unnest($1::text[]) AS o", "{"+strings.Join(unknown, ",")+"}")
	if err != nil {
		return nil, c.failure(ctx, err, 0, "")
	}
	names := map[string]string{}
	for _, row := range found {
		names[string(row[0])] = string(row[1])
	}
	for i, f := range prepared.Fields {
		if fields[i].declared == "" {
			fields[i].declared = names[decimalText(f.DataTypeOID)]
		}
	}
	return fields, nil
}

// clean strips what follows a statement: blanks, comments, a final semicolon. Further semicolons are left for the server to refuse.
func clean(sql string) (string, error) {
	if strings.ContainsRune(sql, 0) {
		// The protocol would end the statement there.
		return "", fault.New(fault.Invalid, source.CodeQuery, "cannot run a statement: it holds a zero byte")
	}
	end := statementEnd(sql)
	if end == 0 {
		return "", fault.New(fault.Invalid, source.CodeQuery, "cannot run a statement: it is empty")
	}
	return sql[:end], nil
}

// statementEnd returns the length of sql up to its last token that is not a semicolon.
func statementEnd(sql string) int {
	end := 0
	for i := 0; i < len(sql); {
		from := i
		switch rest := sql[i:]; {
		case strings.HasPrefix(rest, "--"):
			i += lineLength(rest)
			continue
		case strings.HasPrefix(rest, "/*"):
			n, closed := commentLength(rest)
			i += n
			if !closed {
				return i // the server says so
			}
			continue
		case rest[0] == '\'' || rest[0] == '"':
			escapes := rest[0] == '\'' && i > 0 && (sql[i-1] == 'e' || sql[i-1] == 'E') && (i < 2 || !nameByte(sql[i-2]))
			i += quotedLength(rest, escapes)
		case rest[0] == '$' && (i == 0 || !nameByte(sql[i-1])):
			i += dollarLength(rest)
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			i++
			continue
		case rest[0] == ';':
			// A semicolon that something follows stays within the statement.
			i++
			continue
		default:
			i++
		}
		if i > from {
			end = i
		}
	}
	return end
}

func nameByte(b byte) bool {
	return b == '_' || b == '$' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

func lineLength(text string) int {
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		return i
	}
	return len(text)
}

// commentLength returns the length of a comment; PostgreSQL's nest.
func commentLength(text string) (length int, closed bool) {
	depth := 0
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(text[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				return i, true
			}
		default:
			i++
		}
	}
	return len(text), false
}

func quotedLength(text string, escapes bool) int {
	for i := 1; i < len(text); i++ {
		switch {
		case escapes && text[i] == '\\':
			i++
		case text[i] == text[0]:
			if i+1 == len(text) || text[i+1] != text[0] {
				return i + 1
			}
			i++
		}
	}
	return len(text)
}

// dollarLength returns the length of a dollar-quoted text, or 1 when the dollar opens none.
func dollarLength(text string) int {
	i := 1
	for i < len(text) && text[i] != '$' && nameByte(text[i]) {
		i++
	}
	if i == len(text) || text[i] != '$' || i > 1 && text[1] >= '0' && text[1] <= '9' {
		return 1
	}
	tag := text[:i+1]
	close := strings.Index(text[len(tag):], tag)
	if close < 0 {
		return len(text)
	}
	return 2*len(tag) + close
}
