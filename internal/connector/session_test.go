package connector

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
)

// sales is a session in the database sales, which has the schema Retail with the table Orders.
type sales struct {
	c     *Connector
	spid  int64
	asked []string // SELECTs for the owner of the tables
	kept  map[string]driver.Value
}

func (s *sales) Value(name string, arguments []driver.Value) (driver.Value, bool) {
	if value, kept := s.kept[name]; kept {
		return value, true
	}
	switch {
	case strings.HasPrefix(name, "@") && !strings.HasPrefix(name, "@@"):
		return nil, true
	case name == "@@SPID":
		return s.spid, true
	case name == "SYSTEM_USER":
		return "me", true
	case name == "DB_NAME" && len(arguments) == 0:
		return "sales", true
	case name == "SERVERPROPERTY" && len(arguments) == 1:
		return fmt.Sprintf("<%v>", arguments[0]), true
	}
	return nil, false
}

func (s *sales) Tables(_ context.Context, database, schema string) ([]Table, error) {
	if database != "" && !strings.EqualFold(database, "sales") {
		return nil, fault.New(fault.NotFound, "None", "cannot find the database '%s'", database)
	}
	if strings.EqualFold(schema, "sys") {
		return views(), nil
	}
	if !strings.EqualFold(schema, "Retail") && schema != "Other" {
		return nil, nil
	}
	return []Table{{Name: "Orders", Columns: []Column{{"Region", Type{Kind: Nvarchar}}, {"Amount", Type{Kind: Bigint}}}}, {Name: "Sp]e\"c", Columns: []Column{{"a b", Type{Kind: Int}}}}}, nil
}

// views are some of the catalog's, which are at hand.
func views() []Table {
	name, number, bit := Type{Nvarchar, 128}, Type{Kind: Int}, Type{Kind: Bit}
	rows := func(rows ...[]driver.Value) func() [][]driver.Value { return func() [][]driver.Value { return rows } }
	return []Table{
		{"schemas", []Column{{"name", name}, {"schema_id", number}}, rows([]driver.Value{"dbo", int64(1)}, []driver.Value{"sys", int64(4)}, []driver.Value{"Retail", int64(5)})},
		{"all_objects", []Column{{"name", name}, {"object_id", number}, {"schema_id", number}, {"type", Type{Varchar, 2}}, {"is_ms_shipped", bit}, {"create_date", Type{Kind: Datetime}}}, rows(
			[]driver.Value{"one", int64(101), int64(1), "V", false, time.Date(2026, 3, 1, 10, 0, 0, 3e6, time.UTC)},
			[]driver.Value{"Orders", int64(102), int64(5), "U", false, nil}, []driver.Value{"objects", int64(103), int64(4), "V", true, nil})},
		{"sysusers", []Column{{"name", name}, {"uid", number}}, rows([]driver.Value{"dbo", int64(1)})},
		{"databases", []Column{{"name", name}, {"database_id", number}}, rows([]driver.Value{"master", int64(1)}, []driver.Value{"sales", int64(5)})},
	}
}

func (s *sales) Query(ctx context.Context, _, _, sql string, columns []Column, row func([]driver.Value) error) (err error) {
	s.asked = append(s.asked, sql)
	conn, err := s.c.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, prepare := range []string{`CREATE TEMP TABLE "Orders" AS SELECT * FROM (VALUES ('North', 10::BIGINT), ('North', 5), ('South', 7)) t("Region", "Amount")`,
		`CREATE TEMP TABLE "Sp]e""c" AS SELECT 1::BIGINT AS "a b"`} {
		if err := conn.Exec(ctx, prepare); err != nil {
			return err
		}
	}
	types := make([]duck.Type, len(columns))
	for i, c := range columns {
		types[i] = c.Type.duck()
	}
	return conn.Read(ctx, sql, types, func(chunk *duck.Args) error {
		for at := range chunk.Rows() {
			values := make([]driver.Value, len(columns))
			for i, c := range columns {
				values[i] = valueAt(chunk, i, at, c.Type)
			}
			if err := row(values); err != nil {
				return err
			}
		}
		return nil
	})
}

// play runs a batch in the session, and writes what comes of it.
func (s *sales) play(text string, arguments ...Argument) (string, error) {
	statements, err := s.c.PrepareIn(context.Background(), s, text)
	if err != nil {
		return "", err
	}
	var out []string
	err = s.run(statements, arguments, &out)
	return strings.Join(out, "\n"), err
}

func (s *sales) run(statements []*Statement, arguments []Argument, out *[]string) error {
	for _, statement := range statements {
		if b := statement.Branch(); b != nil {
			condition, err := b.Condition.Run(context.Background(), arguments, nil)
			if err != nil {
				return err
			}
			chosen := b.Otherwise
			if condition.Rows[0][0] == int64(1) {
				chosen = b.Then
			}
			if err := s.run(chosen, arguments, out); err != nil {
				return err
			}
			continue
		}
		if a := statement.Assign(); a != nil {
			result, err := a.Query.Run(context.Background(), arguments, nil)
			if err != nil {
				return err
			}
			for i, name := range a.Names {
				if n := len(result.Rows); n > 0 {
					s.kept[name] = result.Rows[n-1][i]
				}
			}
			continue
		}
		if l := statement.Loop(); l != nil {
			for {
				condition, err := l.Condition.Run(context.Background(), arguments, nil)
				if err != nil {
					return err
				}
				if condition.Rows[0][0] != int64(1) {
					break
				}
				if err := s.run(l.Body, arguments, out); err != nil {
					return err
				}
			}
			continue
		}
		control, err := statement.Control(arguments)
		if err != nil {
			return err
		}
		if control != nil {
			*out = append(*out, fmt.Sprintf("%s %s %s %v", control.Verb, control.Name, control.Value, control.Arguments))
			if rest, err := s.play(control.Rest, arguments...); rest != "" || err != nil {
				*out = append(*out, rest)
				return err
			}
			continue
		}
		result, err := statement.Run(context.Background(), arguments, nil)
		if err != nil {
			return err
		}
		*out = append(*out, written(result))
	}
	return nil
}

// What drivers send around statements, and the tables of models.
func TestC5Sessions(t *testing.T) {
	c := numbers(t)
	for _, tt := range []struct{ text, want string }{
		{"SELECT @@SPID AS n, db_name(), SERVERPROPERTY('Edition') AS e", "n |  | e\n51 | sales | <Edition>"},
		{"SELECT k FROM one WHERE k = @@SPID - 50", "k\n1"},
		{"DECLARE @d sysname = DB_NAME(), @n int; SET @n = @@SPID; SELECT @d AS d, @n + 1 AS n", "d | n\nsales | 52"},
		{"SET ANSI_NULLS, QUOTED_IDENTIFIER ON SET TRANSACTION ISOLATION LEVEL READ COMMITTED set lock_timeout -1; SET FMTONLY ON SELECT 1 AS a SET FMTONLY OFF",
			"SET ANSI_NULLS ON []\nSET QUOTED_IDENTIFIER ON []\nSET TRANSACTION ISOLATION LEVEL READ COMMITTED []\nSET LOCK_TIMEOUT - 1 []\nSET FMTONLY ON []\na\n1\nSET FMTONLY OFF []"},
		{"USE [sales]; BEGIN TRANSACTION t SAVE TRAN s ROLLBACK TRAN s COMMIT WORK", "USE sales  []\nBEGIN   []\nSAVE   []\nROLLBACK   []\nCOMMIT   []"},
		{"IF @@SPID > 50 COMMIT TRAN", "COMMIT   []"},
		{"IF @@SPID < 50 PRINT 'low' ELSE BEGIN PRINT N'high'; SELECT 1 AS a END SELECT 2 AS b", "PRINT high  []\na\n1\nb\n2"},
		{"IF EXISTS (SELECT * FROM one WHERE k = 9) SELECT 1 AS a; ELSE IF DB_NAME() = 'sales' SELECT 2 AS a", "a\n2"},
		{"sp_datatype_info_100 12,3", "EXEC sp_datatype_info_100  [{ 12} { 3}]"},
		{"EXEC [sales].[sys].sp_columns @table_name = N'one', @ODBCVer = 3", "EXEC sp_columns  [{table_name one} {ODBCVer 3}]"},
		{"exec one", "k | v | g | f | d\n1 | 10 | a | 1.5 | 2026-01-31 10:00:00\n2 | 7 | b% | NULL | 2026-03-01 00:00:00\n3 | NULL | B | NULL | NULL"},
		// Variables that are computed when the batch runs.
		{"DECLARE @i INT = 0, @t VARCHAR(9) = ''; WHILE @i < 3 BEGIN SET @i += 1; SET @t = @t + CAST(@i AS VARCHAR(2)) END SELECT @i AS i, @t AS t", "i | t\n3 | 123"},
		{"DECLARE @i INT = 5; IF @i = 5 SET @i = 6 ELSE SET @i = 7; SELECT @i AS i", "i\n6"},
		{"DECLARE @v INT, @k INT; SELECT @k = k, @v = v FROM one WHERE v IS NOT NULL ORDER BY k DESC; SELECT @v AS v, @k AS k", "v | k\n10 | 1"},
		{"DECLARE @v INT = 3, @w INT; SELECT @w = @v, @v = @v + 1; SELECT @v AS v, @w AS w", "v | w\n4 | 3"},
		{"DECLARE @v INT = 3; SELECT @v = k FROM one WHERE k = 9; SELECT @v + 1 AS v", "v\n4"},
		{"DECLARE @v INT = '12', @w VARCHAR(2) = SYSTEM_USER + '!'; SET @v = (SELECT MAX(k) FROM one) + @v; SELECT @v AS v, @w AS w", "v | w\n15 | me"},
		{"DECLARE @k INT; SELECT @k = MIN(k) FROM one; EXEC one; SELECT k FROM one WHERE k = @k",
			"k | v | g | f | d\n1 | 10 | a | 1.5 | 2026-01-31 10:00:00\n2 | 7 | b% | NULL | 2026-03-01 00:00:00\n3 | NULL | B | NULL | NULL\nk\n1"},
		{"DECLARE @x INT; EXEC ('DECLARE @x INT; SELECT @x = MAX(k) FROM one; SELECT @x AS x'); SELECT @x AS x; SELECT @x = MIN(k) FROM one; SELECT @x AS x", "x\n3\nx\nNULL\nx\n1"},
		{"DECLARE @n INT = (SELECT COUNT(*) FROM one); IF @n > 1 PRINT 'n: ' + CAST(@n AS VARCHAR(9)) + N'!' ELSE PRINT 'none'; PRINT CONCAT(DB_NAME(), @n); PRINT NULL", "PRINT n: 3!  []\nPRINT sales3  []\nPRINT   []"},
		{"EXEC ('DECLARE @x INT; SET @x = DB_ID() + 2; EXEC (''DECLARE @x INT = 1; SET @x += 1''); SELECT @x AS x')", "x\n7"},
		{"DECLARE @a INT, @b INT; WHILE @b IS NULL BEGIN SET @a = 1; EXEC ('DECLARE @x INT; SELECT @x AS x; SET @x = DB_ID() + 2'); IF @a = 1 SET @b = @a END SELECT @b AS b", "x\nNULL\nb\n1"},
		{"USE sales PRINT DB_NAME() SELECT SYSTEM_USER AS u", "USE sales  []\nPRINT sales  []\nu\nme"},
		{"EXEC ('USE sales; SELECT 1 AS a')", "USE sales  []\na\n1"},

		{"SELECT Region, SUM(amount) AS s FROM [Retail].[Orders] GROUP BY Region ORDER BY s DESC", "Region | s\nNorth | 15\nSouth | 7"},
		{"SELECT o.* FROM Sales.retail.ORDERS o WHERE o.Amount > 6 AND DB_NAME() = 'sales' ORDER BY 2", "Region | Amount\nSouth | 7\nNorth | 10"},
		{"WITH w AS (SELECT Region AS r, Amount FROM Retail.Orders) SELECT TOP 1 w.r, s.[a b] FROM w JOIN Retail.[Sp]]e\"c] s ON s.[a b] = 1 ORDER BY w.Amount", "r | a b\nNorth | 1"},
		{"SELECT 1 AS one WHERE EXISTS (SELECT * FROM Retail.Orders WHERE Region LIKE 'So%')", "one\n1"},
	} {
		s := &sales{c: c, spid: 51, kept: map[string]driver.Value{}}
		if got, err := s.play(tt.text); err != nil || got != tt.want {
			t.Errorf("%s\ngot\n%s, %v\nwant\n%s", tt.text, got, err, tt.want)
		}
	}
	s := &sales{c: c, spid: 51, kept: map[string]driver.Value{}}
	if got, err := s.play("SELECT Region FROM Retail.Orders WHERE Amount = @a AND Region = ?", Argument{"a", int64(7)}, Argument{"", "South"}); err != nil || got != "Region\nSouth" {
		t.Errorf("with parameters %s, %v", got, err)
	}
	if len(s.asked) != 1 {
		t.Errorf("to read one statement asked for %q", s.asked)
	}
}

// The catalog's views are at hand: they stand beside endpoints, and functions look up what they hold.
func TestC5Catalog(t *testing.T) {
	c := numbers(t)
	for _, tt := range []struct{ text, want string }{
		{"SELECT o.name, s.name AS [schema], o.create_date FROM sys.all_objects o JOIN [sales].sys.schemas AS s ON s.schema_id = o.schema_id WHERE o.is_ms_shipped = 0 ORDER BY o.name COLLATE Latin1_General_CI_AS",
			"name | schema | create_date\nOrders | Retail | NULL\none | dbo | 2026-03-01 10:00:00.003"},
		{"SELECT one.k, o.name FROM one JOIN sys.all_objects o ON o.object_id = one.k + 100 ORDER BY 1", "k | name\n1 | one\n2 | Orders\n3 | objects"},
		{"SELECT s.name, COUNT(*) AS n FROM sys.all_objects o JOIN sys.schemas s ON s.name = SCHEMA_NAME(o.schema_id) GROUP BY s.name ORDER BY s.name", "name | n\nRetail | 1\ndbo | 1\nsys | 1"},
		{"SELECT SCHEMA_ID('RETAIL') AS i, SCHEMA_NAME(9) AS n, OBJECT_NAME(102) AS o, OBJECT_SCHEMA_NAME(102) AS os", "i | n | o | os\n5 | NULL | Orders | Retail"},
		{"SELECT OBJECT_ID(N'[dbo].[ONE]') AS a, OBJECT_ID('one') AS b, OBJECT_ID('sales..one') AS c, OBJECT_ID('Sales.Retail.Orders', N'U') AS d, OBJECT_ID('Orders') AS e, OBJECT_ID('Retail.Orders', 'V') AS f",
			"a | b | c | d | e | f\n101 | 101 | 101 | 102 | NULL | NULL"},
		{"SELECT name FROM sys.all_objects WHERE OBJECTPROPERTY(object_id, 'IsMSShipped') = 0 AND OBJECTPROPERTY(object_id, N'IsView') = 1", "name\none"},
		{"SELECT DB_ID() AS own, DB_ID('master') AS m, DB_NAME(5) AS n, HAS_DBACCESS(name) AS h, name FROM sys.databases ORDER BY name", "own | m | n | h | name\n5 | 1 | sales | 1 | master\n5 | 1 | sales | 1 | sales"},
		{"SELECT QUOTENAME(name) AS q, 'S[@Name=' + QUOTENAME(name, '''') + ']' AS urn, QUOTENAME('a\"b', '\"') AS r FROM sys.schemas WHERE schema_id = 5", "q | urn | r\n[Retail] | S[@Name='Retail'] | \"a\"\"b\""},
		{"SELECT name, sid = uid FROM sysusers WHERE (name = @id OR @id IS NULL) UNION SELECT name, uid FROM sales..sysusers UNION ALL SELECT name, uid FROM dbo.sysusers", "name | sid\ndbo | 1\ndbo | 1"},
		{"SELECT ISNULL(is_ms_shipped, 0) AS m FROM sys.all_objects WHERE (name = @name OR @name IS NULL) AND (object_id = @id OR @id IS NULL)", "m\nfalse"},
		{"SELECT name FROM sys.all_objects WHERE type IN (N'V ', 'TT') AND 'V ' = type AND type <> 'U  ' AND NOT type = 'U ' ORDER BY name", "name\nobjects\none"},
		{"SELECT DISTINCT o.type, UPPER(o.name) AS u FROM sys.all_objects o WHERE o.name LIKE 'o%' ORDER BY o.type DESC, UPPER(o.name)", "type | u\nV | OBJECTS\nV | ONE"},
		{"SELECT o.name FROM sys.all_objects o WHERE o.type = 'U' UNION SELECT s.name FROM sys.schemas s WHERE s.schema_id = 1 ORDER BY o.name DESC", "name\ndbo\nOrders"},
		{"IF OBJECT_ID('dbo.one') IS NOT NULL SELECT 1 AS there ELSE SELECT 0 AS there", "there\n1"},
		{"SELECT OBJECT_ID('dbo.one') AS id WHERE EXISTS (SELECT * FROM Retail.Orders)", ""},
	} {
		s := &sales{c: c, spid: 51, kept: map[string]driver.Value{}}
		got, err := s.play(tt.text, Argument{"name", "Orders"}, Argument{"id", nil})
		if tt.want == "" {
			if fault.CodeOf(err) != codeMeaning {
				t.Errorf("%s: %s, %v; the owner of tables has no views", tt.text, got, err)
			}
		} else if err != nil || got != tt.want {
			t.Errorf("%s\ngot\n%s, %v\nwant\n%s", tt.text, got, err, tt.want)
		}
	}
}

// Every macro can be read and bound.
func TestMacros(t *testing.T) {
	for name, m := range macros() {
		if _, _, err := parseMacro(m, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestC5SessionErrors(t *testing.T) {
	c := numbers(t)
	for _, tt := range []struct{ text, code, want string }{
		{"SELECT @@SPYD", codeUnknown, "cannot find the variable @@SPYD"},
		{"SELECT DB_NAMES()", codeUnknown, "cannot find the function DB_NAMES"},
		{"SELECT DB_NAME(1, g) FROM one", codeUnknown, "cannot find the function DB_NAME"},
		{"SELECT * FROM Retail.Order", codeUnknown, "Did you mean 'Orders'?"},
		{"INSERT INTO Retail.Orders (Id) VALUES (1)", codeMeaning, "cannot insert into 'Retail.Orders': rows go to endpoints, which are in dbo"},
		{"SELECT * FROM Nowhere.Orders", codeUnknown, "cannot find the schema 'Nowhere'"},
		{"SELECT * FROM other.Retail.Orders", codeCall, "cannot find the database 'other'"},
		{"SELECT * FROM other.dbo.one", codeUnknown, "cannot call an endpoint of the database 'other' from 'sales'"},
		{"SELECT * FROM Retail.Orders o JOIN one ON one.k = o.Amount", codeMeaning, "cannot read the endpoint one and tables of 'Retail' in one statement"},
		{"SELECT * FROM Retail.Orders o JOIN Other.Orders p ON p.Amount = o.Amount", codeMeaning, "cannot read tables of 'Retail' and of 'Other' in one statement"},
		{"SELECT Regio FROM Retail.Orders", codeUnknown, "Did you mean 'Region'?"},
		{"SELECT * FROM Retail.Orders WITH (Top='1')", codeUnknown, "no endpoint is called here"},
		{"SELECT 1 FROM Retail.Orders WITH (Top='1') WHERE Amount = 1", codeUnknown, "'Orders' is a table"},
		{"IF 1 = 1 SET @x = 1", codeSyntax, "not declared"},
		{"DECLARE @x NVARCHAR(9); IF 1 = 1 SET @x = 'SELECT 1'; EXEC (@x)", codeSyntax, "set the variable outside of IF"},
		{"DECLARE @x INT; SELECT @x = 1, 2 AS b", codeSyntax, "Write a SELECT for each"},
		{"DECLARE @x INT; SELECT @x = k FROM one UNION SELECT 1", codeMeaning, "cannot set @x here"},
		{"DECLARE @x INT; SELECT * FROM (SELECT @x = k FROM one) t", codeMeaning, "cannot set @x here"},
		{"SELECT @x = k FROM one", codeSyntax, "not declared"},
		{"DECLARE @x INT = 0; SELECT @x = @X + k FROM one", codeSyntax, "SET @x = @x + (SELECT …)"},
		{"DECLARE @x INT = 0, @y INT; SELECT @y = @x + k, @x = k FROM one", codeSyntax, "the same SELECT sets it"},
		{"DECLARE @x INT = 0, @y INT; SELECT @x = 1, @y = @x + 1", codeSyntax, "a statement for each variable"},
		{"SET @x += 1", codeSyntax, "not declared"},
		{"BEGIN TRY SELECT 1 AS a END TRY", codeSyntax, "BEGIN CATCH must stand here"},
		{"BEGIN TRY SELECT 1 AS a END", codeSyntax, "'TRY' must stand here"},
		{"BEGIN CATCH SELECT 1 AS a END CATCH", codeSyntax, "comes straight before it"},
		{"THROW", codeSyntax, "outside of CATCH it takes"},
		{"THROW 50001, 'x'", codeSyntax, "a number, a text and a state"},
		{"RAISERROR (50001, 16, 1)", codeSyntax, "Write its text"},
		{"RAISERROR ('x', 16)", codeSyntax, "a text, a severity, a state"},
		{"RAISERROR ('x', 16, 1) WITH WAIT", codeSyntax, "NOWAIT, SETERROR or LOG must stand here"},
		{"WAITFOR TIME '10:00'", codeSyntax, "WAITFOR DELAY 'hh:mm:ss' alone"},
		{"BREAK", codeSyntax, "no WHILE around"},
		{"CREATE TABLE #t (a INT)", codeSyntax, "cannot take CREATE: there are no tables here that keep rows"},
		{"DECLARE @t TABLE (a INT)", codeSyntax, "cannot take @t"},
		{"INSERT INTO #t EXEC one", codeSyntax, "INSERT INTO #t EXEC ('…') AT [the linked server]"},
		{"INSERT INTO @t SELECT 1", codeSyntax, "cannot take @t"},
		{"SELECT * FROM one JOIN #t ON 1 = 1", codeSyntax, "WITH x AS (…) holds rows"},
		{"EXEC ('RETURN')", codeSyntax, "RETURN from the text"},
		{"BEGIN SELECT 1", codeSyntax, "END must stand here"},
		{"SET NOCOUNT", codeSyntax, "a value of the setting must stand here"},
		{"USE x; SELEC 1", codeSyntax, "Did you mean"},
		{"USE 'x'", codeSyntax, "the name of a database"},
		{"SELEC 1", codeSyntax, "Did you mean 'SELECT'?"},
	} {
		_, err := (&sales{c: c}).play(tt.text)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) || fault.CodeOf(err) != tt.code {
			t.Errorf("%s\n%s %v, want %s with %s", tt.text, fault.CodeOf(err), err, tt.code, tt.want)
		}
	}
}
