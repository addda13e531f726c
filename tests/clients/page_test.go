package clients

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/microsoft/go-mssqldb"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/powerbitest"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
	"freshet.dev/sqldriver"
)

// page is a Freshet whose database powerbi is a Power BI, with the dataflow of the connector's page.
type page struct {
	service *powerbitest.Service
	host    string // of that Power BI
	tds     string // HOST:PORT of Freshet
	port    string
	ca      string
	folder  string
}

const pageSecret = "the login's own"

func startPage(t *testing.T) *page {
	t.Helper()
	hash, err := auth.HashSecret(pageSecret)
	if err != nil {
		t.Fatal(err)
	}
	service := &powerbitest.Service{
		Groups: []*powerbitest.Group{{ID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", Name: "Sales", Dataflows: []powerbitest.Model{{ID: powerbitest.PageDataflow, Name: "Landing"}}}},
	}
	posts := 0
	service.Course = func(string, string) powerbitest.Course {
		if posts++; posts%3 == 0 { // nobody waits for it, and the next one is not to meet it
			return powerbitest.Course{}
		}
		return powerbitest.Course{Running: 2 * time.Second}
	}
	p := &page{service: service, folder: t.TempDir()}
	web := httptest.NewServer(service)
	t.Cleanup(web.Close)
	p.host = web.URL
	config := server.DefaultConfig()
	config.Listen, config.TDSListen, config.Data = "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
	config.Profiles = server.Profiles{"powerbi": {Profile: server.Profile{Host: web.URL, Credential: "token", Token: "x"}, Workspace: "Sales"}}
	config.SQLLogins = []server.SQLLogin{{Name: "agent", PasswordHash: hash, Profiles: []string{"powerbi"}}}
	address := run(t, config)
	p.tds, p.ca = address.TDS, address.CA
	_, p.port, _ = strings.Cut(p.tds, ":")
	return p
}

// environment is that of FreeTDS's and unixODBC's programs, with Freshet as the server and the data source "page".
func (p *page) environment(t *testing.T) []string {
	t.Helper()
	for name, text := range map[string]string{
		"freetds.conf": "[page]\nhost = 127.0.0.1\nport = " + p.port + "\ntds version = 7.4\nclient charset = ISO-8859-1\n",
		"odbc.ini":     "[page]\nDriver = FreeTDS\nServer = 127.0.0.1\nPort = " + p.port + "\nDatabase = powerbi\nTDS_Version = 7.4\nClientCharset = UTF-8\n",
	} {
		if err := os.WriteFile(filepath.Join(p.folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return append(os.Environ(), "FREETDSCONF="+filepath.Join(p.folder, "freetds.conf"), "ODBCINI="+filepath.Join(p.folder, "odbc.ini"), "LC_ALL=C.UTF-8", "FRESHET_TOKEN=x")
}

// What a row is, with | between the cells. C3
var (
	pageWaited  = regexp.MustCompile(`aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\s*\|\s*20[0-9T:.-]+Z@[0-9a-f-]{36}\$1\s*\|\s*OnDemand\s*\|[^|]*\d:\d{2}[^|]*\|[^|]*\d:\d{2}[^|]*\|\s*Success\s*\|\s*200`)
	pageStarted = regexp.MustCompile(`aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\s*\|\s*(?i:null)?\s*\|\s*OnDemand\s*\|\s*(?i:null)?\s*\|\s*(?i:null)?\s*\|\s*InProgress\s*\|\s*200`)
)

func (p *page) row(t *testing.T, client string, statement powerbitest.PageStatement, text string) {
	t.Helper()
	want := pageWaited
	if !statement.Waits {
		want = pageStarted
	}
	if !want.MatchString(text) {
		t.Errorf("%s, %s: the row is not as it should be:\n%s", client, statement.Name, text)
	}
}

// each runs the six statements by a client that gives the row of one, its cells with | between them; there is one refresh for each.
func (p *page) each(t *testing.T, client string, run func(t *testing.T, text string) string) {
	t.Helper()
	for i, statement := range powerbitest.Page() {
		p.row(t, client, statement, run(t, statement.Text))
		if posts := len(p.service.Refreshes()); posts != i+1 {
			t.Fatalf("%s, %s: %d refreshes were started", client, statement.Name, posts-i)
		}
	}
}

// run runs a program with its input and returns what it prints.
func (p *page) run(t *testing.T, input, program string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env, command.Dir, command.Stdin = p.environment(t), p.folder, strings.NewReader(input)
	var out, problems strings.Builder
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, out.String(), problems.String())
	}
	return out.String()
}

// tool finds a program, or skips.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name)
	}
	return path
}

// TestC5Page runs the six statements of the page, byte for byte, through every client: the same row and the same columns come to each. C2, C3, C6
func TestC5Page(t *testing.T) {
	const mssqlColumns = "Id VARCHAR 200, RequestId VARCHAR 100, RefreshType NVARCHAR 50, StartTime DATETIME, EndTime DATETIME, Status NVARCHAR 50, HttpStatusCode INT"
	const header = "Id,RequestId,RefreshType,StartTime,EndTime,Status,HttpStatusCode"
	t.Run("freshet sql", func(t *testing.T) {
		t.Parallel()
		p := startPage(t)
		p.each(t, "freshet sql", func(t *testing.T, text string) string {
			out := p.run(t, text, program(t), "sql", "--host", p.host, "--workspace", "Sales", "--format", "csv")
			head, row, _ := strings.Cut(out, "\n")
			if head != header {
				t.Errorf("the columns are %s", head)
			}
			return strings.ReplaceAll(row, ",", "|")
		})
	})
	t.Run("database/sql", func(t *testing.T) {
		t.Parallel()
		p := startPage(t)
		db := sql.OpenDB(sqldriver.New(sqldriver.Options{Client: &powerbi.Client{Host: p.host, Token: func(context.Context) (string, error) { return "x", nil }}, Workspace: "Sales"}))
		defer db.Close()
		p.each(t, "database/sql", func(t *testing.T, text string) string { return query(t, db, text, mssqlColumns) })
	})
	for name, options := range map[string]string{"plain": "encrypt=disable", "TLS": "encrypt=true", "strict": "encrypt=strict"} {
		t.Run("go-mssqldb/"+name, func(t *testing.T) {
			t.Parallel()
			p := startPage(t)
			address := url.URL{Scheme: "sqlserver", User: url.UserPassword("agent", pageSecret), Host: p.tds,
				RawQuery: "database=powerbi&" + options + "&hostnameincertificate=localhost&certificate=" + url.QueryEscape(p.ca)}
			db, err := sql.Open("sqlserver", address.String())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			p.each(t, "go-mssqldb "+name, func(t *testing.T, text string) string { return query(t, db, text, mssqlColumns) })
		})
	}
	t.Run("tsql", func(t *testing.T) {
		t.Parallel()
		tsql, p := tool(t, "tsql"), startPage(t)
		p.each(t, "tsql", func(t *testing.T, text string) string {
			out := p.run(t, text+"\ngo\nexit\n", tsql, "-S", "page", "-U", "agent", "-P", pageSecret, "-D", "powerbi", "-o", "q")
			if !strings.Contains(out, strings.ReplaceAll(header, ",", "\t")) {
				t.Errorf("tsql has not the columns:\n%s", out)
			}
			return strings.ReplaceAll(out, "\t", "|")
		})
	})
	t.Run("bsqldb", func(t *testing.T) {
		t.Parallel()
		bsqldb, p := tool(t, "bsqldb"), startPage(t)
		// Each column is as wide as its type says: rules are of that many dashes.
		rules := regexp.MustCompile(`(?m)^-{200} +-{100} +-{50} +-{23,30} +-{23,30} +-{50} +-{11,14}\s*$`)
		p.each(t, "bsqldb", func(t *testing.T, text string) string {
			out := p.run(t, text+"\ngo\n", bsqldb, "-S", "page", "-U", "agent", "-P", pageSecret, "-D", "powerbi", "-h")
			if !rules.MatchString(out) {
				t.Errorf("bsqldb has other widths:\n%s", out)
			}
			moment := regexp.MustCompile(`([A-Z][a-z]{2}) +(\d{1,2}) (\d{4}) +(\d{1,2}:)`) // a blank stands in the place of a digit that is not there
			return regexp.MustCompile(` {2,}`).ReplaceAllString(moment.ReplaceAllString(out, "$1 $2 $3 $4"), "|")
		})
	})
	t.Run("isql", func(t *testing.T) {
		t.Parallel()
		isql, p := tool(t, "isql"), startPage(t)
		for _, statement := range powerbitest.Page()[:3] { // a semicolon at the end of a line ends a statement to isql, so that those of SQL Server are none
			out := p.run(t, statement.Text+"\n;\n", isql, "page", "agent", pageSecret, "-b", "-v", "-n")
			if !regexp.MustCompile(`(?m)^\+-{201}\+-{101}\+-{51}\+-{24}\+-{24}\+-{51}\+-{12,15}\+$`).MatchString(out) {
				t.Errorf("isql has other widths:\n%s", out)
			}
			p.row(t, "isql", statement, strings.ReplaceAll(out, "\n|", "\n"))
		}
		if posts := len(p.service.Refreshes()); posts != 3 {
			t.Errorf("%d refreshes were started", posts)
		}
	})
}

// query runs a statement and returns its row, the cells with | between them. The columns with their types and lengths must be the given ones.
func query(t *testing.T, db *sql.DB, text, columns string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, c := range types {
		one := c.Name() + " " + c.DatabaseTypeName()
		if length, ok := c.Length(); ok {
			one += fmt.Sprint(" ", length)
		}
		told = append(told, one)
	}
	if got := strings.Join(told, ", "); got != columns {
		t.Errorf("the columns are %s", got)
	}
	if !rows.Next() {
		t.Fatal("no row", rows.Err())
	}
	cells := make([]any, len(types))
	for i := range cells {
		cells[i] = new(any)
	}
	if err := rows.Scan(cells...); err != nil {
		t.Fatal(err)
	}
	var row []string
	for _, cell := range cells {
		switch value := (*cell.(*any)).(type) {
		case nil:
			row = append(row, "NULL")
		case time.Time:
			row = append(row, value.Format(time.DateTime))
		default:
			row = append(row, fmt.Sprint(value))
		}
	}
	if rows.Next() {
		t.Error("there is a second row")
	}
	return strings.Join(row, "|")
}

// TestC5PageNode runs them by tedious and mssql of npm; testdata/page.js is what they do.
func TestC5PageNode(t *testing.T) {
	t.Parallel()
	node, modules := tool(t, "node"), os.Getenv("FRESHET_TEST_MSSQL_NPM")
	if modules == "" {
		missing(t, "npm's mssql")
	}
	startPage(t).script(t, []string{"NODE_PATH=" + modules}, []string{node, "testdata/page.js"}, []string{"tedious false", "tedious true", "tedious strict", "mssql false", "mssql true"}, map[string]string{
		"tedious": `[["Id","VarChar",200],["RequestId","VarChar",100],["RefreshType","NVarChar",100],["StartTime","DateTimeN",8],["EndTime","DateTimeN",8],["Status","NVarChar",100],["HttpStatusCode","IntN",4]]`,
		"mssql":   `[["Id","varchar",200],["RequestId","varchar",100],["RefreshType","nvarchar",100],["StartTime","datetime",8],["EndTime","datetime",8],["Status","nvarchar",100],["HttpStatusCode","int",4]]`,
	})
}

// TestC5PagePython runs them by pyodbc, over unixODBC and FreeTDS's driver, and by pymssql; testdata/page.py is what they do.
func TestC5PagePython(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // Debian's, which its packages are for
	if err := exec.Command(python, "-c", "import pyodbc, pymssql").Run(); err != nil {
		missing(t, "pyodbc or pymssql")
	}
	startPage(t).script(t, nil, []string{python, "testdata/page.py"}, []string{"pyodbc", "pymssql"}, map[string]string{
		"pyodbc":  `[["Id", "str", 200], ["RequestId", "str", 100], ["RefreshType", "str", 50], ["StartTime", "datetime", 23], ["EndTime", "datetime", 23], ["Status", "str", 50], ["HttpStatusCode", "int", 10]]`,
		"pymssql": `[["Id", "1", null], ["RequestId", "1", null], ["RefreshType", "1", null], ["StartTime", "4", null], ["EndTime", "4", null], ["Status", "1", null], ["HttpStatusCode", "3", null]]`,
	})
}

// script runs a program that runs the statements by several clients, and compares what each got. columns are those that it has seen, by the client's name.
func (p *page) script(t *testing.T, environment, program, clients []string, columns map[string]string) {
	t.Helper()
	var texts []string
	for _, statement := range powerbitest.Page() {
		texts = append(texts, statement.Text)
	}
	description, err := json.Marshal(map[string]any{"host": "127.0.0.1", "port": json.Number(p.port), "user": "agent", "password": pageSecret, "database": "powerbi", "ca": p.ca, "statements": texts})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program[0], append(program[1:], string(description))...)
	command.Env = append(os.Environ(), environment...)
	var problems strings.Builder
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	var all map[string][]struct {
		Columns json.RawMessage
		Rows    [][]any
		Error   string
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	for _, client := range clients {
		name, _, _ := strings.Cut(client, " ")
		if len(all[client]) != len(texts) {
			t.Errorf("%s: %d results", client, len(all[client]))
			continue
		}
		for i, result := range all[client] {
			if result.Error != "" || len(result.Rows) != 1 || string(result.Columns) != columns[name] {
				t.Errorf("%s: %s, %d rows, columns %s", client, result.Error, len(result.Rows), result.Columns)
				continue
			}
			var cells []string
			for _, cell := range result.Rows[0] {
				if cell == nil {
					cell = "NULL"
				}
				cells = append(cells, fmt.Sprint(cell))
			}
			p.row(t, client, powerbitest.Page()[i], strings.Join(cells, "|"))
		}
	}
	if posts := len(p.service.Refreshes()); posts != len(clients)*len(texts) {
		t.Errorf("%d clients started %d refreshes", len(clients), posts)
	}
}
