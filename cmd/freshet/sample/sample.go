// Package sample makes the data and the model of the demonstration: a retailer's sales of three years.
//
// The same number of rows gives the same bytes on every machine.
package sample

import (
	"bufio"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// The definition is a template (M has braces of its own, hence «»): the folder of the data and the quarters go into it. What it describes is what
// this package writes.
//
//go:embed definition
var definition embed.FS

const (
	firstYear = 2023
	lastYear  = 2025
	products  = 480
	stores    = 48
)

// Write writes rows sales, and all that they refer to, to dir/data/*.csv, and the model that reads these files to
// dir/Retail.SemanticModel. Files of the same names are replaced. It calls progress, when given, now and then with the sales written.
func Write(ctx context.Context, dir string, rows int, progress func(done, total int)) error {
	if rows < 1 {
		return fmt.Errorf("cannot make a sample of %d rows: at least 1 is needed", rows)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("cannot find the folder for the sample: %w", err)
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return fmt.Errorf("cannot make the folder for the sample: %w", err)
	}
	g := newGenerator(rows)
	if progress == nil {
		progress = func(int, int) {}
	}
	for _, file := range []struct {
		name  string
		write func(w *writer)
	}{
		{"Date.csv", writeDates}, {"Product.csv", g.writeProducts}, {"Store.csv", g.writeStores}, {"Customer.csv", g.writeCustomers},
	} {
		if err := create(filepath.Join(data, file.name), func(w *writer) error { file.write(w); return nil }); err != nil {
			return err
		}
	}
	for i, quarter := range g.quarters {
		name := filepath.Join(data, "Sales-"+quarter.Name+".csv")
		if err := create(name, func(w *writer) error { return g.writeSales(ctx, w, i, progress) }); err != nil {
			return err
		}
	}
	progress(rows, rows)
	return g.writeDefinition(filepath.Join(dir, "Retail.SemanticModel"), data)
}

// quarter is a partition of the sales.
type quarter struct {
	Name  string // 2023Q1
	first time.Time
	days  int
	rows  int
	start int // sales before it
}

// generator knows what the files have to agree about.
type generator struct {
	rows      int
	quarters  []quarter
	customers int
	prices    []int64 // of products, in cents
}

func newGenerator(rows int) *generator {
	g := &generator{rows: rows, customers: min(max(rows/40, 100), 50_000)}
	// The business grows, and sells most before Christmas.
	season, total := []int{21, 23, 24, 32}, 0
	var weights []int
	for year := firstYear; year <= lastYear; year++ {
		for q := range 4 {
			first := time.Date(year, time.Month(3*q+1), 1, 0, 0, 0, 0, time.UTC)
			g.quarters = append(g.quarters, quarter{
				Name: strconv.Itoa(year) + "Q" + strconv.Itoa(q+1), first: first, days: int(first.AddDate(0, 3, 0).Sub(first).Hours() / 24),
			})
			weights = append(weights, season[q]*(100+12*(year-firstYear)))
			total += weights[len(weights)-1]
		}
	}
	start := 0
	for i := range g.quarters {
		q := &g.quarters[i]
		q.start, q.rows = start, rows*weights[i]/total
		if i == len(g.quarters)-1 {
			q.rows = rows - start
		}
		start += q.rows
	}
	r := random(11)
	for range products {
		// Between 0.99 and about 500, most of them cheap.
		a := int64(r.below(100)) + 1
		g.prices = append(g.prices, a*a*int64(r.below(5)+1)-1+100)
	}
	return g
}

// writeDefinition writes the model, in which Folder is where the data lies.
func (g *generator) writeDefinition(dir, data string) error {
	functions := template.FuncMap{"text": textLiteral}
	values := struct {
		Folder   string
		Quarters []quarter
	}{filepath.ToSlash(data), g.quarters}
	err := fs.WalkDir(definition, "definition", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := definition.ReadFile(name)
		if err != nil {
			return err
		}
		t, err := template.New(name).Delims("«", "»").Funcs(functions).Parse(string(content))
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if path.Ext(name) != ".tmdl" {
			target = filepath.Join(dir, filepath.Base(name))
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		var text strings.Builder
		if err := t.Execute(&text, values); err != nil {
			return err
		}
		return os.WriteFile(target, []byte(text.String()), 0o644)
	})
	if err != nil {
		return fmt.Errorf("cannot write the sample's model: %w", err)
	}
	return nil
}

// textLiteral writes a text as M does.
func textLiteral(text string) string {
	return `"` + strings.NewReplacer(`"`, `""`, "#(", "#(#)(", "\n", "#(lf)", "\r", "#(cr)", "\t", "#(tab)").Replace(text) + `"`
}

// writer writes rows of CSV. Fields are appended to line; end ends the row.
type writer struct {
	out  *bufio.Writer
	line []byte
}

func create(name string, write func(w *writer) error) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("cannot write the sample: %w", err)
	}
	defer func() {
		if closing := file.Close(); err == nil && closing != nil {
			err = fmt.Errorf("cannot write the sample: %w", closing)
		}
	}()
	w := &writer{out: bufio.NewWriterSize(file, 1<<18)}
	if err := write(w); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("cannot write the sample: %w", err)
	}
	return nil
}

func (w *writer) header(columns ...string) {
	for _, column := range columns {
		w.text(column)
	}
	w.end()
}

// end ends the row. A write error stays in the buffer until it is flushed.
func (w *writer) end() {
	w.line[len(w.line)-1] = '\n'
	_, _ = w.out.Write(w.line)
	w.line = w.line[:0]
}

func (w *writer) null() { w.line = append(w.line, ',') }

func (w *writer) integer(n int64) {
	w.line = append(strconv.AppendInt(w.line, n, 10), ',')
}

// fixed writes n / 10^digits.
func (w *writer) fixed(n int64, digits int) {
	scale := int64(1)
	for range digits {
		scale *= 10
	}
	if n < 0 {
		w.line = append(w.line, '-')
		n = -n
	}
	w.line = append(strconv.AppendInt(w.line, n/scale, 10), '.')
	for scale /= 10; scale > 0; scale /= 10 {
		w.line = append(w.line, byte('0'+n/scale%10))
	}
	w.line = append(w.line, ',')
}

func (w *writer) boolean(b bool) { w.line = append(strconv.AppendBool(w.line, b), ',') }

func (w *writer) date(t time.Time) { w.line = append(t.AppendFormat(w.line, time.DateOnly), ',') }

// text writes a text, in quotes where it holds what ends a field.
func (w *writer) text(text string) {
	if strings.ContainsAny(text, ",\"\n") {
		text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	w.line = append(append(w.line, text...), ',')
}

// random is splitmix64. The standard library's generators do not promise the same numbers for all time, the sample does.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n).
func (r *random) below(n int) int { return int((r.next() >> 32) * uint64(n) >> 32) }

// one returns one of the words.
func (r *random) one(words []string) string { return words[r.below(len(words))] }
