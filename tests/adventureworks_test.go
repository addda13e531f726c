package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet.dev/internal/model"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// TestAdventureWorksFromCSV: R1, R4, R18, R24, R28, F1, F11 on real data.
func TestAdventureWorksFromCSV(t *testing.T) {
	data := dataFolder(t)
	r := start(t, server.DataSource{Kind: "File", Path: data})
	checkAdventureWorks(t, r, r.deploy(t, "AdventureWorks CSV", definitionOverCSV(t, data)))
}

// TestAdventureWorksFromPostgres: the same figures from a real server, by M's navigation and by queries over a provider data source.
func TestAdventureWorksFromPostgres(t *testing.T) {
	const database = "adventureworks"
	config := loadAdventureWorks(t, dataFolder(t), database)
	port := strconv.Itoa(int(config.Port))
	r := start(t, server.DataSource{Kind: "PostgreSQL", Path: config.Host + ":" + port + ";" + database, Username: config.User, Password: config.Password})
	checkAdventureWorks(t, r, r.deploy(t, "AdventureWorks PostgreSQL", definitionOverPostgres(t, config.Host, port, database)))
}

// loadAdventureWorks fills a database of its own with the tables and returns how to reach the server.
func loadAdventureWorks(t *testing.T, data, database string) *pgx.ConnConfig {
	t.Helper()
	ctx := context.Background()
	admin := connectPostgres(t)
	defer admin.Close(ctx)
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + database + " WITH (FORCE)", "CREATE DATABASE " + database} {
		if _, err := admin.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	config := admin.Config().Copy()
	config.Database = database
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	loadTables(ctx, t, conn, data)
	return config
}

func checkAdventureWorks(t *testing.T, r running, ref powerbi.Ref) {
	t.Helper()
	detail := r.refresh(t, ref, powerbi.RefreshRequest{Type: "full"})
	if detail.Status != powerbi.Completed {
		t.Fatalf("the refresh ended as %s: %+v", detail.Status, detail.Messages)
	}
	for table, want := range readFigures(t) {
		if rows := r.row(t, ref, fmt.Sprintf(`SELECT count(*)::VARCHAR FROM %q`, table)); rows[0] != strconv.FormatInt(want.Rows, 10) {
			t.Errorf("%s has %s rows, not %d", table, rows[0], want.Rows)
		}
		for column, figures := range want.Columns {
			compareFigures(t, table+"["+column+"]", r.figures(t, ref, table, column, figures.Type), figures)
		}
	}
}

// figures are a refreshed column's, by SQL over the current version.
func (r running) figures(t *testing.T, ref powerbi.Ref, table, column string, dataType model.DataType) figuresOfColumn {
	t.Helper()
	c := `"` + column + `"`
	least, most, sum, length := "min("+c+")::VARCHAR", "max("+c+")::VARCHAR", "sum("+c+")::VARCHAR", "NULL"
	switch dataType {
	case model.DateTime:
		least, most, sum = "replace("+least+", ' ', 'T')", "replace("+most+", ' ', 'T')", "NULL"
	case model.String:
		sum, length = "NULL", "coalesce(sum(length("+c+")), 0)::BIGINT"
	case model.Binary:
		least, most = "'sha256:' || sha256(min("+c+"))", "'sha256:' || sha256(max("+c+"))"
		sum, length = "NULL", "coalesce(sum(octet_length("+c+")), 0)::BIGINT"
	}
	rows, err := r.Query(t.Context(), ref.DatasetID, fmt.Sprintf(`SELECT count(*) - count(%[1]s), count(DISTINCT %[1]s), %[2]s, %[3]s, %[4]s, %[5]s FROM %[6]q`,
		c, least, most, sum, length, table))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	row, err := rows.Next()
	if err != nil {
		t.Fatal(err)
	}
	got := figuresOfColumn{Type: dataType}
	for i, into := range []any{&got.Nulls, &got.Distinct, &got.Min, &got.Max, &got.Sum, &got.Length} {
		if err := json.Unmarshal(row[i], into); err != nil {
			t.Fatalf("%s[%s]: figure %d is %s: %v", table, column, i, row[i], err)
		}
	}
	return got
}
