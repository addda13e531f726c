package tmdl_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model/tmdl"
)

func TestErrors(t *testing.T) {
	const database = "database D\n\tcompatibilityLevel: 1567\n"
	for _, test := range []struct{ in, want string }{
		{"tabel Sales\n", `cannot read t.tmdl:1:1: expected database, model, table, relationship, expression, dataSource, role, perspective, culture, cultureInfo, ` +
			`queryGroup, function, annotation, extendedProperty, changedProperty, excludedArtifact, dataAccessOptions, bindingInfo, autoAggregationInfo or ` +
			`linguisticMetadata, found "tabel"`},
		{"table Sales Data\n", `cannot read t.tmdl:1:13: expected '=' or the end of the line after the name (put names with blanks in quotes), found "Data"`},
		{"table 'Sales\n", `cannot read t.tmdl:1:13: expected a closing ' of the name, found the end of the line`},
		{"table T\n\n\tcolumn\n\t\tdataType: int64\n", `cannot read t.tmdl:3:2: expected a name after column`},
		{"table ''\n", `cannot read t.tmdl:1:9: expected a name, found the end of the line`},
		{"table 'a'b\n", `cannot read t.tmdl:1:10: expected a blank or '=' after the name, found "b"`},
		{"table é\n\tcolum x\n", `cannot read t.tmdl:2:2: expected column, measure, hierarchy, partition, annotation, extendedProperty, changedProperty, excludedArtifact, ` +
			`refreshPolicy, calculationGroup, defaultDetailRowsDefinition, detailRowsDefinition, set, calendar or function, found "colum"`},
		{"table T\n\tcolumn C\n\t\tdataTyp: int64\n", `cannot read t.tmdl:3:3: expected a property of a column, found dataTyp: is dataType meant?`},
		{"table T\n\tcolumn C\n\t\tdataType int64\n", `cannot read t.tmdl:3:3: expected a colon after the property dataType`},
		{"table T\n\tcolumn C\n\t\tdataType: int64\n\t\tDATATYPE: string\n", `cannot read t.tmdl:4:3: expected each property once: DATATYPE stands at t.tmdl:3:3 too`},
		{"table T\n\tmeasure M = 1\n\ntable t\n\tmeasure m = 2\n", `cannot read t.tmdl:5:2: expected each property once: the value of measure m stands at t.tmdl:2:2 too`},
		{"/// a\ntable T\n\n/// b\ntable t\n", `cannot read t.tmdl:5:1: expected each property once: a description of table t stands at t.tmdl:2:1 too`},
		{"table T\n\t\tcolumn C\n", `cannot read t.tmdl:2:3: expected at most 1 levels of indentation, found 2`},
		{"table T\n\tcolumn C\n\t\tdataType: int64\n\t\t\tisKey\n", `cannot read t.tmdl:4:4: expected at most 2 levels of indentation, found 3`},
		{"table T\n    column C\n      isKey\n", `cannot read t.tmdl:3:7: expected indentation by tabs or by 4 spaces a level`},
		{"table T\n\t= 1\n", `cannot read t.tmdl:2:2: expected a declaration or a property, found "="`},
		{"table T\n\t// why\n", `cannot read t.tmdl:2:2: expected a declaration or a property, found a comment: TMDL has descriptions (///) only`},
		{"table-T\n", `cannot read t.tmdl:1:6: expected a blank, ':' or '=' after table, found "-T"`},
		{"ref table\n", `cannot read t.tmdl:1:10: expected a name and nothing more after ref table, found the end of the line`},
		{"ref table a = b\n", `cannot read t.tmdl:1:13: expected a name and nothing more after ref table, found "="`},
		{"isHidden\n", `cannot read t.tmdl:1:1: expected database, model, table, relationship, expression, dataSource, role, perspective, culture, cultureInfo, ` +
			`queryGroup, function, annotation, extendedProperty, changedProperty, excludedArtifact, dataAccessOptions, bindingInfo, autoAggregationInfo or ` +
			`linguisticMetadata, found the property isHidden`},
		{"table T\n\t/// words\n\tisHidden\n", `cannot read t.tmdl:3:2: expected an object below the description, found the property isHidden`},
		{"table T\n\n/// words\n", `cannot read t.tmdl:4:1: expected a declaration below the description, found the end of the file`},
		{"expression E = ``` let\n", "cannot read t.tmdl:1:16: expected the end of the line after ```"},
		{"expression E = ```\n\t\tlet\n", "cannot read t.tmdl:1:16: expected a closing ``` on a line of its own, found the end of the file"},
		{"relationship r\n\tfromColumn: Sales\n", `cannot read t.tmdl:2:14: expected Table.Column for fromColumn, each in single quotes where it has blanks, found "Sales"`},
		{"relationship r\n\tisActive: no\n", `cannot read t.tmdl:2:12: expected true or false for isActive, found "no"`},
		{"relationship r\n\tisActive:\n", `cannot read t.tmdl:2:11: expected true or false for isActive, found ""`},
		{"table T\n\trefreshPolicy\n\t\tincrementalPeriods: ten\n", `cannot read t.tmdl:3:23: expected a whole number for incrementalPeriods, found "ten"`},
		{"dataSource D\n\tconnectionDetails = {]\n", `cannot read t.tmdl:2:22: expected the connection details as JSON: invalid character ']' looking for beginning of object key string`},
		{"table T\xff\n", `cannot read t.tmdl: it is not UTF-8. Save it as UTF-8`},
		{strings.Repeat("\t", 41) + "x\n", `cannot read t.tmdl:1:42: expected at most 0 levels of indentation, found 41`},
	} {
		_, err := tmdl.Decode(map[string][]byte{"database.tmdl": []byte(database), "t.tmdl": []byte(test.in)})
		if err == nil || err.Error() != test.want || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q\n got %v\nwant %s", test.in, err, test.want)
		}
	}
}

// A property that stands in two files is refused with both places.
func TestTwiceAcrossFiles(t *testing.T) {
	_, err := tmdl.Decode(map[string][]byte{
		"database.tmdl": []byte("database\n\tcompatibilityLevel: 1567\n"),
		"tables/a.tmdl": []byte("table T\n\tcolumn C\n\t\tdataType: int64\n"),
		"tables/b.tmdl": []byte("table T\n\tcolumn c\n\t\tdataType: int64\n"),
	})
	if want := "cannot read tables/b.tmdl:3:3: expected each property once: dataType stands at tables/a.tmdl:3:3 too"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// Levels outside the range are refused by name, a missing one with what to do.
func TestLevels(t *testing.T) {
	for database, want := range map[string]string{
		"database D\n\tcompatibilityLevel: 1200\n": "",
		"database D\n\tcompatibilityLevel: 1606\n": "",
		"database D\n\tcompatibilityLevel: 1103\n": "cannot take a model of compatibility level 1103: levels 1200 to 1606 are supported. Upgrade the model to level 1200 in the tool that made it",
		"database D\n\tcompatibilityLevel: 1700\n": "cannot take a model of compatibility level 1700: levels 1200 to 1606 are supported. Save the model with level 1606, or use a newer Freshet",
		"database D\n": "cannot read the model: it has no compatibility level. " +
			"Add a file database.tmdl: `database`, and below it, indented by a tab, `compatibilityLevel: 1600`",
	} {
		_, err := tmdl.Decode(map[string][]byte{"database.tmdl": []byte(database)})
		if got := errorText(err); got != want {
			t.Errorf("%q: %s", database, got)
		}
	}
}

// A model may stand below its database, all of it in one file.
func TestOneFile(t *testing.T) {
	const content = "database D\n\tcompatibilityLevel: 1567\n\tmodel M\n\t\tculture: de-DE\n\t\ttable T\n\t\t\tcolumn C\n\t\t\t\tdataType: string\n"
	d, err := tmdl.Decode(map[string][]byte{"all.tmdl": []byte(content)})
	if err != nil {
		t.Fatal(err)
	}
	if m := d.Model(); m.Name != "D" || m.Culture != "de-DE" || m.Table("T").Column("C").DataType != "string" {
		t.Errorf("got %+v", m)
	}
	if got := string(d.Encode()["all.tmdl"]); got != content {
		t.Errorf("Encode gives %q", got)
	}
}

// Where the expression stands no deeper than what follows it, the first property or child ends it.
func TestShallowExpressions(t *testing.T) {
	d, err := tmdl.Decode(map[string][]byte{"model.tmdl": []byte("database\n\tcompatibilityLevel: 1567\n" +
		"table T\n\tmeasure M =\n\t\tVAR kind = 1\n\t\tRETURN\n\t\t\tkind\n\n\t\tformatString: 0\n\t\tannotation A = 1\n\tmeasure Empty =\n\t\tlineageTag: 1\n")})
	if err != nil {
		t.Fatal(err)
	}
	table := d.Model().Tables[0]
	if got := table.Measure("M").Expression; got != "VAR kind = 1\nRETURN\n\tkind" {
		t.Errorf("M is %q", got)
	}
	if got := table.Measure("Empty").Expression; got != "" {
		t.Errorf("Empty is %q", got)
	}
}

// A level is a tab or four spaces, also within one file; or two or three spaces throughout.
func TestIndentation(t *testing.T) {
	for _, content := range []string{
		"table T\n\tlineageTag: 1\n\n    column C\n        dataType: string\n\tcolumn D\n\t    dataType: string\n",
		"table T\n        \n\tlineageTag: 1\n\n    column C\n        dataType: string\n\tcolumn D\n    \tdataType: string\n",
		"table T\n  lineageTag: 1\n  column C\n    dataType: string\n  column D\n    dataType: string\n",
		"table T\n   column C\n      dataType: string\n   column D\n      dataType: string\n",
	} {
		d, err := tmdl.Decode(map[string][]byte{"model.tmdl": []byte("database\n\tcompatibilityLevel: 1567\n"), "tables/t.tmdl": []byte(content)})
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if table := d.Model().Table("T"); len(table.Columns) != 2 || table.Columns[0].DataType != "string" || table.Columns[1].DataType != "string" {
			t.Errorf("%q: %d columns", content, len(table.Columns))
		}
	}
}

func TestWhichFolder(t *testing.T) {
	for _, test := range []struct {
		files []string
		want  string
	}{
		{[]string{"definition/database.tmdl", "definition/tables/T.tmdl"}, ""},
		{[]string{"Sales.SemanticModel/definition/database.tmdl", "Sales.Report/definition/report.json", "Sales.SemanticModel/TMDLScripts/model.tmdl"}, ""},
		{[]string{"Database.TMDL"}, ""},
		{[]string{"only.tmdl"}, ""},
		{[]string{"tables/T.tmdl"}, ""},
		{[]string{"a/database.tmdl", "b/model.tmdl"}, "cannot tell which folder is the model: a/, b/. Deploy one of them"},
		{[]string{"a.json"}, "cannot find a model: there is no .tmdl file. Deploy a .SemanticModel folder or its definition folder"},
	} {
		files := map[string][]byte{}
		for i, name := range test.files {
			if i == 0 {
				files[name] = []byte("database\n\tcompatibilityLevel: 1567\n")
				continue
			}
			files[name] = []byte("table T\n")
		}
		d, err := tmdl.Decode(files)
		if got := errorText(err); got != test.want {
			t.Errorf("%v: %s", test.files, got)
		}
		if err == nil && !slices.Equal(slices.Sorted(maps.Keys(d.Encode())), slices.Sorted(maps.Keys(files))) {
			t.Errorf("%v: Encode loses files", test.files)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzDecode(f *testing.F) {
	for name, content := range every(f) {
		if strings.HasSuffix(name, ".tmdl") {
			f.Add(string(content))
		}
	}
	f.Fuzz(func(t *testing.T, content string) {
		files := map[string][]byte{"database.tmdl": []byte("database D\n\tcompatibilityLevel: 1567\n"), "t.tmdl": []byte(content)}
		d, err := tmdl.Decode(files)
		if err != nil {
			return
		}
		got := string(d.Encode()["t.tmdl"])
		if normal(got) != normal(content) {
			t.Fatalf("Encode gives %q", got)
		}
		_ = d.Model().Validate()
	})
}

func normal(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }
