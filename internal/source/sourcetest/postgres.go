package sourcetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"freshet.dev/internal/source"
)

// Skip skips a test that needs a server which is not there, aloud. Where FRESHET_REQUIRE_SERVERS is set (make test, CI) it fails
// instead: there a skip would hide that nothing was tested.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("FRESHET_REQUIRE_SERVERS") != "" {
		t.Fatalf("%s, and FRESHET_REQUIRE_SERVERS is set", why)
	}
	t.Skipf("SKIPPED: %s (make test starts it; or: eval \"$(scripts/servers start)\")", why)
}

// Postgres is a database of its own on the test server, dropped at the end of the test.
type Postgres struct {
	URL      string // of the owner, who may write
	Path     string // "host:port;database", as a source's path
	Server   string // "host:port"
	Database string
	Username string
	Password string
}

// NewPostgres makes a database on the server that FRESHET_TEST_POSTGRES names; without one it skips.
func NewPostgres(t testing.TB) *Postgres {
	t.Helper()
	admin := os.Getenv("FRESHET_TEST_POSTGRES")
	if admin == "" {
		Skip(t, "FRESHET_TEST_POSTGRES names no PostgreSQL server")
	}
	address, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("FRESHET_TEST_POSTGRES: %v", err)
	}
	name := strings.ToLower(t.Name())
	if i := strings.IndexByte(name, '/'); i >= 0 {
		name = name[:i]
	}
	name = fmt.Sprintf("%.40s_%.8s", name, uuid.NewString())
	execute(t, admin, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	t.Cleanup(func() { execute(t, admin, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)") })
	address.Path = "/" + name
	p := &Postgres{URL: address.String(), Path: address.Host + ";" + name, Server: address.Host, Database: name, Username: address.User.Username()}
	p.Password, _ = address.User.Password()
	return p
}

// Setting returns the entry of dataSources that reaches the database.
func (p *Postgres) Setting() source.Setting {
	return source.Setting{Kind: "PostgreSQL", Path: p.Path, Username: p.Username, Password: p.Password, Options: map[string]string{"sslmode": "disable"}}
}

// Exec runs statements as the owner.
func (p *Postgres) Exec(t testing.TB, sql string) {
	t.Helper()
	execute(t, p.URL, sql)
}

func execute(t testing.TB, address, sql string) {
	t.Helper()
	ctx := context.Background() // the test's own has ended when a cleanup runs
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatalf("cannot connect to the test server: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// Count returns the number that a SELECT gives.
func (p *Postgres) Count(t testing.TB, sql string) int {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		t.Fatalf("cannot connect to the test server: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var n int
	if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return n
}
