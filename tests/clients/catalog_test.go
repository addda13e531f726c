package clients

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestC5Catalog has real clients ask for the catalog by the calls of their interfaces.
func TestC5Catalog(t *testing.T) {
	h := start(t)
	address, port, err := net.SplitHostPort(h.address.TDS)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Abs("catalog")
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, environment []string, input, client string, args ...string) string {
		t.Helper()
		program, err := exec.LookPath(client)
		if err != nil {
			missing(t, client)
		}
		command := exec.CommandContext(t.Context(), program, args...)
		command.Env, command.Stdin, command.WaitDelay = append(os.Environ(), environment...), strings.NewReader(input), time.Second
		out, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", client, err, out)
		}
		return string(out)
	}
	holds := func(t *testing.T, out, want string) {
		t.Helper()
		lines := strings.Split(out, "\n")
		for i := range lines {
			lines[i] = strings.Join(strings.Fields(lines[i]), " ")
		}
		unsaid := slices.DeleteFunc(strings.Split(strings.Trim(want, "\n"), "\n"), func(line string) bool { return slices.Contains(lines, line) })
		if len(unsaid) > 0 {
			t.Errorf("not said:\n%s\nbut\n%.6000s", strings.Join(unsaid, "\n"), strings.Join(lines, "\n"))
		}
	}
	driver, _ := filepath.Glob("/usr/lib/*/odbc/libtdsodbc.so")
	connection := "Server=" + address + ";Port=" + port + ";Database=Sales;TDS_Version=7.4;ClientCharset=UTF-8"

	t.Run("isql", func(t *testing.T) {
		if len(driver) == 0 {
			missing(t, "tdsodbc")
		}
		ini := filepath.Join(t.TempDir(), "odbc.ini")
		if err := os.WriteFile(ini, []byte("[freshet]\nDriver="+driver[0]+"\n"+strings.ReplaceAll(connection, ";", "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out := run(t, []string{"ODBCINI=" + ini}, "help\nhelp refresh_dataflow\n", "isql", "-b", "-d,", "freshet", "etl", clientSecret)
		holds(t, out, "Sales,Orders,Orders,TABLE,\nSales,dbo,endpoints,VIEW,All endpoints.\nSales,dbo,refresh_dataflow,HttpStatusCode,4,int,10,4,0,10,1,"+
			"of the answer to the POST; where another refresh was joined, of the refusal; null where the answer was lost and the refresh found,,4,,,7,YES,38")
	})
	t.Run("tsql", func(t *testing.T) {
		out := run(t, []string{"TDSVER=7.4"}, "sp_tables 'endpoints'\ngo\nSELECT name FROM sys.schemas WHERE schema_id > 4\ngo\nEXEC sp_who\ngo\n", "tsql", "-H", address, "-p", port, "-D", "Sales", "-U", "etl", "-P", clientSecret, "-o", "q")
		holds(t, out, "Sales dbo endpoints VIEW All endpoints.\nOrders\nMsg 2812 (severity 16, state 1) from Freshet:")
	})
	t.Run("pyodbc", func(t *testing.T) {
		if err := exec.Command("/usr/bin/python3", "-c", "import pyodbc").Run(); err != nil || len(driver) == 0 {
			missing(t, "pyodbc")
		}
		out := run(t, nil, "", "/usr/bin/python3", filepath.Join(folder, "odbc.py"), "Driver="+driver[0]+";"+connection+";UID=etl;PWD="+clientSecret)
		holds(t, out, `
catalogs: Sales; freshet
kinds: TABLE; VIEW
views: Sales dbo refresh_dataflow VIEW; Sales dbo refresh_dataset VIEW
tables: Endless Orders; Orders Orders
columns: Id 12 varchar 200 200 1; RequestId 12 varchar 100 100 2; RefreshType -9 nvarchar 50 100 3; StartTime 93 datetime 23 16 4; EndTime 93 datetime 23 16 5; Status -9 nvarchar 50 100 6; HttpStatusCode 4 int 10 4 7
times: StartTime 93 3; EndTime 93 3
model: OrderKey bigint YES
procedures: cancel_dataflow_transaction;1 2; cancel_dataset_refresh;1 2
parameters: @RETURN_VALUE 5 int; @WorkspaceId 1 nvarchar; @WorkspaceName 1 nvarchar
keys:
statistics: endpoints 0
type: varchar 12 8000 max length
types: 23
parameter: VIEW
call: Name; IsAction; Description`)
	})
	t.Run("pymssql", func(t *testing.T) {
		if err := exec.Command("/usr/bin/python3", "-c", "import pymssql").Run(); err != nil {
			missing(t, "pymssql")
		}
		holds(t, run(t, nil, "", "/usr/bin/python3", filepath.Join(folder, "dblib.py"), address, port, "etl", clientSecret), `
tables: Endless Orders BASE TABLE; Orders Orders BASE TABLE; dbo endpoint_columns VIEW; dbo endpoint_parameters VIEW; dbo endpoints VIEW
columns: Name nvarchar; IsAction bit; Description nvarchar
procedure: Sales dbo endpoints VIEW All endpoints.`)
	})
	t.Run("SQLAlchemy", func(t *testing.T) {
		if err := exec.Command("/usr/bin/python3", "-c", "import pymssql, pyodbc, sqlalchemy").Run(); err != nil || len(driver) == 0 {
			missing(t, "SQLAlchemy")
		}
		login := url.UserPassword("etl", clientSecret)
		for _, at := range []url.URL{
			{Scheme: "mssql+pymssql", User: login, Host: h.address.TDS, Path: "/Sales"},
			{Scheme: "mssql+pyodbc", Path: "/", RawQuery: "odbc_connect=" + url.QueryEscape("Driver="+driver[0]+";"+connection+";UID=etl;PWD="+clientSecret)},
		} {
			text := strings.Replace(at.String(), "pyodbc:/?", "pyodbc:///?", 1)
			holds(t, run(t, nil, "", "/usr/bin/python3", filepath.Join(folder, "reflect.py"), text), `
schemas: Endless INFORMATION_SCHEMA Orders dbo guest sys
tables: Orders
has: True False
columns: Id VARCHAR(200) RequestId VARCHAR(100) RefreshType NVARCHAR(50) StartTime DATETIME EndTime DATETIME Status NVARCHAR(50) HttpStatusCode INTEGER
keys: None [] []
rows: cancel_dataflow_transaction cancel_dataset_refresh`)
		}
	})
	t.Run("jTDS", func(t *testing.T) {
		const jar = "/usr/share/java/jtds.jar"
		if _, err := os.Stat(jar); err != nil {
			missing(t, "jTDS")
		}
		out := run(t, nil, "", "java", "-cp", jar, filepath.Join(folder, "Catalog.java"), "jdbc:jtds:sqlserver://"+h.address.TDS+"/Sales", "etl", clientSecret)
		holds(t, out, `
product: Microsoft SQL Server 15
catalogs: Sales; freshet
views: Sales dbo refresh_dataflow VIEW; Sales dbo refresh_dataset VIEW
tables: Endless Orders; Orders Orders
columns: Id 12 varchar 200 1; RequestId 12 varchar 100 2; RefreshType 12 nvarchar 50 3; StartTime 93 datetime 23 4; EndTime 93 datetime 23 5; Status 12 nvarchar 50 6; HttpStatusCode 4 int 10 7
procedures: cancel_dataflow_transaction; cancel_dataset_refresh
parameters: @RETURN_VALUE 5 int; @WorkspaceId 1 nvarchar; @WorkspaceName 1 nvarchar
keys:
imported:
exported:
best:
index: endpoints 0
privileges: etl SELECT
prepared: cancel_dataflow_transaction; cancel_dataset_refresh`)
	})
	t.Run("mssql", func(t *testing.T) {
		modules := os.Getenv("FRESHET_TEST_MSSQL_NPM")
		if modules == "" {
			missing(t, "npm's mssql")
		}
		holds(t, run(t, []string{"NODE_PATH=" + modules}, "", "node", filepath.Join(folder, "catalog.js"), address, port, "etl", clientSecret), `
tables: Endless Orders; Orders Orders
views: dbo refresh_dataflow; dbo refresh_dataset
columns: Name -9 nvarchar; IsAction -7 bit; Description -10 ntext
id: 1 Orders`)
	})
}
