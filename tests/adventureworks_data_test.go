package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet.dev/internal/model"
	"freshet.dev/internal/model/bim"
	"freshet.dev/internal/model/tmdl"
)

// The AdventureWorksDW of these tests: the CSV files and, made of them, tables of PostgreSQL. One model reads the former, one the latter.
const (
	adventureWorksModels = "testdata/adventureworks"
	adventureWorksCSV    = "../../shared/data/adventureworks-dw"
)

// figuresOfTable is what a table must come to: see scripts/adventureworks_figures.py, which wrote them.
type figuresOfTable struct {
	Rows    int64                      `json:"rows"`
	Columns map[string]figuresOfColumn `json:"columns"`
}

type figuresOfColumn struct {
	Type     model.DataType `json:"type"`
	Nulls    int64          `json:"nulls"`
	Distinct int64          `json:"distinct"`
	Min      *string        `json:"min"` // nil where all values are null
	Max      *string        `json:"max"`
	Sum      *string        `json:"sum"`    // numbers
	Length   *int64         `json:"length"` // texts: characters; binaries: bytes
}

func readFigures(t testing.TB) map[string]figuresOfTable {
	t.Helper()
	content, err := os.ReadFile(adventureWorksModels + "/figures.json")
	if err != nil {
		t.Fatal(err)
	}
	var figures map[string]figuresOfTable
	if err := json.Unmarshal(content, &figures); err != nil {
		t.Fatal(err)
	}
	return figures
}

// dataFolder skips the test aloud where the data is not beside the repository.
func dataFolder(t testing.TB) string {
	t.Helper()
	folder, err := filepath.Abs(adventureWorksCSV)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Skip("SKIPPED: ../shared/data is not beside the repository")
	}
	return folder
}

// definitionOverCSV is the definition that reads the CSV files of a folder.
func definitionOverCSV(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	root := os.DirFS(adventureWorksModels)
	err := fs.WalkDir(root, "csv.SemanticModel", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			var content []byte
			content, err = fs.ReadFile(root, name)
			files[name] = bytes.ReplaceAll(content, []byte("/srv/adventureworks"), []byte(filepath.ToSlash(folder)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// definitionOverPostgres is the definition that reads a database: its M partitions by server and database, its query partitions by a
// provider data source.
func definitionOverPostgres(t testing.TB, host, port, database string) map[string][]byte {
	t.Helper()
	content, err := os.ReadFile(adventureWorksModels + "/postgres.bim")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(
		`"\"postgres.example:5432\"`, `"\"`+host+":"+port+`\"`,
		`"\"adventureworks\"`, `"\"`+database+`\"`,
		"Host=postgres.example;Port=5432;Database=adventureworks", "Host="+host+";Port="+port+";Database="+database,
	).Replace(string(content))
	return map[string][]byte{"model.bim": []byte(text)}
}

// loadTables makes the tables on a connection, in the first schema of its search path, and loads them from the CSV files.
func loadTables(ctx context.Context, t testing.TB, conn *pgx.Conn, folder string) {
	t.Helper()
	script, err := os.ReadFile(adventureWorksModels + "/postgres.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, string(script)); err != nil {
		t.Fatal(err)
	}
	for table, figures := range readFigures(t) {
		content, err := os.ReadFile(filepath.Join(folder, table+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		if table == "DimSalesTerritory" { // its last column is bytes as hexadecimal digits
			content = bytes.ReplaceAll(content, []byte("|FFD8"), []byte(`|\xFFD8`))
		}
		copied, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(content), "COPY "+strings.ToLower(table)+" FROM STDIN (FORMAT csv, DELIMITER '|', NULL '')")
		if err != nil || copied.RowsAffected() != figures.Rows {
			t.Fatalf("%s: %d rows of %d, %v", table, copied.RowsAffected(), figures.Rows, err)
		}
	}
}

// Both definitions are models that Freshet takes, with the tables, columns and types of the figures.
func TestAdventureWorksModels(t *testing.T) {
	overCSV, err := tmdl.Decode(definitionOverCSV(t, "/data"))
	if err != nil {
		t.Fatal(err)
	}
	overPostgres, err := bim.Decode(definitionOverPostgres(t, "127.0.0.1", "5433", "aw"))
	if err != nil {
		t.Fatal(err)
	}
	figures := readFigures(t)
	for name, m := range map[string]*model.Model{"CSV": overCSV.Model(), "PostgreSQL": overPostgres.Model()} {
		if err := m.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(m.Tables) != 22 || len(m.Relationships) != 15 {
			t.Errorf("%s: %d tables, %d relationships", name, len(m.Tables), len(m.Relationships))
		}
		for _, table := range m.Tables {
			want := figures[table.Name]
			if len(table.Columns) != len(want.Columns) {
				t.Errorf("%s: %s has %d columns, not %d", name, table.Name, len(table.Columns), len(want.Columns))
			}
			for _, column := range table.Columns {
				if got := want.Columns[column.Name].Type; got != column.DataType {
					t.Errorf("%s: %s[%s] is %s, not %s", name, table.Name, column.Name, column.DataType, got)
				}
			}
		}
	}
	if text := overCSV.Model().Expression("Folder").Text; !strings.HasPrefix(text, `"/data" meta [`) {
		t.Errorf("Folder is %s", text)
	}
	m := overPostgres.Model()
	if text := m.Expression("Server").Text + m.Expression("Database").Text; !strings.HasPrefix(text, `"127.0.0.1:5433" meta [`) || !strings.Contains(text, `]"aw" meta [`) {
		t.Errorf("Server and Database are %s", text)
	}
	if kind, path, err := m.DataSource("Warehouse").Ref(); kind != "PostgreSQL" || path != "127.0.0.1:5433;aw" || err != nil {
		t.Errorf("the data source reaches %s %s, %v", kind, path, err)
	}
	if partitions := m.Table("FactFinance").Partitions; len(partitions) != 12 {
		t.Errorf("FactFinance has %d partitions", len(partitions))
	}
}

// The figures are those of the tables that PostgreSQL holds, by its own reckoning.
func TestAdventureWorksFiguresInPostgres(t *testing.T) {
	folder := dataFolder(t)
	ctx, conn := t.Context(), connectPostgres(t)
	defer func() { _ = conn.Close(context.Background()) }() // ends the transaction, which leaves nothing behind
	if _, err := conn.Exec(ctx, "BEGIN; CREATE SCHEMA adventureworks_figures; SET LOCAL search_path = adventureworks_figures"); err != nil {
		t.Fatal(err)
	}
	loadTables(ctx, t, conn, folder)
	for table, want := range readFigures(t) {
		for _, name := range slices.Sorted(maps.Keys(want.Columns)) {
			got := figuresInPostgres(ctx, t, conn, table, name, want.Columns[name].Type)
			compareFigures(t, table+"["+name+"]", got, want.Columns[name])
		}
	}
}

func figuresInPostgres(ctx context.Context, t *testing.T, conn *pgx.Conn, table, column string, dataType model.DataType) figuresOfColumn {
	t.Helper()
	c, from := pgx.Identifier{strings.ToLower(column)}.Sanitize(), " FROM "+pgx.Identifier{strings.ToLower(table)}.Sanitize()
	least, most, sum, length := "min("+c+")::text", "max("+c+")::text", "sum("+c+")::text", "NULL::bigint"
	switch dataType {
	case model.String:
		least, most = "min("+c+`::text COLLATE "C")`, "max("+c+`::text COLLATE "C")`
		sum, length = "NULL::text", "coalesce(sum(length("+c+")), 0)::bigint"
	case model.DateTime:
		least, most, sum = "to_char(min("+c+`), 'YYYY-MM-DD"T"HH24:MI:SS')`, "to_char(max("+c+`), 'YYYY-MM-DD"T"HH24:MI:SS')`, "NULL::text"
	case model.Binary:
		first := "(SELECT 'sha256:' || encode(sha256(" + c + "), 'hex')" + from + " WHERE " + c + " IS NOT NULL ORDER BY " + c
		least, most, sum, length = first+" LIMIT 1)", first+" DESC LIMIT 1)", "NULL::text", "sum(length("+c+"))::bigint"
	}
	got := figuresOfColumn{Type: dataType}
	row := conn.QueryRow(ctx, "SELECT count(*) - count("+c+"), count(DISTINCT "+c+"), "+least+", "+most+", "+sum+", "+length+from)
	if err := row.Scan(&got.Nulls, &got.Distinct, &got.Min, &got.Max, &got.Sum, &got.Length); err != nil {
		t.Fatalf("%s[%s]: %v", table, column, err)
	}
	return got
}

// compareFigures compares what a column came to with what it must come to. Sums of doubles may differ in their last digits: they depend on the
// order of the rows.
func compareFigures(t testing.TB, where string, got, want figuresOfColumn) {
	t.Helper()
	text := func(p *string) string {
		if p == nil {
			return "null"
		}
		return *p
	}
	count := func(p *int64) string {
		if p == nil {
			return "null"
		}
		return strconv.FormatInt(*p, 10)
	}
	same := func(what string, got, want *string, tolerance float64) {
		if text(got) == text(want) {
			return
		}
		if want != nil && got != nil && tolerance >= 0 {
			g, errGot := strconv.ParseFloat(*got, 64)
			w, errWant := strconv.ParseFloat(*want, 64)
			if errGot == nil && errWant == nil && math.Abs(g-w) <= tolerance*math.Abs(w) {
				return
			}
		}
		t.Errorf("%s: %s is %s, not %s", where, what, text(got), text(want))
	}
	number, summed := -1.0, -1.0
	if want.Type == model.Double {
		number, summed = 0, 1e-12
	}
	same("min", got.Min, want.Min, number)
	same("max", got.Max, want.Max, number)
	same("sum", got.Sum, want.Sum, summed)
	if got.Nulls != want.Nulls {
		t.Errorf("%s: %d nulls, not %d", where, got.Nulls, want.Nulls)
	}
	if got.Distinct != want.Distinct {
		t.Errorf("%s: %d distinct values, not %d", where, got.Distinct, want.Distinct)
	}
	if got.Type == model.String || got.Type == model.Binary {
		if got.Length == nil || want.Length == nil || *got.Length != *want.Length {
			t.Errorf("%s: the total length is %s, not %s", where, count(got.Length), count(want.Length))
		}
	}
}
