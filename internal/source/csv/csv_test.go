package csv

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// with returns Csv.Document's defaults after a change.
func with(change func(*source.CSV)) source.CSV {
	options := source.DefaultCSV()
	change(&options)
	return options
}

func rowsOf(t testing.TB, rows array.RecordReader) [][]string {
	t.Helper()
	defer rows.Release()
	got := [][]string{}
	for rows.Next() {
		batch := rows.RecordBatch()
		for r := range int(batch.NumRows()) {
			row := make([]string, batch.NumCols())
			for c := range row {
				if batch.Column(c).IsNull(r) {
					row[c] = "<null>"
				} else {
					row[c] = strings.Clone(batch.Column(c).(*array.String).Value(r)) // it ends with the batch
				}
			}
			got = append(got, row)
		}
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return got
}

func read(t testing.TB, content source.Content, options source.CSV, skip int64) [][]string {
	t.Helper()
	scan, err := Open(t.Context(), content, options)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := scan.Read(t.Context(), skip, source.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rowsOf(t, rows)
}

func TestDocument(t *testing.T) {
	pipe := func(c *source.CSV) { c.Delimiter = "|"; c.Columns = 3 }
	for _, c := range []struct {
		name, text string
		options    source.CSV
		want       [][]string
	}{
		{"plain", "OrderID,Item\r\n1,Fishing rod\r\n2,1 lb. worms", source.DefaultCSV(),
			[][]string{{"OrderID", "Item"}, {"1", "Fishing rod"}, {"2", "1 lb. worms"}}},
		{"a delimiter of three characters", "OrderID#|#Color\r\n1#|#Red\r\n2#|#Bl#ue", with(func(c *source.CSV) { c.Delimiter = "#|#" }),
			[][]string{{"OrderID", "Color"}, {"1", "Red"}, {"2", "Bl#ue"}}},
		{"missing fields are empty", "1|Barb\r\n2|Cal", with(pipe), [][]string{{"1", "Barb", ""}, {"2", "Cal", ""}}},
		{"QuoteStyle.None ends a row within quotes", "1|Barb|\"Smith\r\n2|Cal|Fisher", with(func(c *source.CSV) { pipe(c); c.Quote = source.QuoteNone }),
			[][]string{{"1", "Barb", "Smith"}, {"2", "Cal", "Fisher"}}},
		{"QuoteStyle.Csv keeps the line break", "1|Barb|\"Smith\r\n2|Cal\"\r\n3|D|E", with(pipe), [][]string{{"1", "Barb", "Smith\r\n2|Cal"}, {"3", "D", "E"}}},
		{"extra fields are ignored", "a,b\n1,2,3\n4", source.DefaultCSV(), [][]string{{"a", "b"}, {"1", "2"}, {"4", ""}}},
		{"every line end", "a\rb\nc\r\nd\r\r\ne", source.DefaultCSV(), [][]string{{"a"}, {"b"}, {"c"}, {"d"}, {""}, {"e"}}},
		{"a last line break makes no row", "a\n", source.DefaultCSV(), [][]string{{"a"}}},
		{"doubled quotes, text after the quote", "\"a\"\"b\",\"c\"d,e\"f\"\n", source.DefaultCSV(), [][]string{{"a\"b", "cd", "e\"f\""}}},
		{"quotes everywhere", "a\"x,y\"b,c\n", with(func(c *source.CSV) { c.Style = source.QuoteAlways }), [][]string{{"ax,yb", "c"}}},
		{"never closed", "a,\"b\nc", source.DefaultCSV(), [][]string{{"a", "b\nc"}}},
		{"runs of white space", "a  b\tc\n1 2 \t 3\n", with(func(c *source.CSV) { c.Delimiter = "" }), [][]string{{"a", "b", "c"}, {"1", "2", "3"}}},
		{"byte order mark", "\xef\xbb\xbfa,b", source.DefaultCSV(), [][]string{{"a", "b"}}},
		{"no UTF-8", "caf\xe9,\xf0\x9f\n\xe2\x82\xac", source.DefaultCSV(), [][]string{{"caf\uFFFD", "\uFFFD"}, {"€", ""}}},
		{"Windows-1252", "caf\xe9,\x80", with(func(c *source.CSV) { c.Encoding = 1252 }), [][]string{{"café", "€"}}},
		{"DOS", "\x82t\x82", with(func(c *source.CSV) { c.Encoding = 850 }), [][]string{{"été"}}},
		{"Shift JIS", "\x93\xfa\x96{", with(func(c *source.CSV) { c.Encoding = 932 }), [][]string{{"日本"}}},
		{"UTF-16 with its mark", "\xff\xfea\x00,\x00\xe9\x00", source.DefaultCSV(), [][]string{{"a", "é"}}},
		{"UTF-16 without", "a\x00,\x00\xe9\x00", with(func(c *source.CSV) { c.Encoding = 1200 }), [][]string{{"a", "é"}}},
		{"ASCII", "caf\xe9", with(func(c *source.CSV) { c.Encoding = 20127 }), [][]string{{"caf?"}}},
		{"nothing", "", source.DefaultCSV(), [][]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(t, source.Content{Data: []byte(c.text)}, c.options, 0); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q\n got %q\nwant %q", c.text, got, c.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	options := with(func(c *source.CSV) { c.Names = []string{"ID", "First Name"}; c.Columns = 3 })
	scan, err := Open(t.Context(), source.Content{Data: []byte("1,2,3")}, options)
	if err != nil {
		t.Fatal(err)
	}
	if got := scan.Schema().String(); got != "schema:\n  fields: 3\n    - ID: type=utf8\n    - First Name: type=utf8\n    - Column3: type=utf8" {
		t.Error(got)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		options source.CSV
		want    string
	}{
		{with(func(c *source.CSV) { c.Encoding = 4711 }), "encoding 4711"},
		{with(func(c *source.CSV) { c.Extra = source.ExtraList }), "ExtraValues.List"},
		{with(func(c *source.CSV) { c.Delimiter = "\n" }), "delimiter"},
		{with(func(c *source.CSV) { c.Quote = 7 }), "QuoteStyle 7"},
	} {
		_, err := Open(t.Context(), source.Content{Data: []byte("a")}, c.options)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestExtraErrorNamesTheRow(t *testing.T) {
	scan, err := Open(t.Context(), source.Content{Data: []byte("a,b\n1,2\n3,4,5\n")}, with(func(c *source.CSV) { c.Extra = source.ExtraError }))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := scan.Read(t.Context(), 0, source.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	for rows.Next() {
	}
	if rows.Err() == nil || rows.Err().Error() != "cannot read the text: a row has 3 fields for 2 columns (row 3). ExtraValues.Ignore drops what is too much." {
		t.Error(rows.Err())
	}
}

// A row goes on over the end of a block, wherever that lies.
func TestBlocks(t *testing.T) {
	text := "a,\"b\"\"\r\n,c\",d\r\n\"\",é,#|\r\n"
	want := [][]string{{"a", "b\"\r\n,c", "d"}, {"", "é", "#|"}}
	for pad := range 40 { // the buffer's end falls on each byte of the rows
		padding := strings.Repeat("x", 256<<10-pad)
		got := read(t, source.Content{Data: []byte(padding + "\r\n" + text)}, with(func(c *source.CSV) { c.Columns = 3 }), 1)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("pad %d: %q", pad, got)
		}
	}
}

func TestBatchesAndMemory(t *testing.T) {
	checked := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer checked.AssertSize(t, 0)
	scan, err := Open(t.Context(), source.Content{Data: []byte(strings.Repeat("abc,defg\n", 1000))}, source.DefaultCSV())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := scan.Read(t.Context(), 10, source.ReadOptions{Allocator: checked, BatchRows: 300, BatchBytes: 700})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for rows.Next() {
		sizes = append(sizes, rows.RecordBatch().NumRows())
	}
	if want := []int64{100, 100, 100, 100, 100, 100, 100, 100, 100, 90}; !reflect.DeepEqual(sizes, want) {
		t.Error(sizes)
	}
	if p := rows.Progress(); p.Rows != 990 || p.Bytes != 9000 || p.TotalBytes != 9000 {
		t.Error(p)
	}
	rows.Release()
}

func TestCancelled(t *testing.T) {
	scan, err := Open(t.Context(), source.Content{Data: []byte("a\nb\n")}, source.DefaultCSV())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	rows, err := scan.Read(ctx, 0, source.ReadOptions{BatchRows: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	stop := fmt.Errorf("stopped by a test")
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	cancel(stop)
	if rows.Next() || rows.Err() != stop {
		t.Error(rows.Err())
	}
}

// both reads a text by DuckDB and by Go. folded tells whether DuckDB was offered it.
func both(t testing.TB, conn *duck.Conn, path string, options source.CSV, skip int64) (byDuck, byGo [][]string, folded bool, why string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	content := source.Content{Path: path, Size: info.Size()}
	scan, err := Open(t.Context(), content, options)
	if err != nil {
		t.Fatal(err)
	}
	from, why, err := scan.DuckDB(t.Context(), skip)
	if err != nil {
		t.Fatal(err)
	}
	byGo = read(t, content, options, skip)
	if from == "" {
		return nil, byGo, false, why
	}
	if total := scan.Total().TotalRows; total != int64(len(byGo))+skip {
		t.Fatalf("%d rows foretold, %d read", total, int64(len(byGo))+skip)
	}
	rows, err := conn.Query(t.Context(), "SELECT * FROM "+from)
	if err != nil {
		t.Fatalf("%v\n%s", err, from)
	}
	return rowsOf(t, rows), byGo, true, ""
}

func duckConn(t testing.TB) *duck.Conn {
	t.Helper()
	db, err := duck.Open(t.Context(), duck.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestFolds(t *testing.T) {
	conn := duckConn(t)
	path := filepath.Join(t.TempDir(), "x.csv")
	none := func(c *source.CSV) { c.Quote = source.QuoteNone }
	for _, c := range []struct {
		name, text string
		options    source.CSV
		skip       int64
		why        string // "" when DuckDB is to read it
	}{
		{"regular", "a,b\n1,\n,2\n", source.DefaultCSV(), 1, ""},
		{"quoted", "a,b\n\"1\"\"x\",\"\"\n\"x,y\",2\n", with(none), 1, ""},
		{"CRLF and a mark", "\xef\xbb\xbfa,b\r\n1,2\r\n", source.DefaultCSV(), 0, ""},
		{"blanks stay", " a , b\n \"\n", with(func(c *source.CSV) { c.Columns = 2 }), 0, "a quote stands within a field"},
		{"blanks stay, no quotes", " a , b\n  ,\t\n", source.DefaultCSV(), 0, ""},
		{"short rows", "a,b,c\n1\n1,2\n", source.DefaultCSV(), 1, ""},
		{"long rows", "a,b\n1,2,3,4\n5,6\n", source.DefaultCSV(), 0, ""},
		{"fewer columns wanted", "a,b\n1,2\n", with(func(c *source.CSV) { c.Columns = 1 }), 0, ""},
		{"line break in quotes", "a,b\n\"1\n2\",3\n", source.DefaultCSV(), 1, ""},
		{"line break in quotes and padding", "a,b\n\"1\n2\",3\n", with(func(c *source.CSV) { c.Columns = 4 }), 1, ""},
		{"names differ in case", "x,y\n1,2\n", with(func(c *source.CSV) { c.Names = []string{"A", "a"} }), 0, ""},
		{"line break, QuoteStyle.None", "a,b\n\"1\n2\",3\n", with(none), 1, "a quoted field holds a line break, which QuoteStyle.None takes for the end of the row"},
		{"line break to skip", "\"a\nA\",b\n1,3\n", source.DefaultCSV(), 1, "a row to be skipped holds a line break"},
		{"an empty line", "a\n\nb\n", source.DefaultCSV(), 0, "a line is empty"},
		{"mixed ends", "a\nb\r\nc\n", source.DefaultCSV(), 0, "the rows end in different line breaks"},
		{"returns", "a\rb\rc", source.DefaultCSV(), 0, "a carriage return stands alone"},
		{"no UTF-8", "a\n\xff\n", source.DefaultCSV(), 0, "the text is not valid UTF-8"},
		{"zero bytes", "a\n\x00\n", source.DefaultCSV(), 0, "the text holds zero bytes"},
		{"code page", "a\n\xff\n", with(func(c *source.CSV) { c.Encoding = 1252 }), 0, "the text is of encoding 1252, which is turned into UTF-8 first"},
		{"never closed", "a\n\"b\n", source.DefaultCSV(), 0, "a quote is opened and never closed"},
		{"only a header", "a,b\n", source.DefaultCSV(), 1, "there are no rows"},
		{"hash and backslash", "#a,\\N\nNULL,\\\"\n", source.DefaultCSV(), 0, "a quote stands within a field"},
		{"hash, backslash, NULL", "#a,\\N\nNULL,\\\n", source.DefaultCSV(), 0, ""},
		{"pipe", "a|b\n1|\"x|y\"\n", with(func(c *source.CSV) { c.Delimiter = "|" }), 0, ""},
		{"tab", "a\tb\n1\t\n", with(func(c *source.CSV) { c.Delimiter = "\t" }), 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			byDuck, byGo, folded, why := both(t, conn, path, c.options, c.skip)
			if why != c.why || folded != (c.why == "") {
				t.Fatalf("folded %t because %q, want %q", folded, why, c.why)
			}
			if folded && !reflect.DeepEqual(byDuck, byGo) {
				t.Errorf("%q\nDuckDB %q\nGo     %q", c.text, byDuck, byGo)
			}
		})
	}
}

// A fold never changes a result: what DuckDB is offered, it reads as Go does. Texts are made of the parts that matter.
func TestFoldsRandomly(t *testing.T) {
	conn := duckConn(t)
	path := filepath.Join(t.TempDir(), "x.csv")
	random := rand.New(rand.NewPCG(1, 2))
	regular := []string{"a", "bc", "", " ", "é", "日本", "1.5", "NULL", "\"\"", "\"x,y\"", "\"q\"\"q\"", "#", "\\", "'", "0x10", "a b "}
	wild := append([]string{"\"", "\n", "\r", "\"x\ny\"", "a\"b", ",", "\xff", "\x00"}, regular...)
	folds, rounds := 0, 400
	for range rounds {
		parts := regular
		if random.IntN(3) == 0 {
			parts = wild
		}
		end := []string{"\n", "\r\n"}[random.IntN(2)]
		var text strings.Builder
		columns := 1 + random.IntN(4)
		for range 1 + random.IntN(12) {
			for c := range columns {
				if c > 0 {
					text.WriteString(",")
				}
				text.WriteString(parts[random.IntN(len(parts))])
			}
			if random.IntN(10) == 0 {
				text.WriteString(",more")
			}
			text.WriteString(end)
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		options := with(func(c *source.CSV) { c.Columns = random.IntN(5); c.Quote = source.QuoteStyle(random.IntN(2)) })
		byDuck, byGo, folded, _ := both(t, conn, path, options, int64(random.IntN(2)))
		if !folded {
			continue
		}
		folds++
		if !reflect.DeepEqual(byDuck, byGo) {
			t.Fatalf("%+v %q\nDuckDB %q\nGo     %q", options, text.String(), byDuck, byGo)
		}
	}
	if folds < rounds/4 {
		t.Errorf("only %d of %d texts folded", folds, rounds)
	}
}

// Parts of a big file are looked at by themselves, unless a row holds a line break.
func TestLookInParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.csv")
	line := strings.Repeat("x", 90) + ",é\n"
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 200_000)+"\"a\",b,c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, parts := range []int{1, 2, 3, 7} {
		info, _ := os.Stat(path)
		got, err := lookParts(t.Context(), path, info.Size(), ',', parts)
		want := &shape{rows: 200_001, minFields: 2, maxFields: 3, quotes: true, feeds: 200_001}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d parts: %+v %v", parts, got, err)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 200_000)+"\"a\nA\",b\n"+strings.Repeat(line, 200_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := look(t.Context(), path, ',')
	want := &shape{rows: 400_001, minFields: 2, maxFields: 2, quotes: true, feeds: 400_001, brokenAt: 200_001}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
}

func FuzzParser(f *testing.F) {
	f.Add("a,b\r\n\"c\"\"\n\",d", ",", true, false)
	f.Add("\xff\xfea\x00", "", false, true)
	f.Fuzz(func(t *testing.T, text, delimiter string, lines, always bool) {
		options := with(func(c *source.CSV) {
			c.Delimiter = delimiter
			if lines {
				c.Quote = source.QuoteNone
			}
			if always {
				c.Style = source.QuoteAlways
			}
		})
		scan, err := Open(context.Background(), source.Content{Data: []byte(text)}, options)
		if err != nil {
			return
		}
		rows, err := scan.Read(context.Background(), 0, source.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// Read byte by byte, the rows are the same.
		whole := rowsOf(t, rows)
		in, err := source.Decode(oneByte{strings.NewReader(text)}, options.Encoding)
		if err != nil {
			t.Fatal(err)
		}
		p := newParser(oneByte{in}, options)
		for i := 0; ; i++ {
			row, err := p.next()
			if err != nil {
				if i != len(whole) {
					t.Fatalf("%d rows at once, %d in pieces", len(whole), i)
				}
				return
			}
			for c := range min(len(row), scan.Schema().NumFields()) {
				if i >= len(whole) || string(row[c]) != whole[i][c] {
					t.Fatalf("row %d column %d differs", i, c)
				}
			}
		}
	})
}

type oneByte struct {
	r interface{ Read([]byte) (int, error) }
}

func (o oneByte) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return o.r.Read(p[:1])
}

func BenchmarkLook(b *testing.B) {
	path := filepath.Join(b.TempDir(), "big.csv")
	line := "12345,17,103.25,0.123,true,2024-05-06,2024-05-06 12:13:14,C123,Kraków,note abcdef,1234,55\n"
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 1_000_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(line)) * 1_000_000)
	for b.Loop() {
		if _, err := look(b.Context(), path, ','); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	line := "12345,17,103.25,0.123,true,2024-05-06,2024-05-06 12:13:14,C123,Kraków,note abcdef,1234,55\n"
	content := source.Content{Data: []byte(strings.Repeat(line, 200_000))}
	b.SetBytes(content.Len())
	for b.Loop() {
		scan, err := Open(b.Context(), content, source.DefaultCSV())
		if err != nil {
			b.Fatal(err)
		}
		rows, err := scan.Read(b.Context(), 0, source.ReadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
		}
		rows.Release()
	}
}

// A quote that is never closed must not take all memory, nor more than a moment.
func TestRowTooLong(t *testing.T) {
	text := "a,b\n\"" + strings.Repeat("x", 140<<20)
	scan, err := Open(t.Context(), source.Content{Data: []byte(text)}, source.DefaultCSV())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := scan.Read(t.Context(), 0, source.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	for rows.Next() {
	}
	if rows.Err() == nil || !strings.HasPrefix(rows.Err().Error(), "cannot read the text: a row is longer than 128 MiB (row 2)") {
		t.Error(rows.Err())
	}
}
