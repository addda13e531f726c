package duck

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Rows of every type go in and come out, more of them than a chunk holds; a sealed instance reaches nothing else.
func TestInsertAndRead(t *testing.T) {
	ctx := context.Background()
	db, err := Open(ctx, Options{Sealed: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	types := []Type{Text, Int64, Double, Decimal, Timestamp, Bool, Binary}
	if err := conn.Exec(ctx, "CREATE TEMP TABLE x (a VARCHAR, b BIGINT, c DOUBLE, d DECIMAL(19,4), e TIMESTAMP, f BOOLEAN, g BLOB)"); err != nil {
		t.Fatal(err)
	}
	const rows = 5000
	at := time.Date(2026, 3, 1, 12, 30, 0, 123456000, time.UTC)
	err = conn.Insert(ctx, "x", types, rows, func(row int, columns []*Results, to int) error {
		if row%3 == 2 {
			return nil // all NULL
		}
		columns[1].SetInt64(to, int64(row))
		columns[2].SetDouble(to, float64(row)/2)
		columns[3].SetDecimal(to, int64(-row))
		columns[4].SetTime(to, at.Add(time.Duration(row)*time.Second))
		columns[5].SetBool(to, row%2 == 0)
		columns[6].SetBytes(to, []byte{byte(row)})
		return columns[0].SetText(to, strings.Repeat("ü", row%20))
	})
	if err != nil {
		t.Fatal(err)
	}
	row := 0
	err = conn.Read(ctx, "SELECT * FROM x", types, func(chunk *Args) error {
		for i := range chunk.Rows() {
			if row%3 == 2 != chunk.Null(0, i) {
				t.Fatalf("row %d: NULL is %v", row, chunk.Null(0, i))
			}
			if row%3 != 2 && (chunk.Text(0, i) != strings.Repeat("ü", row%20) || chunk.Int64(1, i) != int64(row) || chunk.Double(2, i) != float64(row)/2 || chunk.Decimal(3, i) != int64(-row) ||
				!chunk.Time(4, i).Equal(at.Add(time.Duration(row)*time.Second)) || chunk.Bool(5, i) != (row%2 == 0) || string(chunk.Bytes(6, i)) != string([]byte{byte(row)})) {
				t.Fatalf("row %d is another", row)
			}
			row++
		}
		return nil
	})
	if err != nil || row != rows {
		t.Errorf("%d rows, %v", row, err)
	}
	if err := conn.Read(ctx, "SELECT b FROM x", []Type{Text}, func(*Args) error { return nil }); err == nil {
		t.Error("a number was read as text")
	}
	if err := conn.Check(ctx, "SELECT nothing FROM x"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("a column that there is not: %v", err)
	}
	path := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(path, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT * FROM " + Literal(path), "COPY x TO " + Literal(path), "SET enable_external_access = true", "ATTACH " + Literal(path+".db")} {
		if err := conn.Exec(ctx, sql); err == nil {
			t.Errorf("a sealed instance runs %s", sql)
		}
	}
}
