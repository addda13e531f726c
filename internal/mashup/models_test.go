package mashup

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/model"
	"freshet.dev/internal/model/bim"
	"freshet.dev/internal/model/tmdl"
)

// modelsFolder holds real models, which are not part of the repository.
const modelsFolder = "../../../shared/models"

// TestExpressionsOfRealModels evaluates every M expression of real models where there is no source. Each gives the rows that
// testdata/models.txt tells, or fails for a source, and nothing else: no name of the library is missing.
func TestExpressionsOfRealModels(t *testing.T) {
	folders, err := os.ReadDir(modelsFolder)
	if os.IsNotExist(err) {
		t.Skipf("%s is not there", modelsFolder)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := newFoldBench(t, nil, nil)
	var got strings.Builder
	got.WriteString(modelsHeading)
	for _, folder := range folders {
		for _, m := range modelsOf(t, filepath.Join(modelsFolder, folder.Name())) {
			b.tellModel(&got, folder.Name(), m)
		}
	}
	want, err := os.ReadFile("testdata/models.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := got.String(); got != string(want) {
		given, wanted := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range max(len(given), len(wanted)) {
			if i >= len(given) || i >= len(wanted) || given[i] != wanted[i] {
				t.Fatalf("line %d of testdata/models.txt differs; what is given now:\n%s", i+1, got)
			}
		}
	}
}

const modelsHeading = "# What the M expressions of real models give where nothing but files can be read: rows, a value, or the reason why not.\n"

// standIns are what Web.Contents gives to a model that reads the web, so that what follows is evaluated too.
var standIns = map[string]string{
	"sales-tmdl": `(url, optional options) => Text.ToBinary(Record.Field([
		#"RAW-Sales.csv" = "Order Number,Line Number,Order Date,Delivery Date,CustomerKey,StoreKey,ProductKey,Quantity,Unit Price,Net Price,Unit Cost,Currency Code,Exchange Rate
1,0,2021-05-18,2021-05-20,7,3,9,5,10.5,9.75,4.25,USD,1
",
		#"RAW-Product.csv" = "ProductKey,Product Code,Product Name,Manufacturer,Brand,Color,Weight Unit Measure,Weight,Unit Cost,Unit Price,Subcategory Code,Subcategory,Category Code,Category
9,0101001,MP3,Contoso,Contoso,Silver,ounces,4.8,6.62,12.99,0101,MP4&MP3,01,Audio
",
		#"RAW-Customer.csv" = "CustomerKey,Gender,Name,Address,City,State Code,State,Zip Code,Country Code,Country,Continent,Birthday,Age
7,female,Lilly,1 Street,Town,ACT,Capital,2600,AU,Australia,Australia,1939-07-03,80
",
		#"RAW-Store.csv" = "StoreKey,Store Code,Country,State,Name,Square Meters,Open Date,Close Date,Status
3,1,Australia,Capital,Contoso,595,2008-01-01,,
",
		#"RAW-CurrencyExchange.csv" = "Date,FromCurrency,ToCurrency,Exchange
2021-05-18,USD,EUR,0.82
"
	], options[RelativePath]))`,
	"sample-bim": `(url, optional options) => Text.ToBinary("page_id,name,urlslug,ID,ALIGN,EYE,HAIR,SEX,GSM,ALIVE,APPEARANCES,FIRST APPEARANCE,Year
1678,Spider-Man,/a,Secret Identity,Good Characters,Hazel Eyes,Brown Hair,Male Characters,,Living Characters,4043,Jan-26,2026
7139,Nobody,/b,Public Identity,,Blue Eyes,White Hair,Male Characters,,Living Characters,3360,,
")`,
}

// modelsOf are the models of a folder: one in TMDL, or each .bim file.
func modelsOf(t *testing.T, folder string) (models []*model.Model) {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		switch filepath.Ext(path) {
		case ".tmdl":
			files[filepath.ToSlash(name)] = content
		case ".bim":
			d, err := bim.Decode(map[string][]byte{name: content})
			if err != nil {
				return err
			}
			models = append(models, d.Model())
		}
		return err
	})
	if err == nil && len(files) > 0 {
		var d *tmdl.Document
		if d, err = tmdl.Decode(files); err == nil {
			models = append(models, d.Model())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return models
}

// tellModel writes a line for every expression of a model.
func (b *foldBench) tellModel(out *strings.Builder, folder string, m *model.Model) {
	var shared []Query
	for _, x := range m.Queries() {
		shared = append(shared, Query{Name: x.Name, Text: x.Text})
	}
	structured := map[string]StructuredSource{}
	for _, s := range m.DataSources {
		if s.Type == model.StructuredSource {
			structured[s.Name] = StructuredSource{Protocol: s.Protocol, Address: s.Address}
		}
	}
	if web := standIns[folder]; web != "" {
		shared = append(shared, Query{Name: "Web.Contents", Text: web})
	}
	document, err := NewDocument(shared, structured)
	if err != nil {
		b.t.Fatal(err)
	}
	env := &Env{Sources: b.sources, Culture: m.Culture, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	tell := func(what, expression string) {
		fmt.Fprintf(out, "%s: %s: %s\n", folder, what, b.tellExpression(document, env, expression))
	}
	for _, x := range m.Expressions {
		tell(x.Name, x.Text)
	}
	for _, table := range m.Tables {
		for _, p := range table.Partitions {
			if p.Source.Type == model.MPartition {
				tell(table.Name+"/"+p.Name, p.Source.Expression)
			}
		}
		if table.RefreshPolicy != nil {
			tell(table.Name+" policy", table.RefreshPolicy.SourceExpression)
			tell(table.Name+" polling", table.RefreshPolicy.PollingExpression)
		}
	}
}

func (b *foldBench) tellExpression(d *Document, env *Env, expression string) string {
	v, err := newSession(d, env, nil).evaluate(context.Background(), "", expression)
	if err != nil {
		return report(err).Error()
	}
	if _, isTable := v.(table); !isTable {
		s := newSession(d, env, nil)
		return show(s.begin(context.Background()), v)
	}
	r, err := d.Table(context.Background(), env, expression, nil)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	lines, err := b.read(context.Background(), r, targetsFor(r))
	if err != nil {
		return "read: " + r.Locate(context.Background(), targetsFor(r), err).Error()
	}
	first := ""
	if len(lines) > 0 {
		first = lines[0]
	}
	return fmt.Sprintf("%d rows of %d columns, first %s", len(lines), len(r.plan.cols), first)
}
