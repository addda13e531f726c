package sample_test

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"freshet.dev/cmd/freshet/sample"
)

// write makes a sample and returns the folder.
func write(t *testing.T, rows int) string {
	t.Helper()
	dir := t.TempDir()
	if err := sample.Write(t.Context(), dir, rows, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

func records(t *testing.T, name string) [][]string {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	list, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return list
}

// The same rows give the same bytes everywhere. A change of the generator has to change this sum knowingly.
func TestBytesAreFixed(t *testing.T) {
	dir := filepath.Join(write(t, 5000), "data")
	names, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil || len(names) != 16 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	slices.Sort(names)
	hash := sha256.New()
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(content)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != "0bf639fdc8f62c5164355a74f4a73c8e2ba397a2243a49e69f54d151789fdb4f" {
		t.Errorf("the files have sum %s", got)
	}
}

func TestRows(t *testing.T) {
	data := filepath.Join(write(t, 10_007), "data")
	total, quarters := 0, 0
	var deliveries, customers, discounts int
	for year := 2023; year <= 2025; year++ {
		for q := 1; q <= 4; q++ {
			name := strconv.Itoa(year) + "Q" + strconv.Itoa(q)
			list := records(t, filepath.Join(data, "Sales-"+name+".csv"))
			quarters++
			total += len(list) - 1
			for _, row := range list[1:] {
				if month := row[2][5:7]; row[2][:4] != strconv.Itoa(year) || (month[0]-'0')*10+month[1]-'0' > byte(3*q) {
					t.Fatalf("%s has a sale of %s", name, row[2])
				}
				for field, count := range map[int]*int{3: &deliveries, 4: &customers, 9: &discounts} {
					if row[field] == "" {
						*count++
					}
				}
			}
		}
	}
	if total != 10_007 || quarters != 12 {
		t.Errorf("%d sales in %d quarters", total, quarters)
	}
	if deliveries < 500 || deliveries > 1500 || customers < 500 || customers > 2000 || discounts < 3000 || discounts > 7000 {
		t.Errorf("empty: %d delivery dates, %d customers, %d discounts", deliveries, customers, discounts)
	}
	for name, want := range map[string]int{"Date": 1096, "Product": 480, "Store": 48, "Customer": 250} {
		if got := len(records(t, filepath.Join(data, name+".csv"))) - 1; got != want {
			t.Errorf("%s has %d rows", name, got)
		}
	}
}

// Every key that a sale names is there, and the net amount is what quantity, price and discount make.
func TestRowsFitTogether(t *testing.T) {
	data := filepath.Join(write(t, 3000), "data")
	prices := map[string]string{}
	for _, row := range records(t, filepath.Join(data, "Product.csv"))[1:] {
		prices[row[0]] = row[8]
	}
	for _, row := range records(t, filepath.Join(data, "Sales-2024Q2.csv"))[1:] {
		if prices[row[6]] == "" || prices[row[6]] != row[8] {
			t.Fatalf("product %s costs %q, sold for %s", row[6], prices[row[6]], row[8])
		}
		cents := func(text string) int { n, _ := strconv.Atoi(strings.ReplaceAll(text, ".", "")); return n }
		quantity, _ := strconv.Atoi(row[7])
		if discount := cents(row[9]); cents(row[10]) != quantity*cents(row[8])*(10000-100*discount)/100 {
			t.Fatalf("%v: the net amount is wrong", row)
		}
		if store, _ := strconv.Atoi(row[5]); store < 1 || store > 48 || row[4] == "" && store == 1 {
			t.Fatalf("%v: no such store, or an online sale without a customer", row)
		}
	}
}

func TestDefinition(t *testing.T) {
	dir := write(t, 100)
	var names []string
	err := filepath.WalkDir(filepath.Join(dir, "Retail.SemanticModel"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Retail.SemanticModel/definition.pbism", "Retail.SemanticModel/definition/database.tmdl", "Retail.SemanticModel/definition/expressions.tmdl",
		"Retail.SemanticModel/definition/model.tmdl", "Retail.SemanticModel/definition/relationships.tmdl",
		"Retail.SemanticModel/definition/tables/Customer.tmdl", "Retail.SemanticModel/definition/tables/Date.tmdl",
		"Retail.SemanticModel/definition/tables/Product.tmdl", "Retail.SemanticModel/definition/tables/Sales.tmdl",
		"Retail.SemanticModel/definition/tables/Store.tmdl",
	}
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	expressions, err := os.ReadFile(filepath.Join(dir, "Retail.SemanticModel/definition/expressions.tmdl"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `expression Folder = "` + filepath.ToSlash(dir) + `/data" meta [`; !strings.Contains(string(expressions), want) {
		t.Errorf("no %s in %s", want, expressions)
	}
	sales, err := os.ReadFile(filepath.Join(dir, "Retail.SemanticModel/definition/tables/Sales.tmdl"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(sales), "Csv.Document(File.Contents(Folder & \"/Sales-202"); got != 12 {
		t.Errorf("%d partitions", got)
	}
}

func TestProgressAndCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	last := 0
	err := sample.Write(ctx, t.TempDir(), 100_000, func(done, total int) {
		if done < last || total != 100_000 {
			t.Errorf("progress goes from %d to %d of %d", last, done, total)
		}
		if last = done; done > 30_000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || last > 60_000 {
		t.Errorf("cancelled after %d: %v", last, err)
	}
	cancel()
	if err := sample.Write(t.Context(), t.TempDir(), 0, nil); err == nil || err.Error() != "cannot make a sample of 0 rows: at least 1 is needed" {
		t.Errorf("got %v", err)
	}
}
