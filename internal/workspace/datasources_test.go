package workspace_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
)

// sourced is a model with sources of every form. Its expressions are those of the partitions A, B and so on of table T.
func sourced(t testing.TB, expressions ...string) map[string][]byte {
	t.Helper()
	var partitions []any
	for i, expression := range expressions {
		partitions = append(partitions, map[string]any{"name": string(rune('A' + i)), "source": map[string]any{"type": "m", "expression": expression}})
	}
	partitions = append(partitions, map[string]any{"name": "Old", "source": map[string]any{"type": "query", "dataSource": "Provider", "query": "SELECT A FROM t"}})
	content, err := json.Marshal(map[string]any{"name": "Many", "compatibilityLevel": 1567, "model": map[string]any{
		"expressions": []any{map[string]any{"name": "Server", "kind": "m", "expression": `"db1:5432" meta [IsParameterQuery=true, Type="Text"]`}},
		"dataSources": []any{
			map[string]any{"name": "Provider", "connectionString": "Provider=MSOLEDBSQL;Data Source=sql1;Initial Catalog=\"a;b\";Port=1433"},
			map[string]any{"name": "Structured", "type": "structured", "connectionDetails": map[string]any{"protocol": "postgresql", "address": map[string]any{"server": "pg1", "database": "x"}}},
			map[string]any{"name": "Odd", "connectionString": "Provider=Odd.1;Location=somewhere"},
		},
		"tables": []any{map[string]any{"name": "T", "columns": []any{map[string]any{"name": "A", "dataType": "int64", "sourceColumn": "A"}}, "partitions": partitions}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"model.bim": content}
}

func (b *bench) sources(item workspace.Item) string {
	b.t.Helper()
	list, err := b.Sources(b.ctx, item)
	b.must(err)
	var out []string
	for _, source := range list {
		out = append(out, source.String())
	}
	return strings.Join(out, "\n")
}

const defined = "\nSql 'sql1:1433;a;b'\nPostgreSql 'pg1;x'\nOleDb 'Provider=Odd.1;Location=somewhere'"

// [contract §2.2] the sources of expressions, with the parameters as they are set, and those that a model defines.
func TestSources(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Many", sourced(t, `PostgreSQL.Database(Server, "sales")`, `Csv.Document(File.Contents("/srv/a.csv"))`, `Odbc.Query("dsn=x;pwd=secret", "")`)).Item
	same(t, b.sources(item), "PostgreSql 'db1:5432;sales'\nFile '/srv/a.csv'\nODBC 'dsn=x;'"+defined)
	b.must(b.SetParameters(b.ctx, ana, item, set("Server", "db2:5432")))
	same(t, b.sources(item), "PostgreSql 'db2:5432;sales'\nFile '/srv/a.csv'\nODBC 'dsn=x;'"+defined)
}

func sql(server, database string) workspace.Source {
	return workspace.Source{Type: "Sql", Server: server, Database: database}
}

// [contract §2.2] other details for the next refresh; the data stays, and so do the details over a deployment.
func TestMoveSources(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	files := sourced(t, `Sql.Database("old", "a")`, `Sql.Database("old", "b")`)
	item := b.deploy(ana, "Sales", "Many", files).Item
	b.load(item, 10, "T/A", "T/B")
	loaded := b.parts(item)

	move := func(moves ...workspace.Move) {
		t.Helper()
		b.must(b.MoveSources(b.ctx, ana, item, moves))
	}
	move(workspace.Move{From: sql("old", "a"), To: workspace.Source{Server: "new"}}, workspace.Move{From: sql("new", "a"), To: workspace.Source{Database: "c"}})
	same(t, b.sources(item), "Sql 'new;c'\nSql 'old;b'"+defined)
	same(t, b.parts(item), loaded)
	move(workspace.Move{From: sql("sql1:1433", ""), To: workspace.Source{Server: "sql2;x", Database: "c"}}, workspace.Move{From: workspace.Source{Server: "PG1"}, To: workspace.Source{Server: "pg2"}},
		workspace.Move{From: workspace.Source{Type: "OleDb"}, To: workspace.Source{ConnectionString: "Provider=Odd.1;Location=here;Password=x"}})
	same(t, b.sources(item), "Sql 'new;c'\nSql 'old;b'\nSql 'sql2;x;c'\nPostgreSql 'pg2;x'\nOleDb 'Provider=Odd.1;Location=here;'")
	definition, err := b.catalog.RefreshDefinition(b.ctx, item.ID)
	b.must(err)
	same(t, definition.Model.DataSources[0].ConnectionString, `Provider=MSOLEDBSQL;Data Source="sql2;x";Initial Catalog=c;`)
	same(t, definition.Model.Table("T").Partitions[0].Source.Expression, `Sql.Database("new", "c")`)

	// The same files again, and others in which one source is still there.
	b.deploy(ana, "Sales", "Many", files)
	d := b.deploy(ana, "Sales", "Many", sourced(t, `let S = Sql.Database("old", "a") in S`, `Sql.Database("other", "b")`))
	same(t, changes(d), "T/A emptied 10: its source has changed\nT/B emptied 10: its source has changed\nT/Old kept 0")
	same(t, b.sources(item), "Sql 'new;c'\nSql 'other;b'\nSql 'sql2;x;c'\nPostgreSql 'pg2;x'\nOleDb 'Provider=Odd.1;Location=here;'")
	d = b.deploy(ana, "Sales", "Many", sourced(t, `Sql.Database("other", "b")`))
	if !slices.ContainsFunc(d.Warnings, func(w string) bool {
		return strings.HasPrefix(w, "Data source Sql 'old;a': it is not changed any more as it was after the last deployment (cannot find data source Sql 'old;a'")
	}) {
		t.Errorf("warnings %q", d.Warnings)
	}
}

// Back to what the files say leaves nothing to carry over a deployment.
func TestMoveSourcesBack(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Many", sourced(t, `Sql.Database("old", "a")`)).Item
	b.must(b.MoveSources(b.ctx, ana, item, []workspace.Move{{From: sql("old", ""), To: workspace.Source{Server: "new"}}}))
	b.must(b.MoveSources(b.ctx, ana, item, []workspace.Move{{From: sql("new", ""), To: workspace.Source{Server: "old"}}}))
	stored, err := b.catalog.Definition(b.ctx, item.ID, 0)
	b.must(err)
	if len(stored.Overrides.Moves)+len(stored.Overrides.Texts) != 0 {
		t.Errorf("overrides %+v", stored.Overrides)
	}
}

func TestRefusedMoves(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Many", sourced(t, `PostgreSQL.Database(Server, "sales")`)).Item
	for _, test := range []struct {
		move workspace.Move
		want string
	}{
		{workspace.Move{To: workspace.Source{Server: "x"}}, "cannot tell which data source is meant: the model has 4. Name it by a datasourceSelector. They are PostgreSql 'db1:5432;sales', "},
		{workspace.Move{From: sql("none", ""), To: workspace.Source{Server: "x"}}, "cannot find data source Sql 'none' in the model. It has "},
		{workspace.Move{From: sql("sql1:1433", "")}, "names no connectionDetails"},
		{workspace.Move{From: sql("sql1:1433", ""), To: workspace.Source{Type: "OData", Server: "x"}}, "the type cannot be changed"},
		{workspace.Move{From: sql("sql1:1433", ""), To: workspace.Source{URL: "x"}}, "cannot change the url of data source 'Provider': it has none"},
		{workspace.Move{From: workspace.Source{Database: "sales"}, To: workspace.Source{Server: "x"}}, "it comes from parameter 'Server'"},
	} {
		// Whatever else a request asks for is not done either.
		err := b.MoveSources(b.ctx, ana, item, []workspace.Move{{From: workspace.Source{Server: "pg1"}, To: workspace.Source{Server: "pg2"}}, test.move})
		b.refused(err, fault.Invalid, fault.CodeInvalidRequest)
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v\nwant %s", err, test.want)
		}
	}
	b.refused(b.MoveSources(b.ctx, ana, item, nil), fault.Invalid, fault.CodeInvalidRequest)
	same(t, b.sources(item), fmt.Sprint("PostgreSql 'db1:5432;sales'", defined))
}
