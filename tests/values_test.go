package tests

import (
	"fmt"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// TestValuesThatDoNotFitCSV: a value that does not fit its column fails the refresh, which names table, partition, column, row and value.
func TestValuesThatDoNotFitCSV(t *testing.T) {
	dir := t.TempDir()
	r := start(t, fileSource(dir))
	for _, c := range []struct{ column, transform, value string }{
		{"int64", "", "2.5"}, // no type step: the text itself goes into the column
		{"int64", "Int64.Type", "abc"},
		{"int64", "type number", "2.5"},
		{"int64", "type number", "1e19"},
		{"int64", "Int64.Type", "9223372036854775808"},
		{"double", "", "abc"},
		{"double", "type number", "abc"},
		{"decimal", "type number", "NaN"},
		{"decimal", "type number", "922337203685477.6"},
		{"decimal", "Currency.Type", "922337203685477.5808"},
		{"decimal", "Currency.Type", "-922337203685477.5809"},
		{"dateTime", "type date", "0099-12-31"},
		{"dateTime", "type date", "2026-02-30"},
		{"dateTime", "type datetime", "yesterday"},
		{"dateTime", "", "abc"},
		{"boolean", "type logical", "perhaps"},
		{"boolean", "", "perhaps"},
	} {
		t.Run(c.column+" "+c.transform+" "+c.value, func(t *testing.T) {
			good := map[string]string{"int64": "1", "double": "1", "decimal": "1", "dateTime": "2026-01-01", "boolean": "true"}[c.column]
			name := strings.NewReplacer(" ", "_", ".", "_").Replace(t.Name()[strings.Index(t.Name(), "/")+1:])
			file := write(t, dir, name+".csv", "Id,Value\n1,"+good+"\n2,"+good+"\n3,"+c.value+"\n4,"+good+"\n")
			types := `{"Id", Int64.Type}`
			if c.transform != "" {
				types += `, {"Value", ` + c.transform + `}`
			}
			ref := r.deploy(t, name, modelOf(t, name, tableOf("The table", "Id int64, Value "+c.column, readsCSV("The partition", file, types))))
			checkMisfit(t, r.failed(t, ref, `{"type":"full"}`), 3)
		})
	}
}

func checkMisfit(t *testing.T, text string, row int) {
	t.Helper()
	if want := fmt.Sprintf("table 'The table', partition 'The partition', column 'Value', row %d", row); !strings.Contains(text, want) {
		t.Errorf("%q does not say %q", text, want)
	}
}

// TestValuesThatDoNotFitPostgres: the same from a database, by navigation in M and by a query over a provider data source.
func TestValuesThatDoNotFitPostgres(t *testing.T) {
	p := newPostgres(t)
	r := start(t, p.source())
	for i, c := range []struct{ column, value string }{
		{"int64", "2.5::numeric"},
		{"int64", "2.5::float8"},
		{"int64", "9223372036854775808::numeric"},
		{"int64", "'NaN'::float8"},
		{"int64", "'abc'::text"},
		{"decimal", "'NaN'::numeric"},
		{"decimal", "'NaN'::float8"},
		{"decimal", "'Infinity'::float8"},
		{"decimal", "922337203685477.58075::numeric"}, // rounds to one too many
		{"decimal", "1e30::numeric"},
		{"decimal", "1e15::float8"},
		{"double", "'abc'::text"},
		{"dateTime", "'0099-12-31'::date"},
		{"dateTime", "'10000-01-01'::timestamp"},
		{"dateTime", "'infinity'::timestamptz"},
		{"dateTime", "'4713-01-01 BC'::date"},
		{"boolean", "'perhaps'::text"},
		{"binary", "'abc'::text"},
	} {
		t.Run(c.column+" "+c.value, func(t *testing.T) {
			kind := c.value[strings.Index(c.value, "::")+2:]
			good := map[string]string{"text": "NULL", "date": "'2026-01-01'::date", "timestamp": "'2026-01-01'::timestamp", "timestamptz": "'2026-01-01'::timestamptz"}[kind]
			if good == "" {
				good = "1::" + kind
			}
			view := fmt.Sprintf("misfit%d", i)
			p.run(t, fmt.Sprintf(`CREATE VIEW %s AS SELECT g AS "Id", CASE g WHEN 3 THEN %s ELSE %s END AS "Value" FROM generate_series(1, 4) g`, view, c.value, good))
			table := func(partition object) object { return tableOf("The table", "Id int64, Value "+c.column, partition) }
			byM := r.deploy(t, view+" M", modelOf(t, view+" M", table(reads("The partition", p.from(view)))))
			checkMisfit(t, r.failed(t, byM, `{"type":"full"}`), 3)
			byQuery := r.deploy(t, view+" SQL", bimOf(t, view+" SQL", object{
				"dataSources": []object{p.provider("Warehouse")},
				"tables":      []object{table(queries("The partition", "Warehouse", `SELECT * FROM `+view+` ORDER BY 1;`))},
			}))
			checkMisfit(t, r.failed(t, byQuery, `{"type":"full"}`), 3)
		})
	}
}

// provider is a provider data source of the database.
func (p postgres) provider(name string) object {
	return object{"name": name, "provider": "Npgsql", "connectionString": fmt.Sprintf("Host=%s;Port=%d;Database=%s", p.config.Host, p.config.Port, p.database())}
}

// queries is a partition by a native query.
func queries(name, source, sql string) object {
	return object{"name": name, "mode": "import", "source": object{"type": "query", "dataSource": source, "query": sql}}
}

// TestDecimals: fixed point with four digits; what has more is rounded half away from zero, from every source.
func TestDecimals(t *testing.T) {
	const inputs = "1.00005 -1.00005 1.00004999 -1.00004999 922337203685477.58074 -922337203685477.58074 0.00005 123456789012.34565"
	const away = "1.0001 -1.0001 1.0000 -1.0000 922337203685477.5807 -922337203685477.5807 0.0001 123456789012.3457"
	// A type step is M's own conversion, which rounds half to even, as Currency.From does; what reaches the column has four digits.
	const even = "1.0000 -1.0000 1.0000 -1.0000 922337203685477.5807 -922337203685477.5807 0.0000 123456789012.3456"
	dir := t.TempDir()
	p := newPostgres(t, `CREATE TABLE decimals ("Id" int, "Value" numeric)`)
	lines := []string{"Id,Value"}
	for i, value := range strings.Fields(inputs) {
		lines = append(lines, fmt.Sprintf("%d,%s", i, value))
		p.run(t, fmt.Sprintf("INSERT INTO decimals VALUES (%d, %s)", i, value))
	}
	file := write(t, dir, "decimals.csv", strings.Join(lines, "\n")+"\n")
	r := start(t, fileSource(dir), p.source())
	for name, partition := range map[string]object{
		"CSV as text":                readsCSV("P", file, `{"Id", Int64.Type}`),
		"CSV as Currency.Type":       readsCSV("P", file, `{"Id", Int64.Type}, {"Value", Currency.Type}`),
		"PostgreSQL":                 reads("P", p.from("decimals")),
		"PostgreSQL filtered by row": reads("P", "Table.SelectRows("+p.from("decimals")+`, each Text.Length(Text.From([Id]) & "x") > 0)`),
	} {
		ref := r.deploy(t, name, modelOf(t, name, tableOf("T", "Id int64, Value decimal", partition)))
		if detail := r.done(t, ref, `{"type":"full"}`); detail.Status != powerbi.Completed {
			t.Errorf("%s: %s", name, errorsOf(detail))
			continue
		}
		want := away
		if name == "CSV as Currency.Type" {
			want = even
		}
		if got := r.values(t, ref, `SELECT "Value"::VARCHAR FROM T ORDER BY Id`); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
}

// TestPlainNumeric: a numeric without precision is a number to M, with every digit of it.
func TestPlainNumeric(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE n AS SELECT 123456789012345.6789::numeric AS v, 5::numeric AS w")
	r := start(t, p.source())
	ref := r.deploy(t, "Numeric", modelOf(t, "Numeric",
		tableOf("Plain", "v decimal", reads("P", p.from("n"))),
		tableOf("Filtered", "v decimal", reads("P", "Table.SelectRows("+p.from("n")+", each [w] > 4)")),
		tableOf("Text", "v string", reads("P", p.from("n"))),
		tableOf("Double", "w double", reads("P", p.from("n"))),
		tableOf("Whole", "w int64", reads("P", p.from("n"))),
	))
	r.completed(t, ref, `{"type":"full"}`)
	if got := r.values(t, ref, "SELECT Plain.v::VARCHAR, Filtered.v::VARCHAR, Text.v, Double.w, Whole.w FROM Plain, Filtered, Text, Double, Whole"); got != "123456789012345.6789|123456789012345.6789|123456789012345.6789|5|5" {
		t.Errorf("rows %s", got)
	}
}
