package connector

import (
	"errors"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/powerbitest"
)

func numbers(t *testing.T) *Connector {
	return rowsOf(t, map[string][]record{
		"one": {
			{"k": 1, "v": 10, "g": "a", "f": 1.5, "d": "2026-01-31T10:00:00Z"}, {"k": 2, "v": 7, "g": "b%", "d": "2026-03-01T00:00:00Z"}, {"k": 3, "g": "B"},
		},
		"two": {{"k": 1, "v": 1}, {"k": 1, "v": 2}},
	})
}

// What SQLite has not, or has in other words.
func TestC2Dialect(t *testing.T) {
	c := numbers(t)
	for _, tt := range []struct{ text, want string }{
		{"SELECT TOP 1 k FROM one ORDER BY k DESC", "k\n3"},
		{"SELECT TOP (2) [k] AS 'the key' FROM [one] ORDER BY v", "the key\n3\n2"},
		{"SELECT key2 = k + 1 FROM dbo.one o WHERE o.k = 1", "key2\n2"},
		{"SELECT k FROM one ORDER BY k OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", "k\n2"},
		{"SELECT o.* FROM db..one o WHERE k = 3", "k | v | g | f | d\n3 | NULL | B | NULL | NULL"},
		{"SELECT g + N'-x' AS t, LEN(g), CHARINDEX('%', g) FROM one WHERE k = 2", "t |  | \nb%-x | 2 | 2"},
		{"SELECT CONCAT(g, '/', k, NULL, d) FROM one WHERE k = 1", "\na/12026-01-31 10:00:00"},
		{"SELECT 7 / 2, 7.0 / 2, CAST(7.9 AS INT), CAST('12' AS BIGINT) + 1, TRY_CAST('x' AS INT)", " |  |  |  | \n3 | 3.5 | 7 | 13 | NULL"},
		{"SELECT CAST(1 AS BIT), CAST(CAST(0 AS BIT) AS VARCHAR(5)), CONVERT(VARCHAR(3), 'abcdef'), CAST(1.25 AS DECIMAL(19,4))", " |  |  | \ntrue | 0 | abc | 1.2500"},
		{"SELECT k FROM one WHERE g LIKE '%[%]'", "k\n2"},
		{"SELECT k FROM one WHERE g LIKE '_!%' ESCAPE '!'", "k\n2"},
		{"SELECT IIF(k > 2, 'big', 'small'), ISNULL(v, 0) FROM one ORDER BY k", " | \nsmall | 10\nsmall | 7\nbig | 0"},
		{"SELECT DATEADD(month, 1, d), DATEDIFF(day, d, '2026-02-02'), YEAR(d), MONTH(d) FROM one WHERE k = 1", " |  |  | \n2026-02-28 10:00:00 | 2 | 2026 | 1"},
		{"SELECT GETDATE(), CURRENT_TIMESTAMP", " | \n2026-03-01 12:00:00 | 2026-03-01 12:00:00"},
		{"SELECT k FROM one WHERE d > '2026-02-01'", "k\n2"},
		{"SELECT k FROM one WHERE v = '7'", "k\n2"},
		{"WITH w (x, n) AS (SELECT k, COUNT(*) FROM two GROUP BY k) SELECT o.g, w.n FROM one o JOIN w ON w.x = o.k", "g | n\na | 2"},
		{"SELECT g, (SELECT SUM(v) FROM two t WHERE t.k = o.k) AS s FROM one o ORDER BY 1", "g | s\nB | NULL\na | 3\nb% | NULL"},
		{"SELECT STRING_AGG(g, ',') FROM one WHERE g > 'a'", "\nb%"},
		{"SELECT x.a, x.a + 1 AS b FROM (SELECT NULL AS a UNION ALL SELECT 2 UNION ALL SELECT NULL) x ORDER BY 1", "a | b\nNULL | NULL\nNULL | NULL\n2 | 3"},
		{"SELECT k FROM one WHERE k IN (1, '2', NULL) AND k NOT IN ('9', 8) ORDER BY k", "k\n1\n2"},
		{"SELECT k FROM one o JOIN (SELECT NULL AS a) x ON x.a = o.g OR o.k = 1 OR x.a = o.k OR o.d = x.a", "k\n1"},
		{"SELECT k FROM one WITH (NOLOCK) WHERE k !< 3", "k\n3"},
		{"SELECT COUNT(*) AS n FROM one CROSS JOIN two", "n\n6"},
		{"(SELECT 1 AS a UNION ALL SELECT 2) ORDER BY a DESC", "a\n2\n1"},
		{"SET NOCOUNT ON; DECLARE @a INT = 2, @b NVARCHAR(10); SET @b = 'x' + 'y'; SELECT @a AS a, @b AS b", "a | b\n2 | xy"},
		{"/* a /* nested */ comment */ SELECT '-- none' AS a -- one\r\n, 'it''s' AS [b]]c] -- https://example.com", "a | b]c\n-- none | it's"},
		{"SELECT ';' AS a; SELECT 2 AS b", "b\n2"},
		{"EXEC one", "k | v | g | f | d\n1 | 10 | a | 1.5 | 2026-01-31 10:00:00\n2 | 7 | b% | NULL | 2026-03-01 00:00:00\n3 | NULL | B | NULL | NULL"},
		{"EXECUTE ('EXEC (''SELECT k FROM one WHERE g = ''''a'''''')') AT [X]", "k\n1"},
		{"{call two}", "k | v | g | f | d\n1 | 1 | NULL | NULL | NULL\n1 | 2 | NULL | NULL | NULL"},
	} {
		if got := mustQuery(t, c, tt.text); got != tt.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
}

func TestC2Parameters(t *testing.T) {
	c := numbers(t)
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		text      string
		arguments []Argument
		want      string
	}{
		{"SELECT k FROM one WHERE k = ? AND g = ?", []Argument{{Value: int64(1)}, {Value: "a"}}, "k\n1"},
		{"SELECT k FROM one WHERE d > @from AND v < ?", []Argument{{"from", at}, {Value: 9.5}}, "k\n2"},
		{"SELECT @n AS n, ? AS t, @B AS b", []Argument{{"b", true}, {Value: []byte("it's")}, {"N", nil}}, "n | t | b\nNULL | it's | true"},
		{"SELECT TOP (@n) k FROM one ORDER BY k", []Argument{{"n", int64(2)}}, "k\n1\n2"},
		{"SELECT ? AS a; SELECT ? AS b", []Argument{{Value: "x"}, {Value: "y"}}, "b\ny"},
		{"DECLARE @x INT = ?; SELECT @x + 1 AS y", []Argument{{Value: int64(4)}}, "y\n5"},
	} {
		if got := mustQuery(t, c, tt.text, tt.arguments...); got != tt.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
	if _, err := answer(c, "SELECT ?, ?", Argument{Value: "x"}); err == nil || !strings.Contains(err.Error(), "? number 2") {
		t.Errorf("a missing value: %v", err)
	}
	if _, err := answer(c, "SELECT ?", Argument{Value: "x"}, Argument{"a", 1}, Argument{Value: "y"}); fault.CodeOf(err) != codeParameter || !strings.Contains(err.Error(), "cannot use 2 values: there are 1 ? for them") {
		t.Errorf("a value too many: %v", err)
	}
	if _, err := answer(c, "SELECT @a", Argument{"b", "x"}); err == nil || !strings.Contains(err.Error(), "@a") {
		t.Errorf("a missing name: %v", err)
	}
}

// An error names what is wrong, where it stands, and what was most likely meant.
func TestC2Errors(t *testing.T) {
	c := openWith(t, &fake{}, Options{Workspace: "Sales"})
	for _, tt := range []struct{ text, code, want string }{
		{"SELEC 1", codeSyntax, "line 1, column 1). Did you mean 'SELECT'?"},
		{"SELECT 'a", codeSyntax, "line 1, column 8)"},
		{"SELECT 1 /* x", codeSyntax, "'*/' is missing"},
		{"SELECT 1 FROM", codeSyntax, "the name of an endpoint must stand here"},
		{"SELECT 1\n  FROM get_workspace", codeUnknown, "line 2, column 8). Did you mean 'get_workspaces'?"},
		{"SELECT Nme FROM get_workspaces", codeUnknown, "Did you mean 'Name'?"},
		{"SELECT w.Name FROM get_workspaces x", codeUnknown, "cannot find the table 'w' in FROM"},
		{"SELECT * FROM get_datasets WITH (WorkspceName='x')", codeUnknown, "Did you mean 'WorkspaceName'?"},
		{"SELECT * FROM get_datasets WHERE IsRefreshable = 1 WITH (Fish='x')", codeUnknown, "cannot find the parameter 'Fish' of get_datasets"},
		{"SELECT WorkspaceName FROM get_datasets", codeUnknown, "it is a parameter of get_datasets"},
		{"SELECT UPER(Name) FROM get_workspaces", codeUnknown, "Did you mean 'UPPER'?"},
		{"SELECT * FROM refresh_dataflow WHERE DataflowNam = 'x' AND Status = 'y'", codeUnknown, "cannot find the column 'DataflowNam' (line 1, column 38). Did you mean 'DataflowName'?"},
		{"SELECT * FROM refresh_dataflow WHERE Status = 'x' WITH (Idd='x')", codeUnknown, "Did you mean 'Id'?"},
		{"SELECT * FROM refresh_dataflow WHERE Id = \"x\"", codeUnknown, "a text stands in single ones"},
		{"SELECT * FROM get_dataflows WHERE Name = \"Nme\"", codeUnknown, "Did you mean 'Name'?"},
		{"SELECT * FROM get_dataflows WHERE Fish = 'x'", codeUnknown, "Columns and parameters: Id, Name, WorkspaceId, Description, ConfiguredBy, ModelUrl, Generation, WorkspaceName."},
		{"SELECT * FROM refresh_dataflow WHERE Id = ‘x’", codeSyntax, "straight quotes"},
		{"SELECT * FROM refresh_dataflow WHERE Status = 'x' WITH (Id='x', DataflowId='y')", codeParameter, "cannot take the parameter Id of refresh_dataflow twice (line 1, column 65)"},
		{"SELECT * FROM refresh_dataflow WHERE Id = 'x' WITH (DataflowName='y')", codeParameter, "its parameters Id and DataflowName are both given"},
		{"SELECT * FROM get_datasets WITH (WorkspaceId='x', WorkspaceName='y')", codeParameter, "its parameters WorkspaceId and WorkspaceName are both given"},
		{"SELECT * FROM refresh_dataflow WHERE Id = '   '", codeParameter, "a text that is not empty"},
		{"EXEC refresh_dataflow 'x', @NotifyOption = MailOnCompletion", codeParameter, "it takes NoNotification, MailOnFailure"},
		{"EXEC refresh_dataset 'x', @Timeout = '9 hours'", codeParameter, "it takes hh:mm:ss up to 23:59:59"},
		{"EXEC refresh_dataset 'x', @Objects = 'A,,B'", codeParameter, "an object names no table"},
		{"EXEC refresh_dataset 'x', @Objects = '[{'", codeParameter, "or JSON such as"},
		{"EXEC generic_request '/x', @Body = 'x'", codeParameter, "it takes JSON"},
		{"EXEC generic_request '/x', @Filter = 'x['", codeParameter, "it takes a path of the form"},
		{"UPDATE get_datasets SET Name = 'x'", codeSyntax, "Nothing is changed in that way here"},
		{"SELECT 1 AS a\nGO", codeSyntax, "(line 2, column 1). GO is a word of sqlcmd"},
		{"GO", codeSyntax, "GO is a word of sqlcmd"},
		{"SELECT * FROM refresh_dataflow", codeParameter, "it expects the parameter '@Id', which was not supplied"},
		{"EXEC refresh_dataflow", codeParameter, "it expects the parameter '@Id'"},
		{"SELECT * FROM refresh_dataflow WHERE Id IN ('a', 'b')", codeParameter, "WITH (Parallel='4') makes a call for each"},
		{"SELECT * FROM refresh_dataflow WHERE DataflowName IN ('a', 'b') AND Id IN ('c', 'd') AND Parallel = 2", codeParameter, "cannot take two lists"},
		{"SELECT * FROM refresh_dataflow WHERE Id IN ('a', 'b') AND Id = 'c' WITH (Parallel=2)", codeParameter, "cannot take two values for the parameter Id"},
		{"SELECT * FROM refresh_dataflow WHERE Id = 'c' AND Id IN ('a', 'b') WITH (Parallel=2)", codeParameter, "cannot take two values for the parameter Id"},
		{"SELECT * FROM refresh_dataflow WHERE Id NOT IN ('a', 'b') WITH (Parallel=2)", codeParameter, "must have one value"},
		{"SELECT * FROM refresh_dataflow WHERE Id IN ('a', LOWER('b')) WITH (Parallel=2)", codeParameter, "must have one value"},
		{"SELECT * FROM refresh_dataflow r CROSS JOIN get_datasets WHERE Id IN ('a', 'b') WITH (Parallel=2)", codeMeaning, "Write r.Id or get_datasets.Id"},
		{"SELECT * FROM refresh_dataflow WHERE Id IN ('a', 'b') WITH (Parallel=0)", codeParameter, "a whole number from 1"},
		{"SELECT * FROM get_datasets WHERE Id IN ('a', 'b') WITH (Parallel=2)", codeUnknown, "cannot find the parameter 'Parallel' of get_datasets"},
		{"SELECT * FROM refresh_dataflow WHERE Id = 'a' OR Id = 'b'", codeParameter, "must have one value"},
		{"SELECT * FROM refresh_dataflow WHERE Id = 'a' AND Id = 'b'", codeParameter, "cannot take two values for the parameter Id"},
		{"SELECT * FROM get_dataflows d JOIN refresh_dataflow r ON r.Id = d.Id", codeParameter, "must have one value"},
		{"SELECT * FROM refresh_dataflow WHERE Id = 'a' WITH (WaitForCompletion='Maybe')", codeParameter, "it takes True or False"},
		{"SELECT * FROM refresh_dataflow WHERE Id = 'a' WITH (MaxWaitSec='-1')", codeParameter, "a whole number from 0"},
		{"SELECT * FROM refresh_dataflow WHERE Id = 'a' WITH (IfRunning='hope')", codeParameter, "it takes join, wait, fail, cancel"},
		{"EXEC refresh_dataset @Id='x', @Typ='Full'", codeUnknown, "Did you mean 'Type'?"},
		{"EXEC refresh_dataflow @Id='x', 'y'", codeSyntax, "without a name behind one with a name"},
		{"EXEC refresh_dataflow @Id='x', @id='y'", codeParameter, "twice"},
		{"INSERT INTO get_workspaces (Id) VALUES ('x')", codeMeaning, "it only reads"},
		{"INSERT INTO refresh_dataflow (Id, Flow) VALUES ('x', 'y')", codeUnknown, "it is no parameter of refresh_dataflow"},
		{"INSERT INTO refresh_dataflow (Id) VALUES ('x', 'y')", codeSyntax, "a row of 2 values: 1 are named"},
		{"INSERT INTO refresh_dataflow (WorkspaceId) VALUES ('x')", codeParameter, "expects the parameter '@Id'"},
		{"SELECT Name, COUNT(*) FROM get_datasets", codeMeaning, "the column 'Name' of groups"},
		{"SELECT Name FROM get_datasets WHERE COUNT(*) > 1", codeMeaning, "cannot compute COUNT here"},
		{"SELECT Name + 1 FROM get_datasets", codeMeaning, "CONCAT"},
		{"SELECT (Name = 'x') FROM get_datasets", codeMeaning, "CASE WHEN"},
		{"SELECT * FROM get_datasets WHERE Name", codeMeaning, "cannot use a value as a condition"},
		{"SELECT d.Id FROM get_datasets d, get_dataflows f WHERE Name = 'x'", codeMeaning, "'d' and 'f' have one"},
		{"SELECT 1 FROM refresh_dataflow r CROSS JOIN get_datasets d WHERE Id = 'x'", codeMeaning, "Write r.Id or d.Id"},
		{"SELECT 1 FROM get_datasets, get_datasets", codeMeaning, "two tables 'get_datasets'"},
		{"SELECT 1 UNION SELECT 1, 2", codeMeaning, "1 and 2 columns"},
		{"SELECT TOP 5 PERCENT Id FROM get_datasets", codeSyntax, "PERCENT"},
		{"SELECT * INTO x FROM get_datasets", codeSyntax, "SELECT INTO"},
		{"SELECT ROW_NUMBER() OVER (ORDER BY Id) FROM get_datasets", codeSyntax, "OVER is not in this dialect"},
		{"DELETE FROM get_datasets", codeSyntax, "a statement begins with"},
		{"SELECT * FROM sys.tables", codeUnknown, "the schema 'sys'"},
		{"SET @x = 1", codeSyntax, "not declared"},
		{"EXEC (@q) AT X", codeSyntax, "it must be a text"},
		{"EXEC ('SELECT ?') AT X", codeSyntax, "cannot use ? in the text of EXEC"},
		{"SELECT " + strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), codeSyntax, "nests deeper than 100"},
		{"SELECT " + strings.Repeat("1 + ", 300) + "1", codeSyntax, "more than 200 parts within each other"},
		{"SELECT " + strings.Repeat("CASE ", 18) + "1" + strings.Repeat(" WHEN 1 THEN 1 WHEN 2 THEN 2 END", 18), codeSyntax, "this large"},
		{strings.Repeat("SELECT 1 UNION ", 2000) + "SELECT 1", codeSyntax, "more than 100 parts joined by UNION"},
		{"SELECT 'a\x00b'", codeSyntax, "zero byte"},
		{"SELECT \xff", codeSyntax, "not UTF-8"},
	} {
		_, err := c.Prepare(t.Context(), tt.text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s\nis not refused: %v", tt.text, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), "cannot ") || !strings.Contains(err.Error(), tt.want) || fault.CodeOf(err) != tt.code || e.Line == 0 {
			t.Errorf("%s\n%s %v, want %s with %s", shorten(tt.text), fault.CodeOf(err), err, tt.code, tt.want)
		}
	}
}

func FuzzPrepare(f *testing.F) {
	for _, s := range powerbitest.Page() {
		f.Add(s.Text)
	}
	f.Add("SELECT a.k, COUNT(DISTINCT v) FROM one a LEFT JOIN two b ON a.k = b.k WHERE a.g LIKE 'x[%]' GROUP BY a.k HAVING COUNT(*) > 1 ORDER BY 2 DESC")
	f.Add("WITH w AS (SELECT 1 AS x) SELECT CASE WHEN x IN (SELECT k FROM one) THEN DATEADD(day, -1, GETDATE()) END FROM w UNION ALL SELECT NULL")
	f.Add("SELECT r.Id FROM refresh_dataflow r WHERE r.Id IN ('a', ?, N'c', NULL) AND Parallel = 2 AND DataflowName NOT IN ('x') WITH (OnFailure='row')")
	f.Add("INSERT INTO refresh_dataflow (Id, [Wait for completion]) VALUES (?, N'False'), (@x, 1)")
	f.Add("EXEC refresh_dataset @Id = 'x', @Objects = '[{}]'; {call endpoints()}")
	f.Add("SET FMTONLY ON IF @@TRANCOUNT > 0 BEGIN COMMIT TRAN; SELECT DB_NAME() END ELSE SELECT * FROM [Retail].[Orders] USE x; sp_help 'y', 1")
	f.Add("WHILE EXISTS (SELECT 1) BEGIN TRY WAITFOR DELAY '0:0:1'; SELECT 1/0 END TRY BEGIN CATCH DECLARE @m sysname = ERROR_MESSAGE(); IF @@ERROR > 1 BREAK; RAISERROR (@m, 16, 1, 2) WITH NOWAIT; THROW END CATCH RETURN")
	f.Add("DECLARE @a NVARCHAR(MAX) = 'aa'; SET @a = @a + @a; SET @a = CAST(@a + @a AS NVARCHAR(9)); EXEC ('SELECT ' + @a)")
	f.Add("DECLARE @a sysname = DB_NAME(); SET @a = CONCAT(@a, @a); SET @a = CONCAT(@a, @a); SELECT NULLIF(NULLIF(REPLACE(REPLACE(@a, 'a', 'aa'), 'a', 'aa'), 1), 2)")
	f.Add("DECLARE @i INT = 0, @t NVARCHAR(9); WHILE @i < 3 BEGIN SET @i += 1; SELECT @i = @i * 2, @t = LEFT(@t, 3) FROM endpoints END EXEC ('DECLARE @i INT; SET @i %= 2 SELECT @i') SELECT @i AS i, @t")
	service := &fake{}
	c, err := New(f.Context(), Options{Client: clientOf(service), Workspace: "Sales"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = c.Close() })
	f.Fuzz(func(t *testing.T, text string) {
		for _, in := range []session{nil, &sales{c: c}} {
			_, err := c.PrepareIn(t.Context(), in, text)
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%q: %v is no *Error", text, err)
			}
			if fault.KindOf(err) == fault.Internal && err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		if len(service.requests) > 0 {
			t.Fatalf("to prepare %q asked %q", text, service.requests)
		}
	})
}

func FuzzPath(f *testing.F) {
	f.Add("$.value[*].a['b'][0]", `{"value":[{"a":{"b":[1]}}]}`)
	f.Fuzz(func(t *testing.T, text, document string) {
		p, err := parsePath(text)
		value, broken := decode([]byte(document))
		if err == nil && broken == nil {
			p.all(value)
		}
	})
}

// C2: what is too large is refused before it takes the time or the memory of everybody, and the text tells what to do.
// nested puts a text into so many EXECs, each of which has a variable that is kept.
func nested(text string, times int) string {
	for range times {
		text = "DECLARE @a INT = 1; SET @a += 1; EXEC ('" + strings.ReplaceAll(text, "'", "''") + "')"
	}
	return text
}

func TestC2Bounds(t *testing.T) {
	c := numbers(t)
	in := &sales{c: c}
	many := func(text, between string, n int) string {
		return strings.TrimSuffix(strings.Repeat(text+between, n), between)
	}
	for _, tt := range []struct{ text, want string }{
		{"SELECT k FROM one WHERE " + many("k = 1", " AND ", 20_000), "more than 5000 conditions (line 1, column 50027). Name the values in a list"},
		{"SELECT k FROM one WHERE " + many("k = 1", " OR ", 20_000), "more than 5000 conditions"},
		{"SELECT CASE k " + strings.Repeat("WHEN 1 THEN 2 ", 50_000) + "END FROM one", "more than 5000 conditions"},
		{"SELECT CASE '" + strings.Repeat("x", 200_000) + "' " + strings.Repeat("WHEN 'a' THEN 1 ", 5000) + "END", "values have more than 8388608 bytes"},
		{"SELECT k FROM one WHERE k IN (" + many("1", ",", 100_000) + ")", "a list of more than 10000"},
		{"SELECT " + strings.Repeat("(", 100_000) + "1", "nests deeper than 100 (line 1, column 57). Write the inner parts"},
		{"SELECT * FROM " + strings.Repeat("(SELECT * FROM ", 10_000), "nests deeper than 100"},
		{"SELECT " + strings.Repeat("NULLIF(", 30) + "1" + strings.Repeat(", 1)", 30), "cannot compute an expression that is this large"},
		{"SELECT " + strings.Repeat("REPLACE(", 30) + "'aa'" + strings.Repeat(", 'a', 'aaa')", 30), "REPLACE within REPLACE"},
		{"SELECT " + many("1", " + ", 100_000), "more than 200 parts within each other"},
		{many("SELECT 1 AS a", " UNION ALL ", 10_000), "more than 100 parts joined by UNION ALL"},
		{"SELECT " + many("(SELECT TOP 1 k FROM one)", ",", 10_000), "more than 256 tables"},
		{"SELECT " + many("1", ",", 100_000), "more than 4096 columns"},
		{"SELECT " + many("*", ",", 100_000) + " FROM one", "more than 4096 columns"},
		{"SELECT k FROM one ORDER BY " + many("k", ",", 100_000), "100000 columns: 1000 are the most"},
		{"SELECT [" + strings.Repeat("a", 500_000) + "] FROM one", "a name or a number of more than 512 bytes"},
		{strings.Repeat("SELECT 1 AS a;", 50_000), "more than 2000 statements"},
		{strings.Repeat("USE sales;", 50_000), "more than 32 times"},
		{strings.Repeat("IF 1 = 1 ", 50_000) + "PRINT 'x'", "nests deeper than 100"},
		{"DECLARE @a NVARCHAR(MAX) = 'aaaaaaaa';" + strings.Repeat("SET @a = @a + @a;", 40), "a text of more than 1048576 bytes"},
		{"DECLARE @a NVARCHAR(MAX) = '" + strings.Repeat("x", 200_000) + "'; SELECT " + many("@a", ",", 4000), "values have more than 8388608 bytes"},
		{nested("DECLARE @a INT; SET @a += 1; SELECT '"+strings.Repeat("x", 100_000)+"' AS a", 7), "EXEC within EXEC of more than 16777216 bytes"},
		{"DECLARE @a NVARCHAR(MAX) = 'SELECT 1 --" + strings.Repeat("x", 200_000) + "';" + strings.Repeat("EXEC (@a);", 5000), "EXEC of texts of more than 1048576 bytes"},
	} {
		_, err := c.PrepareIn(t.Context(), in, tt.text)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 400 {
			t.Errorf("%s\n%v\nwant %s", shorten(tt.text), err, tt.want)
		}
	}
	for _, text := range []string{"SELECT k FROM one WHERE " + many("k = 1", " OR ", 1000), "SELECT k FROM one WHERE k IN (" + many("1", ",", 5000) + ")",
		"DECLARE @a NVARCHAR(MAX) = " + many("'a'", " + ", 10_000) + "; SELECT LEN(@a) AS k",
		"SELECT " + strings.Repeat("REPLACE(", 25) + "'1'" + strings.Repeat(", 'a', ' ')", 25) + " AS k"} {
		if _, err := in.play(text); err != nil {
			t.Errorf("%s\n%v", shorten(text), err)
		}
	}
}
