package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-sql/sqlexp"
	mssql "github.com/microsoft/go-mssqldb"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
)

const (
	etlID       = "0a1b2c3d-0000-4000-8000-000000000001"
	etlSecret   = "the client's own"
	loginSecret = "the login's own"
	seedFlow    = powerbitest.PageDataflow
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
	for i, statement := range powerbitest.Page() {
		for name, db := range connections {
			if name != "plain" && name != "profile" && i%3 != 2 {
				continue // one that does not wait tells enough of the encryption
			}
			text, own := statement.Text, name != "profile"
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

// shop deploys the model Retail, with a calculated column, and loads it.
func (r *running) shop(t *testing.T) {
	t.Helper()
	r.write(t, "Orders.csv", "Id,Region,Amount,At,Paid\n1,North,10.5,2026-01-31T10:00:00,true\n2,South,7.25,2026-02-28T23:59:58,false\n3,North,,,\n")
	r.write(t, "Regions.csv", "Name,Head\nNorth,Ana\nSouth,Bo ö 日\n")
	orders := table("Orders", []column{col("Id", "int64"), col("Region", "string"), col("Amount", "decimal"), col("At", "dateTime"), col("Paid", "boolean")},
		csvPart(r.files, "Orders", "Id", "Int64.Type", "Region", "type text", "Amount", "Currency.Type", "At", "type datetime", "Paid", "type logical"))
	orders["columns"] = append([]any{map[string]any{"name": "Twice", "type": "calculated", "dataType": "decimal", "expression": "[Amount] * 2"}},
		col("Id", "int64"), col("Region", "string"), col("Amount", "decimal"), col("At", "dateTime"), col("Paid", "boolean"))
	_, ref := r.deploy(t, bim("Retail", orders, table("Regions", []column{col("Name", "string"), col("Head", "string")}, csvPart(r.files, "Regions", "Name", "type text", "Head", "type text"))))
	if result := r.refreshed(t, ref, powerbi.RefreshRequest{}); result.Status != "Completed" {
		t.Fatalf("%+v", result)
	}
}

// C5: the refreshed tables of models and dataflows are schemas of their workspace's database.
func TestC5ModelTables(t *testing.T) {
	t.Parallel()
	r := sqlServer(t, fakeService(), nil)
	r.shop(t)
	r.flow(t, "Landing")
	db := r.sql(t, "etl", etlSecret, "Shop")
	if _, err := ask(db, "EXEC refresh_dataflow @DataflowName = 'Landing', @InitialWaitMs = 0, @StatusCheckWaitSec = 0"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, want string }{
		{"SELECT * FROM [Retail].[Orders] ORDER BY Id", "Id,Region,Amount,At,Paid\n1,North,10.5000,2026-01-31T10:00:00,true\n2,South,7.2500,2026-02-28T23:59:58,false\n3,North,<nil>,<nil>,<nil>"},
		{"SELECT r.Head, COUNT(*) AS n, SUM(o.Amount) AS s, AVG(o.Amount) AS a, MAX(o.At) AS m FROM retail.orders o JOIN Retail.Regions r ON r.Name = o.Region GROUP BY r.Head ORDER BY n DESC",
			"Head,n,s,a,m\nAna,2,10.5000,10.5,2026-01-31T10:00:00\nBo ö 日,1,7.2500,7.25,2026-02-28T23:59:58"},
		{"SELECT TOP 1 UPPER(Region) AS u, LEN(Region) AS l, LEFT(Region, 2) AS f, CHARINDEX('r', Region) AS i, CONCAT(Region, '/', Id) AS c, ISNULL(Amount, 0) AS z, " +
			"DATEADD(day, 1, At) AS d, DATEDIFF(month, At, '2026-03-01') AS m, YEAR(At) AS y, CAST(At AS NVARCHAR(10)) AS t, CASE WHEN Paid = 1 THEN 'paid' ELSE 'open' END AS p, " +
			"ROUND(CAST(Amount AS FLOAT), 0) AS r, Id % 2 AS o, REPLACE(Region, 'N', 'n') AS x FROM Retail.Orders WHERE Region LIKE 'N%' AND Id IN (1, 2) AND At BETWEEN '2026-01-01' AND '2026-12-31'",
			"u,l,f,i,c,z,d,m,y,t,p,r,o,x\nNORTH,5,No,3,North/1,10.5000,2026-02-01T10:00:00,2,2026,2026-01-31,paid,11,1,north"},
		{"WITH w AS (SELECT Region, STRING_AGG(CAST(Id AS NVARCHAR(9)), '+') AS ids FROM Retail.Orders GROUP BY Region) SELECT * FROM w WHERE EXISTS (SELECT 1 FROM Retail.Regions x WHERE x.Name = w.Region AND x.Head = 'Ana')",
			"Region,ids\nNorth,1+3"},
		{"SELECT N FROM Landing.N ORDER BY N DESC", "N\n2\n1"},
		{"SELECT COUNT(*) AS n FROM Shop.Retail.Orders", "n\n3"},
		{"USE freshet; SELECT COUNT(*) AS n FROM [shop].[Retail].[Orders]; USE Shop SELECT COUNT(*) AS m FROM Retail.Regions", "n\n3\n---\nm\n2"},
		{"SET ROWCOUNT 2 SELECT Id FROM Retail.Orders ORDER BY Id SET ROWCOUNT 0 SELECT @@ROWCOUNT AS n", "Id\n1\n2\n---\nn\n2"},
		{"SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY 1, 2", "TABLE_SCHEMA,TABLE_NAME\nLanding,N\nRetail,Orders\nRetail,Regions"},
		{"SELECT COUNT(*) AS n FROM sys.columns WHERE object_id = OBJECT_ID('Retail.Orders')", "n\n5"},
	} {
		if got, err := ask(db, tt.text); err != nil || got != tt.want {
			t.Errorf("%s\ngot\n%s, %v\nwant\n%s", tt.text, got, err, tt.want)
		}
	}
	if got, err := ask(db, "SELECT Id FROM Retail.Orders WHERE Region = @r AND Amount > @a AND At > @at", sql.Named("r", "North"), sql.Named("a", 5.5), sql.Named("at", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))); err != nil || got != "Id\n1" {
		t.Errorf("with parameters %s, %v", got, err)
	}
	for _, tt := range []struct {
		text   string
		number int32
		want   string
	}{
		{"SELECT Twice FROM Retail.Orders", 207, "cannot find the column 'Twice'"},
		{"SELECT * FROM Retail.Order", 208, "Did you mean 'Orders'?"},
		{"SELECT * FROM Retal.Orders", 208, "cannot find the schema 'Retal'"},
		{"SELECT * FROM Retail.Orders o JOIN Landing.N n ON n.N = o.Id", 50000, "cannot read tables of 'Retail' and of 'Landing' in one statement"},
		{"SELECT * FROM Retail.Orders o JOIN get_datasets d ON d.Name = o.Region", 50000, "cannot read the endpoint get_datasets and tables of 'Retail' in one statement"},
		{"INSERT INTO Retail.Orders (Id) VALUES (1)", 50000, "rows go to endpoints, which are in dbo"},
		{"SELECT CAST(Region AS INT) AS n FROM Retail.Orders", 50000, "[HTTP 400]"},
	} {
		if got, err := ask(db, tt.text); number(err) != tt.number || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngot %s, %d %v\nwant %d %s", tt.text, got, number(err), err, tt.number, tt.want)
		}
	}
}

// C5: who may come in, as whom, and to which databases.
func TestC5Logins(t *testing.T) {
	t.Parallel()
	r := sqlServer(t, fakeService(), nil)
	r.flow(t, "Landing")
	for _, tt := range []struct{ user, password, database, want string }{
		{"etl", etlSecret, "", "freshet,etl"},
		{"ETL", etlSecret, "master", "freshet,etl"},
		{etlID, etlSecret, "shop", "Shop,etl"},
		{"agent", loginSecret, "", "powerbi,agent"},
		{"both", loginSecret, "", "powerbi,both"},
		{"both", loginSecret, "Freshet", "freshet,both"},
		{"both", loginSecret, "Shop", "Shop,both"},
	} {
		if got, err := ask(r.sql(t, tt.user, tt.password, tt.database), "SELECT DB_NAME(), SUSER_SNAME()"); err != nil || got != ",\n"+tt.want {
			t.Errorf("%s %s: %s, %v", tt.user, tt.database, got, err)
		}
	}
	// Which of user and password is wrong is not told, neither in words nor by the time that it takes.
	texts := map[string]bool{}
	for _, tt := range [][2]string{{"etl", loginSecret}, {"nobody", etlSecret}, {"agent", etlSecret}, {"agent", ""}, {"etl", ""}, {"", ""}, {"00000000-0000-0000-0000-000000000001", "x"}} {
		begun := time.Now()
		_, err := ask(r.sql(t, tt[0], tt[1], ""), "SELECT 1")
		var e mssql.Error
		if !errors.As(err, &e) || e.Number != 18456 || e.Class != 14 || time.Since(begun) < time.Second {
			t.Errorf("%q: %v after %s", tt, err, time.Since(begun))
		}
		texts[strings.ReplaceAll(e.Message, tt[0], "")] = true
	}
	if len(texts) != 1 {
		t.Errorf("refused with %v", texts)
	}
	for _, tt := range [][3]string{{"agent", "Shop", "there are powerbi"}, {"etl", "powerbi", "there are freshet, Shop"}, {"both", "Other", "there are powerbi, freshet, Shop"}} {
		secret := map[string]string{"etl": etlSecret}[tt[0]]
		if secret == "" {
			secret = loginSecret
		}
		if _, err := ask(r.sql(t, tt[0], secret, tt[1]), "SELECT 1"); number(err) != 4060 || !strings.Contains(err.Error(), tt[2]) {
			t.Errorf("%s in %s: %v", tt[0], tt[1], err)
		}
	}
	// A workspace in which the client has no role is no database of its.
	if _, err := r.CreateGroup(t.Context(), "Secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(r.sql(t, "etl", etlSecret, "Secret"), "SELECT 1"); number(err) != 4060 || strings.Contains(err.Error(), "freshet, Shop, Secret") {
		t.Errorf("in Secret: %v", err)
	}
	if _, err := ask(r.sql(t, "etl", etlSecret, "Shop"), "SELECT * FROM Secret.Model.T"); number(err) != 911 {
		t.Errorf("from Shop in Secret: %v", err)
	}
}

// C5: databases are changed within a session, and a pool gives it back as it was.
func TestC5Databases(t *testing.T) {
	t.Parallel()
	r := sqlServer(t, fakeService(), nil)
	r.flow(t, "Landing")
	db := r.sql(t, "both", loginSecret, "Shop")
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, want string }{
		{"SELECT Name FROM get_dataflows", "Name\nLanding"},
		{"USE [powerbi] SELECT DB_NAME(), Name FROM get_datasets", ",Name\npowerbi,Orders"},
		{"USE Shop; SELECT DB_NAME(), COUNT(*) FROM get_dataflows", ",\nShop,1"},
		{"SELECT name, DB_ID(name) AS id FROM sys.databases WHERE name = 'Shop'", "name,id\nShop,7"},
		{"BEGIN TRAN SELECT @@TRANCOUNT AS n; COMMIT IF @@TRANCOUNT > 0 COMMIT TRAN SELECT @@TRANCOUNT AS m", "n\n1\n---\nm\n0"},
		{"SET NOCOUNT, ANSI_NULLS ON; SET TEXTSIZE 2147483647 set transaction isolation level read committed SELECT @@OPTIONS AS o, @@MAX_PRECISION AS p, @@LANGUAGE AS l, @@SERVERNAME AS s", "o,p,l,s\n5496,38,us_english,Freshet"},
		{"select SERVERPROPERTY('ProductVersion') as v, SERVERPROPERTY('EngineEdition') as e, HOST_NAME() as h, system_user as u", "v,e,h,u\n15.0.2000.5,2,here,both"},
		{"EXEC sp_executesql N'SELECT @a AS a, @b AS b', N'@a int, @b nvarchar(10)', 5, @b = N'x'", "a,b\n5,x"},
		{"EXEC ('SELECT 1 AS a; SELECT ''two'' AS b')", "a\n1\n---\nb\ntwo"},
		{"exec sp_databases", "DATABASE_NAME,DATABASE_SIZE,REMARKS\nShop,<nil>,<nil>\nfreshet,<nil>,<nil>\npowerbi,<nil>,<nil>"},
	} {
		db := interface {
			QueryContext(context.Context, string, ...any) (*sql.Rows, error)
		}(conn)
		if strings.Contains(tt.text, "HOST_NAME") {
			db = r.sql(t, "both", loginSecret, "Shop", "workstation id=here")
		}
		if got, err := ask(db, tt.text); err != nil || got != tt.want {
			t.Errorf("%s\ngot\n%s, %v\nwant\n%s", tt.text, got, err, tt.want)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text   string
		number int32
	}{
		{"USE Nowhere", 911}, {"SET NO_SUCH ON", 195}, {"SELECT * FROM nothing", 208}, {"SELEC 1", 102}, {"SELECT x FROM get_dataflows", 207}, {"EXEC refresh_dataflow", 201},
		{"EXEC no_such_procedure 1", 2812}, {"SELECT @nobody", 137}, {"SELECT NO_SUCH(1)", 195}, {"EXEC refresh_dataflow @Id = 'x', @Nothing = 1", 8145}, {"SELECT 1 + 'x'", 50000},
		{"SELECT * FROM powerbi.dbo.get_datasets", 208}, {"insert bulk refresh_dataflow ([Id] nvarchar(36))", 4806},
	} {
		_, err := ask(db, tt.text)
		var e mssql.Error
		if !errors.As(err, &e) || e.Number != tt.number || e.Class != 16 {
			t.Errorf("%s: %d of class %d %v, want %d", tt.text, e.Number, e.Class, err, tt.number)
		}
	}
	// go-mssqldb has every request of a pool begin with the state after the login.
	if got, err := ask(db, "SELECT DB_NAME() AS d"); err != nil || got != "d\nShop" {
		t.Errorf("%s, %v", got, err)
	}
}

// C2, C4, C5: what is called, and how often.
func TestC5Calls(t *testing.T) {
	t.Parallel()
	service := fakeService()
	r := sqlServer(t, service, nil)
	db := r.sql(t, "agent", loginSecret, "")
	refreshes := 0
	called := func(what string, n int) {
		t.Helper()
		if refreshes += n; len(service.Refreshes()) != refreshes {
			t.Errorf("%s made %d calls, not %d", what, len(service.Refreshes())-refreshes+n, n)
			refreshes = len(service.Refreshes())
		}
	}
	for _, text := range []string{
		"SET FMTONLY ON SELECT * FROM refresh_dataflow WHERE Id = '" + seedFlow + "' SET FMTONLY OFF",
		"SET NOEXEC ON EXEC refresh_dataflow @Id = '" + seedFlow + "' SET NOEXEC OFF",
		"EXEC sys.sp_describe_first_result_set @tsql = N'EXEC refresh_dataset'",
		"EXEC sp_describe_undeclared_parameters N'SELECT * FROM refresh_dataflow WHERE Id = @P1 AND WorkspaceId = @P2'",
		"SET FMTONLY ON SELECT * FROM refresh_dataflow EXEC refresh_dataset SET FMTONLY OFF",
		"SELECT TOP 0 * FROM refresh_dataflow WHERE Id = '" + seedFlow + "'",
		"IF 1 = 2 EXEC refresh_dataflow @Id = '" + seedFlow + "'",
	} {
		if _, err := ask(db, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		called(text, 0)
	}
	rows, err := db.Query("sp_describe_first_result_set", sql.Named("tsql", "SELECT * FROM refresh_dataflow WHERE Id = @p"), sql.Named("params", "@p nvarchar(36)"))
	if err != nil {
		t.Fatal(err)
	}
	described := 0
	for rows.Next() {
		described++
	}
	if rows.Close(); described != 7 {
		t.Errorf("described %d columns", described)
	}
	called("sp_describe_first_result_set", 0)
	asText, err := ask(db, "EXEC sp_describe_first_result_set N'SELECT Id, StartTime FROM refresh_dataflow WHERE Id = ''"+seedFlow+"''', NULL, 0")
	if lines := strings.Split(asText, "\n"); err != nil || len(lines) != 3 || !strings.HasPrefix(lines[1], "false,1,Id,true,167,varchar(200),200,") || !strings.HasPrefix(lines[2], "false,2,StartTime,true,61,datetime,8,") {
		t.Errorf("described as text: %s, %v", asText, err)
	}
	called("sp_describe_first_result_set in a batch", 0)
	// A designer's look at a destination, and a batch whose last statement cannot be run: nothing is called for the first.
	if rows, err := db.Query("sp_describe_first_result_set", sql.Named("tsql", "SELECT * FROM [dbo].[refresh_dataflow]")); err != nil || !rows.Next() || rows.Close() != nil {
		t.Errorf("%v", err)
	}
	if _, err := ask(db, "EXEC refresh_dataflow @Id = '"+seedFlow+"', @WaitForCompletion = False; IF 1 = 1 SELECT * FROM refresh_dataflow"); number(err) != 201 {
		t.Errorf("%v", err)
	}
	called("a batch that lacks a parameter", 0)

	result, err := db.Exec("INSERT INTO refresh_dataflow (Id, WorkspaceName) VALUES (@a, 'Sales'), (@a, 'sales'), (@a, @b) WITH (InitialWaitMs=0, StatusCheckWaitSec=0)", sql.Named("a", seedFlow), sql.Named("b", "Sales"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n != 3 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	called("an INSERT of three rows", 3)

	// OLE DB inserts into a table, without fast load, through a cursor.
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var handle, scroll, control, count int32 = 0, 2, 4, 0
	if _, err := conn.ExecContext(t.Context(), "sp_cursoropen", sql.Named("cursor", sql.Out{Dest: &handle}), sql.Named("stmt", `select * from "dbo"."refresh_dataflow"`),
		sql.Named("scrollopt", sql.Out{Dest: &scroll, In: true}), sql.Named("ccopt", sql.Out{Dest: &control, In: true}), sql.Named("rowcount", sql.Out{Dest: &count, In: true})); err != nil || handle == 0 || control != 4 || count != 0 {
		t.Errorf("cursor %d, concurrency %d, %d rows, %v", handle, control, count, err)
	}
	called("a cursor", 0)
	for range 2 {
		if _, err := conn.ExecContext(t.Context(), "sp_cursor", sql.Named("cursor", handle), sql.Named("optype", 4), sql.Named("rownum", 0), sql.Named("table", `"dbo"."refresh_dataflow"`), sql.Named("Id", seedFlow), sql.Named("InitialWaitMs", 0), sql.Named("StatusCheckWaitSec", 0)); err != nil {
			t.Errorf("a row through a cursor: %v", err)
		}
	}
	called("two rows through a cursor", 2)
	if _, err := conn.ExecContext(t.Context(), "sp_cursor", sql.Named("cursor", handle), sql.Named("optype", 4), sql.Named("rownum", 0), sql.Named("table", ""), sql.Named("Status", "x")); number(err) != 207 {
		t.Errorf("a row of another column: %v", err)
	}
	conn.Close()
	called("a row that cannot be", 0)

	// A procedure by RPC, and its parameters.
	var id, status string
	row := db.QueryRow("SELECT Id, Status FROM refresh_dataflow WHERE Id = @id WITH (InitialWaitMs = 0, StatusCheckWaitSec = 0)", sql.Named("id", seedFlow))
	if err := row.Scan(&id, &status); err != nil || id != seedFlow || status != "Success" {
		t.Errorf("%s %s %v", id, status, err)
	}
	called("a statement with parameters", 1)
	procedure, err := db.Query("refresh_dataset", sql.Named("DatasetName", "Orders"), sql.Named("InitialWaitMs", 0), sql.Named("StatusCheckWaitSec", 0), sql.Named("Type", "Full"))
	if err != nil {
		t.Fatal(err)
	}
	if !procedure.Next() {
		t.Errorf("a procedure gave no row: %v", procedure.Err())
	}
	procedure.Close()
	called("a procedure", 1)
	if _, err := db.Query("no_such]procedure", sql.Named("x", 1)); number(err) != 2812 {
		t.Errorf("%v", err)
	}
	called("a procedure that there is not", 0)
}

// C4: progress comes while the statement waits; errors and wait limits have numbers; the client's cancel ends the wait.
func TestC5Waiting(t *testing.T) {
	t.Parallel()
	service := fakeService()
	statuses := map[string]powerbitest.Course{seedFlow: {Running: time.Hour}, "cfafbeb1-8037-4d0c-896e-a46fb27ff229": {Status: "Failed"}}
	service.Course = func(model, _ string) powerbitest.Course { return statuses[model] }
	r := sqlServer(t, service, nil)
	db := r.sql(t, "agent", loginSecret, "")

	var e mssql.Error
	_, err := ask(db, "EXEC refresh_dataset @DatasetName = 'Orders', @InitialWaitMs = 0, @StatusCheckWaitSec = 0, @Type = 'Full'")
	if !errors.As(err, &e) || e.Number != 50000 || e.Class != 16 || !strings.Contains(e.Message, "Failed") || !strings.Contains(e.Message, "[HTTP 202]") {
		t.Errorf("a refresh that fails: %d %d %v", e.Number, e.Class, err)
	}
	_, err = ask(db, "SELECT * FROM refresh_dataflow WHERE Id = '"+seedFlow+"' WITH (InitialWaitMs=0, MaxWaitSec=1, StatusCheckWaitSec=1)")
	if !errors.As(err, &e) || e.Number != 50001 || e.Class != 16 || e.LineNo != 1 {
		t.Errorf("a wait that is too long: %d %d %v", e.Number, e.Class, err)
	}
	_, err = ask(db, "SELECT * FROM get_dataflow_transactions WHERE DataflowId = '00000000-0000-0000-0000-000000000009'")
	if !errors.As(err, &e) || e.Class != 16 || !strings.Contains(e.Message, "[HTTP 404]") {
		t.Errorf("a refusal: %d %d %v", e.Number, e.Class, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	messages := &sqlexp.ReturnMessage{}
	rows, err := db.QueryContext(ctx, "PRINT 'begun' SELECT * FROM refresh_dataflow WHERE Id = '"+seedFlow+"' WITH (InitialWaitMs=0, StatusCheckWaitSec=1)", messages)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var told []string
	for len(told) < 3 {
		if notice, ok := messages.Message(ctx).(sqlexp.MsgNotice); ok {
			told = append(told, fmt.Sprint(notice.Message))
		}
	}
	cancel() // the client's attention
	if !strings.Contains(told[0], "begun") || !strings.Contains(told[1], "joining") || !strings.Contains(told[2], "InProgress") {
		t.Errorf("told %q", told)
	}
	// The session is ready for the next statement, and the refresh goes on.
	if got, err := ask(db, "SELECT Status FROM get_dataflow_transactions WHERE DataflowId = '"+seedFlow+"'"); err != nil || !strings.Contains(got, "InProgress") {
		t.Errorf("%s, %v", got, err)
	}
}

// C5: batches catch errors, decide and repeat as those of SQL Server do.
func TestC5Flow(t *testing.T) {
	t.Parallel()
	service := fakeService()
	service.Course = func(_, id string) powerbitest.Course {
		if id == seedFlow {
			return powerbitest.Course{}
		}
		return powerbitest.Course{Status: "Failed"}
	}
	r := sqlServer(t, service, nil)
	db := r.sql(t, "agent", loginSecret, "")
	const fails = "EXEC refresh_dataset @DatasetName = 'Orders', @InitialWaitMs = 0, @Type = 'Full' "
	const flow = "EXEC refresh_dataflow @Id = '" + seedFlow + "', @WaitForCompletion = False; "
	for _, tt := range []struct {
		text, want string
		number     int32
		refreshes  int
	}{
		{"BEGIN TRY " + fails + "SELECT 'not reached' AS a END TRY BEGIN CATCH SELECT @@ERROR AS e, ERROR_NUMBER() AS n, ERROR_SEVERITY() AS s, ERROR_STATE() AS t, ERROR_LINE() AS l, ERROR_PROCEDURE() AS p, LEFT(ERROR_MESSAGE(), 6) AS m, @@ERROR AS f END CATCH SELECT ERROR_NUMBER() AS after, @@ERROR AS e",
			"e,n,s,t,l,p,m,f\n50000,50000,16,1,1,<nil>,cannot,50000\n---\nafter,e\n<nil>,0", 0, 1},
		{"BEGIN TRY SELECT 1 AS a END TRY BEGIN CATCH " + fails + "END CATCH; SELECT 2 AS b", "a\n1\n---\nb\n2", 0, 0},
		{"BEGIN TRY " + fails + "END TRY BEGIN CATCH IF @@TRANCOUNT > 0 ROLLBACK TRAN; THROW; END CATCH SELECT 1 AS never", "", 50000, 1},
		{"BEGIN TRY\nTHROW 51234, 'our own', 7\nEND TRY BEGIN CATCH DECLARE @m NVARCHAR(4000) = ERROR_MESSAGE(), @n INT = ERROR_NUMBER(); SELECT @m AS m, @n AS n, ERROR_STATE() AS s, ERROR_LINE() AS l END CATCH", "m,n,s,l\nour own,51234,7,2", 0, 0},
		{"THROW 51234, 'our own', 7", "", 51234, 0},
		{"BEGIN TRY RAISERROR ('%d of %s: 100%%', 16, 3, 5, N'x') WITH NOWAIT END TRY BEGIN CATCH SELECT ERROR_MESSAGE() AS m, ERROR_STATE() AS s, ERROR_NUMBER() AS n END CATCH", "m,s,n\n5 of x: 100%,3,50000", 0, 0},
		{"RAISERROR ('only told', 10, 1) SELECT 1 AS a", "a\n1", 0, 0},
		{"RAISERROR ('an error', 11, 1) " + flow, "", 50000, 0},
		{"BEGIN TRY BEGIN TRY THROW 50001, 'inner', 1 END TRY BEGIN CATCH THROW 50002, 'outer', 1 END CATCH END TRY BEGIN CATCH SELECT ERROR_MESSAGE() AS m END CATCH", "m\nouter", 0, 0},
		{"BEGIN TRY THROW 50001, 'outer', 1 END TRY BEGIN CATCH BEGIN TRY THROW 50002, 'inner', 1 END TRY BEGIN CATCH SELECT ERROR_MESSAGE() AS a END CATCH SELECT ERROR_MESSAGE() AS b END CATCH", "a\ninner\n---\nb\nouter", 0, 0},
		{"BEGIN TRY END TRY BEGIN CATCH END CATCH IF 1 = 1 BEGIN END SELECT 1 AS a", "a\n1", 0, 0},
		{"BEGIN TRY EXEC sp_executesql N'SELECT CAST(''x'' AS INT) AS i' END TRY BEGIN CATCH SELECT 'caught' AS c END CATCH", "c\ncaught", 0, 0},
		{"BEGIN TRY " + flow + "THROW 50001, 'after', 1 END TRY BEGIN CATCH SELECT ERROR_MESSAGE() AS m END CATCH", "m\nafter", 0, 1},
		{"WHILE 1 = 1 BEGIN " + flow + "IF 1 = 1 BREAK; SELECT 1 AS never END SELECT 2 AS b", "b\n2", 0, 1},
		{"WHILE (SELECT COUNT(*) FROM get_dataset_refreshes WHERE DatasetName = 'Orders') < 5 BEGIN BEGIN TRY " + fails + "END TRY BEGIN CATCH WAITFOR DELAY '00:00:00.001'; CONTINUE END CATCH SELECT 1 AS never END SELECT 1 AS through", "through\n1", 0, 3},
		{"IF 1 = 1 RETURN " + flow, "", 0, 0},
		{"BEGIN TRY " + flow + "WHILE EXISTS (SELECT * FROM get_dataflow_transactions WHERE DataflowId = '" + seedFlow + "' AND Status = 'Unknown') WAITFOR DELAY '00:00:10'; " + fails +
			"END TRY BEGIN CATCH DECLARE @why NVARCHAR(4000) = ERROR_MESSAGE(); " + flow + "RAISERROR ('The first refresh failed: %s', 10, 1, @why); END CATCH SELECT 1 AS a", "a\n1", 0, 3},
		{"EXEC sp_executesql N'RETURN; SELECT 1 AS a'; SELECT 2 AS b", "b\n2", 0, 0},
		{"WAITFOR DELAY 'soon'", "", 148, 0},

		// Variables.
		{"DECLARE @i INT = 0; WHILE @i < 3 BEGIN SET @i = @i + 1; " + flow + "END SELECT @i AS i", "i\n3", 0, 3},
		{"DECLARE @s NVARCHAR(20), @n INT; SELECT @s = Status FROM refresh_dataset WITH (DatasetName='Orders', InitialWaitMs='0', OnFailure='row', Type='Full'); SET @n = @@ROWCOUNT; IF @s <> 'Completed' SELECT @s AS s, @n AS n", "s,n\nFailed,1", 0, 1},
		{"DECLARE @id NVARCHAR(50); SELECT @id = RequestId FROM get_dataset_refreshes WHERE DatasetName = 'Orders' ORDER BY StartTime; BEGIN TRY EXEC cancel_dataset_refresh @DatasetName = 'Orders', @RequestId = @id END TRY BEGIN CATCH DECLARE @m NVARCHAR(4000) = ERROR_MESSAGE() END CATCH SELECT LEN(@id) AS n, IIF(@m IS NULL, 'fine', 'failed') AS m", "n,m\n36,failed", 0, 0},
		{"DECLARE @e INT = 7; BEGIN TRY " + fails + "END TRY BEGIN CATCH SET @e = ERROR_NUMBER() END CATCH; SELECT @e AS e", "e\n50000", 0, 1},
		{"DECLARE @x INT = 1; SET @x = @x + 1; EXEC sp_executesql N'DECLARE @x INT; SELECT @x = 5; SELECT @x AS x'; SELECT @x AS x", "x\n5\n---\nx\n2", 0, 0},
		{"DECLARE @a NVARCHAR(MAX) = 'abcdefgh', @n INT = 0; WHILE @n < 40 BEGIN SET @a = @a + @a; SET @n += 1 END", "", 102, 0},
		{"DECLARE @i INT; SET @i = @i + 1; SET @i = 'x' + LEFT('y', 1)", "", 50000, 0},
		{"SET FMTONLY ON DECLARE @s NVARCHAR(20); SELECT @s = Status FROM refresh_dataflow; SELECT @s AS s, 1 AS n SET FMTONLY OFF", "s,n", 0, 0},
		{"SET FMTONLY ON WHILE 1 = 1 BEGIN TRY SELECT 1 AS a; " + flow + "END TRY BEGIN CATCH THROW END CATCH SET FMTONLY OFF", "a\n---\nId,RequestId,RefreshType,StartTime,EndTime,Status,HttpStatusCode", 0, 0},
	} {
		before := len(service.Refreshes())
		got, err := ask(db, tt.text)
		if tt.want != "" && (err != nil || !strings.HasSuffix(got, tt.want)) || number(err) != tt.number || len(service.Refreshes())-before != tt.refreshes {
			t.Errorf("%s\ngot\n%s, %v, %d calls\nwant\n%s, %d, %d calls", tt.text, got, err, len(service.Refreshes())-before, tt.want, tt.number, tt.refreshes)
		}
	}

	// Nobody catches the client's attention.
	before := len(service.Refreshes())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	messages := &sqlexp.ReturnMessage{}
	rows, err := db.QueryContext(ctx, "BEGIN TRY PRINT 'begun'; WHILE 1 = 1 WAITFOR DELAY '12:00:00' END TRY BEGIN CATCH "+flow+"END CATCH "+flow, messages)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for told := false; !told; {
		_, told = messages.Message(ctx).(sqlexp.MsgNotice)
	}
	cancel()
	if got, err := ask(db, "SELECT 1 AS a"); err != nil || got != "a\n1" || len(service.Refreshes()) != before {
		t.Errorf("after an attention %s, %v, %d calls", got, err, len(service.Refreshes())-before)
	}
}

// C5: without sign-in, on loopback, any login is the owner's and may use every profile.
func TestC5Owner(t *testing.T) {
	t.Parallel()
	r := sqlServer(t, fakeService(), func(c *Config) { c.Auth.Mode, c.Clients, c.SQLLogins = AuthNone, nil, nil })
	r.flow(t, "Landing")
	db := r.sql(t, "anybody", "", "Shop")
	if got, err := ask(db, "SELECT SYSTEM_USER, Name FROM get_dataflows"); err != nil || got != ",Name\nanybody,Landing" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := ask(db, "SELECT name FROM sys.databases ORDER BY database_id"); err != nil || !strings.Contains(got, "powerbi\nfreshet\nShop") {
		t.Errorf("%s, %v", got, err)
	}
}
