package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
)

const (
	etlID       = "0a1b2c3d-0000-4000-8000-000000000001"
	etlSecret   = "the client's own"
	loginSecret = "the login's own"
	seedFlow    = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
)

// sqlServer runs a server with a door for SQL clients, a client, a login of SQL and a profile that leads to another service.
func sqlServer(t *testing.T, service *powerbitest.Service, change func(*Config)) *running {
	t.Helper()
	hash := func(secret string) string {
		hash, err := auth.HashSecret(secret)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	clients, logins := hash(etlSecret), hash(loginSecret)
	other := httptest.NewServer(service)
	t.Cleanup(other.Close)
	return start(t, t.TempDir(), t.TempDir(), func(c *Config) {
		c.TDSListen = "127.0.0.1:0"
		c.Clients = []Client{{ID: etlID, Name: "etl", SecretHash: clients, Roles: map[string]string{"Shop": "Contributor"}}}
		c.Profiles = Profiles{"powerbi": {Profile: Profile{Host: other.URL, Credential: "token", Token: "x"}, Workspace: "Sales"}}
		c.SQLLogins = []SQLLogin{{Name: "agent", PasswordHash: logins, Profiles: []string{"powerbi"}}, {Name: "both", PasswordHash: logins, Client: "etl", Profiles: []string{"powerbi"}}}
		if change != nil {
			change(c)
		}
	})
}

// fakeService is a Power BI with the seed's dataflow.
func fakeService() *powerbitest.Service {
	return &powerbitest.Service{
		Groups: []*powerbitest.Group{{ID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", Name: "Sales", Models: []powerbitest.Model{{ID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229", Name: "Orders"}},
			Dataflows: []powerbitest.Model{{ID: seedFlow, Name: "Landing"}}}},
		Course: func(string, string) powerbitest.Course { return powerbitest.Course{Running: 100 * time.Millisecond} },
	}
}

// sql connects go-mssqldb.
func (r *running) sql(t *testing.T, user, password, database string, options ...string) *sql.DB {
	t.Helper()
	query := url.Values{"dial timeout": {"10"}, "encrypt": {"disable"}, "database": {database}}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		query.Set(key, value)
	}
	db, err := sql.Open("sqlserver", (&url.URL{Scheme: "sqlserver", User: url.UserPassword(user, password), Host: r.server.Address().TDS, RawQuery: query.Encode()}).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// ask writes the results of a batch: the rows of each, and the results with a line of --- between.
func ask(db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, text string, arguments ...any) (string, error) {
	rows, err := db.QueryContext(context.Background(), text, arguments...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var results []string
	for more := true; more; more = rows.NextResultSet() {
		columns, err := rows.Columns()
		if err != nil {
			return "", err
		}
		lines := []string{strings.Join(columns, ",")}
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				return "", err
			}
			var line []string
			for _, value := range values {
				switch value := (*value.(*any)).(type) {
				case time.Time:
					line = append(line, value.Format("2006-01-02T15:04:05.999"))
				case []byte:
					line = append(line, string(value))
				default:
					line = append(line, fmt.Sprint(value))
				}
			}
			lines = append(lines, strings.Join(line, ","))
		}
		results = append(results, strings.Join(lines, "\n"))
	}
	return strings.Join(results, "\n---\n"), rows.Err()
}

// number is that of a SQL error.
func number(err error) int32 {
	var e mssql.Error
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

func (r *running) flow(t *testing.T, name string) string {
	t.Helper()
	model := `{"name": "` + name + `", "pbi:mashup": {"document": "section Section1; shared N = #table(type table [N = Int64.Type], {{1}, {2}});"},
		"entities": [{"$type": "LocalEntity", "name": "N", "attributes": [{"name": "N", "dataType": "int64"}]}]}`
	if _, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Shop", CreateWorkspace: true, Files: map[string][]byte{"model.json": []byte(model)}}); err != nil {
		t.Fatal(err)
	}
	groups, err := r.Groups(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	flows, err := r.Dataflows(t.Context(), groups[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(flows, func(f powerbi.Dataflow) bool { return f.Name == name })
	return flows[i].ObjectID
}

// seedStatements are the page's six, in its order.
func seedStatements(t *testing.T) []string {
	page, err := os.ReadFile("../../../shared/seeds/000_ef23bf4034e06521.txt")
	if err != nil {
		t.Skip("SKIPPED: the seeds are not beside the repository (../shared/seeds)")
	}
	_, text, _ := strings.Cut(string(page), "Use these SQL queries in your ODBC application data source:\n")
	var statements []string
	for _, block := range strings.Split(text, "Dataflows - Refresh a Dataflow")[1:] {
		_, statement, _ := strings.Cut(block, "\n")
		statement, _, _ = strings.Cut(statement, "\nSQL Server\n")
		statements = append(statements, strings.TrimSuffix(statement, "\n"))
	}
	if len(statements) != 6 {
		t.Fatalf("the page has %d statements", len(statements))
	}
	return statements
}

// C3, C5: the seed's six statements through the gateway, byte for byte with a profile, and with Freshet's own dataflow in the place of the seed's.
func TestC5SeedStatements(t *testing.T) {
	t.Parallel()
	r := sqlServer(t, fakeService(), nil)
	flow := r.flow(t, "Landing")
	ca := r.server.Address().CA
	connections := map[string]*sql.DB{
		"plain":    r.sql(t, "etl", etlSecret, "Shop"),
		"required": r.sql(t, etlID, etlSecret, "Shop", "encrypt=true", "certificate="+ca, "hostnameincertificate=localhost"),
		"strict":   r.sql(t, "both", loginSecret, "Shop", "encrypt=strict", "certificate="+ca, "hostnameincertificate=localhost"),
		"profile":  r.sql(t, "agent", loginSecret, ""),
	}
	var group sync.WaitGroup
	for i, statement := range seedStatements(t) {
		for name, db := range connections {
			if name != "plain" && name != "profile" && i%3 != 2 {
				continue // one that does not wait tells enough of the encryption
			}
			text, own := statement, name != "profile"
			if own {
				text = strings.ReplaceAll(text, seedFlow, flow)
			}
			group.Go(func() {
				rows, err := db.QueryContext(context.Background(), text)
				if err != nil {
					t.Errorf("%s: %s\n%v", name, text, err)
					return
				}
				defer rows.Close()
				types, err := rows.ColumnTypes()
				if err != nil {
					t.Error(err)
					return
				}
				var got []string
				for _, c := range types {
					length, _ := c.Length()
					got = append(got, fmt.Sprintf("%s %s %d", c.Name(), c.DatabaseTypeName(), length))
				}
				if want := "Id VARCHAR 200, RequestId VARCHAR 100, RefreshType NVARCHAR 50, StartTime DATETIME 0, EndTime DATETIME 0, Status NVARCHAR 50, HttpStatusCode INT 0"; strings.Join(got, ", ") != want {
					t.Errorf("%s: columns %s", name, strings.Join(got, ", "))
				}
				var (
					id, status    string
					request, kind sql.NullString // a refresh that is joined and not waited for has none
					from, to      sql.NullTime
					code          int
				)
				if !rows.Next() {
					t.Errorf("%s: no row, %v", name, rows.Err())
					return
				}
				if err := rows.Scan(&id, &request, &kind, &from, &to, &status, &code); err != nil {
					t.Error(err)
				}
				waits := i%3 != 2
				// Statements that run at the same time join each other's refresh: the service then refuses with 400.
				if id != map[bool]string{true: flow, false: seedFlow}[own] || waits && (!from.Valid || kind.String != "OnDemand" || status != "Success" || !to.Valid) || code != 200 && code != 400 || rows.Next() {
					t.Errorf("%s: %s\n%s %v %v %v %v %s %d", name, text, id, request, kind, from, to, status, code)
				}
			})
		}
	}
	group.Wait()
}
