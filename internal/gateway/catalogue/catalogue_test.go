package catalogue

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/gateway"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files")

// retail is a database with an endpoint and the tables of a model.
func retail() *Database {
	text := func(n int) gateway.Type { return gateway.Type{Kind: gateway.NVarchar, Length: n} }
	endpoint := Object{Schema: "dbo", Name: "refresh_dataflow", About: "Refreshes a dataflow.", Columns: []Column{
		{Column: gateway.Column{Name: "Id", Type: gateway.Type{Kind: gateway.Varchar, Length: 200}}, About: "the dataflow"},
		{Column: gateway.Column{Name: "StartTime", Type: gateway.Type{Kind: gateway.DateTime}}},
		{Column: gateway.Column{Name: "HttpStatusCode", Type: gateway.Type{Kind: gateway.Int}}},
	}, Parameters: []Parameter{{Name: "@Id", Type: text(36)}, {Name: "@MaxWaitSec", Type: gateway.Type{Kind: gateway.Int}, Default: "7200"}}}
	view, procedure := endpoint, endpoint
	view.Kind, procedure.Kind = View, Procedure
	sales := Object{Schema: "Retail", Name: "Sales_2026", Columns: []Column{
		{Column: gateway.Column{Name: "Day", Type: gateway.Type{Kind: gateway.DateTime2, Scale: 3}, NotNull: true}},
		{Column: gateway.Column{Name: "Amount", Type: gateway.Type{Kind: gateway.Decimal, Precision: 19, Scale: 4}}},
		{Column: gateway.Column{Name: "Note", Type: text(0)}},
		{Column: gateway.Column{Name: "Rate", Type: gateway.Type{Kind: gateway.Float}}},
		{Column: gateway.Column{Name: "Items", Type: gateway.Type{Kind: gateway.BigInt}}},
		{Column: gateway.Column{Name: "Open", Type: gateway.Type{Kind: gateway.Bit}}},
	}}
	return &Database{Name: "Sales", Databases: []string{"Sales", "freshet"}, Server: "Freshet", Version: "15.0.2000.5", Login: "etl",
		Since: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Session: Session{ID: 51, Since: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)},
		Objects: []Object{procedure, sales, view, {Schema: "Retail", Name: "SalesX2026"}}}
}

// shown writes the columns of an answer whose values are not all NULL, or those that are asked for.
func shown(r Rows, wanted ...string) string {
	var at []int
	for i, c := range r.Columns {
		told := slices.ContainsFunc(r.Rows, func(row []any) bool { return row[i] != nil })
		if slices.Contains(wanted, c.Name) || len(wanted) == 0 && told {
			at = append(at, i)
		}
	}
	var out strings.Builder
	for n := -1; n < len(r.Rows); n++ {
		for k, i := range at {
			if k > 0 {
				out.WriteString(" | ")
			}
			switch {
			case n < 0:
				out.WriteString(r.Columns[i].Name)
			case r.Rows[n][i] == nil:
				out.WriteString("-")
			default:
				fmt.Fprint(&out, r.Rows[n][i])
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

// params reads @name=value, or values by position, with commas between; NULL is one.
func params(text string) (list []gateway.Param) {
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ";") {
		p := gateway.Param{Value: part}
		if name, value, named := strings.Cut(part, "="); named && strings.HasPrefix(name, "@") {
			p = gateway.Param{Name: name, Value: value}
		}
		if p.Value == "NULL" {
			p.Value = nil
		}
		list = append(list, p)
	}
	return list
}

// C5: every column has the name, the place and the type that the documentation of its procedure or view tells; golden file: testdata/layouts.txt.
func TestC5Layouts(t *testing.T) {
	var out strings.Builder
	write := func(name string, columns []gateway.Column) {
		fmt.Fprintf(&out, "\n%s\n", name)
		for i, c := range columns {
			fmt.Fprintf(&out, "  %d %s %s\n", i+1, c.Name, c.Type)
		}
	}
	out.WriteString("# Procedures: their pages in the Transact-SQL reference; rowsets: Appendix B of the OLE DB Programmer's Reference. Views: their pages in the Transact-SQL reference.\n")
	for _, p := range slices.Concat(odbcProcedures(), oledbProcedures()) {
		write(p.names+"\n  takes "+p.takes, p.layout.columns())
	}
	for _, v := range catalogViews() {
		write(v.schema+"."+v.name, v.layout.columns())
	}
	const golden = "testdata/layouts.txt"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the layouts are not those of %s: -rewrite writes it, and what changed is to be compared with the documentation", golden)
	}
	// As many as clients count on.
	for name, n := range map[string]int{"sp_tables": 5, "sp_columns": 19, "sp_columns_100": 29, "sp_columns_managed": 21, "sp_statistics": 13, "sp_pkeys": 6, "sp_fkeys": 14, "sp_special_columns": 8,
		"sp_stored_procedures": 8, "sp_sproc_columns": 20, "sp_datatype_info": 20, "sp_tables_rowset2": 9, "sp_tables_info_rowset": 14, "sp_tables_info_90_rowset_64": 15, "sp_tables_info_90_rowset2_64": 15,
		"sp_columns_100_rowset2": 42, "sp_indexes_100_rowset": 26, "sp_foreign_keys_rowset;3": 18, "sp_schemata_rowset": 6, "sp_provider_types_100_rowset": 21, "sp_procedure_params_100_rowset": 27} {
		answer, known, err := retail().Procedure(name, nil)
		if !known || err != nil || len(answer.Columns) != n {
			t.Errorf("%s: %t, %v, %d columns; want %d", name, known, err, len(answer.Columns), n)
		}
	}
}

// Every procedure and view answers, with values of the types that it declares.
func TestAnswersFit(t *testing.T) {
	fits := func(name string, r Rows) {
		for _, row := range r.Rows {
			for i, value := range row {
				ok := value == nil
				switch c := r.Columns[i]; value := value.(type) {
				case int64:
					most := map[gateway.Kind]int64{gateway.TinyInt: 255, gateway.SmallInt: 1<<15 - 1, gateway.Int: 1<<31 - 1, gateway.BigInt: 1<<63 - 1}[c.Type.Kind]
					ok = value <= most && (value >= 0 || c.Type.Kind != gateway.TinyInt) && most > 0
				case bool:
					ok = c.Type.Kind == gateway.Bit
				case string:
					ok = c.Type.Kind >= gateway.Char && c.Type.Kind <= gateway.NVarchar && (c.Type.Length == 0 || len(value) <= c.Type.Length)
				case time.Time:
					ok = c.Type.Kind == gateway.DateTime
				case []byte:
					ok = c.Type.Kind == gateway.Binary && len(value) == c.Type.Length
				}
				if !ok {
					t.Errorf("%s: %v (%T) is no value of the column %s %s", name, value, value, r.Columns[i].Name, r.Columns[i].Type)
				}
			}
		}
	}
	all := retail()
	for kind := gateway.Unknown; kind <= gateway.DateTimeOffset; kind++ { // every type, of any length and of max
		for _, size := range []int{0, 7} {
			c := gateway.Column{Name: fmt.Sprintf("%s%d", kind, size), Type: gateway.Type{Kind: kind, Length: size, Precision: 38, Scale: uint8(size)}}
			all.Objects[1].Columns = append(all.Objects[1].Columns, Column{Column: c})
		}
	}
	for _, p := range slices.Concat(odbcProcedures(), oledbProcedures()) {
		for _, name := range strings.Fields(p.names) {
			for _, version := range []string{"2", "3"} {
				answer, known, err := all.Procedure(name, params("@ODBCVer="+version))
				if !known || err != nil {
					t.Fatalf("%s: %t, %v", name, known, err)
				}
				fits(name, answer)
			}
		}
	}
	for _, schema := range []string{"sys", "INFORMATION_SCHEMA"} {
		for _, r := range all.Relations(strings.ToLower(schema)) {
			fits(r.Name, Rows{r.Columns, r.Rows()})
		}
	}
	if all.Relations("dbo") != nil {
		t.Error("the schema dbo has views of the catalog")
	}
	if _, known, _ := all.Procedure("sp_nothing", nil); known {
		t.Error("there is a procedure sp_nothing")
	}
	seen := map[string]bool{}
	for _, p := range slices.Concat(odbcProcedures(), oledbProcedures()) {
		for _, name := range strings.Fields(p.names) {
			if seen[name] || name != strings.ToLower(name) {
				t.Errorf("the name %s stands twice, or is not in small letters", name)
			}
			seen[name] = true
		}
	}
}

// C5: what procedures answer, and which parameters choose it.
func TestC5Procedures(t *testing.T) {
	for _, tt := range []struct{ name, params, columns, want string }{
		{"sp_tables", "", "", `
TABLE_QUALIFIER | TABLE_OWNER | TABLE_NAME | TABLE_TYPE | REMARKS
Sales | Retail | SalesX2026 | TABLE | -
Sales | Retail | Sales_2026 | TABLE | -
Sales | dbo | refresh_dataflow | VIEW | Refreshes a dataflow.
`},
		{"sp_tables", "NULL;NULL;NULL;'VIEW'", "TABLE_NAME", "\nTABLE_NAME\nrefresh_dataflow\n"},
		{"sp_tables", "@table_type='TABLE','SYSTEM TABLE'", "TABLE_NAME", "\nTABLE_NAME\nSalesX2026\nSales_2026\n"},
		{"sp_tables", "sales[_]2026", "TABLE_NAME", "\nTABLE_NAME\nSales_2026\n"},
		{"sp_tables", "SALES_2026", "TABLE_NAME", "\nTABLE_NAME\nSalesX2026\nSales_2026\n"},
		{"sp_tables", "SALES_2026;NULL;NULL;NULL;0", "TABLE_NAME", "\nTABLE_NAME\nSales_2026\n"},
		{"sp_tables", "%;ret%;sales", "TABLE_NAME", "\nTABLE_NAME\nSalesX2026\nSales_2026\n"},
		{"sp_tables", "@table_qualifier=freshet", "TABLE_NAME", "\nTABLE_NAME\n"},
		{"sp_tableswc", ";;%", "TABLE_QUALIFIER", "\nTABLE_QUALIFIER\nSales\nfreshet\n"},
		{"sp_tables", ";%;", "TABLE_OWNER", "\nTABLE_OWNER\nRetail\ndbo\n"},
		{"sp_tables", "@table_type='%'", "TABLE_TYPE", "\nTABLE_TYPE\nTABLE\nVIEW\n"},
		{"sp_tables", ";;;%", "TABLE_TYPE", "\nTABLE_TYPE\nTABLE\nVIEW\n"},

		{"sp_columns", "Sales[_]2026", "", `
TABLE_QUALIFIER | TABLE_OWNER | TABLE_NAME | COLUMN_NAME | DATA_TYPE | TYPE_NAME | PRECISION | LENGTH | SCALE | RADIX | NULLABLE | SQL_DATA_TYPE | CHAR_OCTET_LENGTH | ORDINAL_POSITION | IS_NULLABLE | SS_DATA_TYPE
Sales | Retail | Sales_2026 | Day | -9 | datetime2 | 23 | 46 | - | - | 0 | -9 | 46 | 1 | NO | 39
Sales | Retail | Sales_2026 | Amount | 3 | decimal | 19 | 21 | 4 | 10 | 1 | 3 | - | 2 | YES | 106
Sales | Retail | Sales_2026 | Note | -10 | ntext | 1073741823 | 2147483646 | - | - | 1 | -10 | 2147483646 | 3 | YES | 35
Sales | Retail | Sales_2026 | Rate | 6 | float | 53 | 8 | - | 2 | 1 | 6 | - | 4 | YES | 109
Sales | Retail | Sales_2026 | Items | -5 | bigint | 19 | 8 | 0 | 10 | 1 | -5 | - | 5 | YES | 108
Sales | Retail | Sales_2026 | Open | -7 | bit | 1 | 1 | - | - | 1 | -7 | - | 6 | YES | 50
`},
		{"sp_columns", "refresh\\_dataflow;dbo;Sales;%Time;2", "COLUMN_NAME DATA_TYPE SQL_DATA_TYPE SQL_DATETIME_SUB", "\nCOLUMN_NAME | DATA_TYPE | SQL_DATA_TYPE | SQL_DATETIME_SUB\nStartTime | 11 | 9 | 3\n"},
		{"sp_columns", "@table_name=refresh_dataflow;@column_name=%Time;@ODBCVer=3", "COLUMN_NAME DATA_TYPE", "\nCOLUMN_NAME | DATA_TYPE\nStartTime | 93\n"},
		{"sp_columns_100", "Sales_2026;Retail;NULL;NULL;NULL;3;1", "COLUMN_NAME DATA_TYPE TYPE_NAME PRECISION LENGTH SQL_DATETIME_SUB SS_IS_SPARSE SS_DATA_TYPE", `
COLUMN_NAME | DATA_TYPE | TYPE_NAME | PRECISION | LENGTH | SQL_DATETIME_SUB | SS_IS_SPARSE | SS_DATA_TYPE
Day | 93 | datetime2 | 23 | 16 | 3 | 0 | 0
Amount | 3 | decimal | 19 | 21 | - | 0 | 106
Note | -9 | nvarchar | 0 | 0 | - | 0 | 39
Rate | 6 | float | 53 | 8 | - | 0 | 109
Items | -5 | bigint | 19 | 8 | - | 0 | 108
Open | -7 | bit | 1 | 1 | - | 0 | 50
`},
		{"sp_columns_managed", "Sales;NULL;Sales_2026;NULL;0", "COLUMN_NAME IS_NULLABLE DATA_TYPE CHARACTER_MAXIMUM_LENGTH NUMERIC_PRECISION NUMERIC_SCALE DATETIME_PRECISION IS_SPARSE", `
COLUMN_NAME | IS_NULLABLE | DATA_TYPE | CHARACTER_MAXIMUM_LENGTH | NUMERIC_PRECISION | NUMERIC_SCALE | DATETIME_PRECISION | IS_SPARSE
Day | NO | datetime2 | - | - | - | 3 | false
Amount | YES | decimal | - | 19 | 4 | - | false
Note | YES | nvarchar | -1 | - | - | - | false
Rate | YES | float | - | 53 | - | - | false
Items | YES | bigint | - | 19 | 0 | - | false
Open | YES | bit | - | - | - | - | false
`},
		{"sp_statistics", "refresh_dataflow;dbo", "", "\nTABLE_QUALIFIER | TABLE_OWNER | TABLE_NAME | TYPE\nSales | dbo | refresh_dataflow | 0\n"},
		{"sp_pkeys", "Sales_2026", "PK_NAME", "\nPK_NAME\n"},
		{"sp_stored_procedures", "refresh%", "", "\nPROCEDURE_QUALIFIER | PROCEDURE_OWNER | PROCEDURE_NAME | NUM_INPUT_PARAMS | NUM_OUTPUT_PARAMS | NUM_RESULT_SETS | REMARKS | PROCEDURE_TYPE\n" +
			"Sales | dbo | refresh_dataflow;1 | -1 | -1 | -1 | Refreshes a dataflow. | 2\n"},
		{"sp_sproc_columns", "refresh_dataflow", "COLUMN_NAME COLUMN_TYPE TYPE_NAME PRECISION COLUMN_DEF ORDINAL_POSITION", `
COLUMN_NAME | COLUMN_TYPE | TYPE_NAME | PRECISION | COLUMN_DEF | ORDINAL_POSITION
@RETURN_VALUE | 5 | int | 10 | - | 0
@Id | 1 | nvarchar | 36 | - | 1
@MaxWaitSec | 1 | int | 10 | 7200 | 2
`},
		{"sp_datatype_info", "12;3", "TYPE_NAME DATA_TYPE PRECISION LITERAL_PREFIX CREATE_PARAMS SEARCHABLE", "\nTYPE_NAME | DATA_TYPE | PRECISION | LITERAL_PREFIX | CREATE_PARAMS | SEARCHABLE\nvarchar | 12 | 8000 | ' | max length | 3\n"},
		{"sp_datatype_info_100", "93;3", "TYPE_NAME SQL_DATETIME_SUB", "\nTYPE_NAME | SQL_DATETIME_SUB\ndatetime2 | 3\ndatetime | 3\nsmalldatetime | 3\n"},
		{"sp_databases", "", "DATABASE_NAME", "\nDATABASE_NAME\nSales\nfreshet\n"},
		{"sp_server_info", "2", "", "\nATTRIBUTE_ID | ATTRIBUTE_NAME | ATTRIBUTE_VALUE\n2 | DBMS_VER | Microsoft SQL Server - 15.0.2000.5\n"},

		{"sp_tables_rowset2", "dbo", "TABLE_SCHEMA TABLE_NAME TABLE_TYPE", "\nTABLE_SCHEMA | TABLE_NAME | TABLE_TYPE\ndbo | refresh_dataflow | VIEW\n"},
		{"sp_tables_rowset;2", "NULL;TABLE", "TABLE_NAME", "\nTABLE_NAME\nSalesX2026\nSales_2026\n"},
		{"sp_tables_info_90_rowset_64", "Sales_2026;Retail;NULL", "TABLE_NAME BOOKMARKS TABLE_FLAGS", "\nTABLE_NAME | BOOKMARKS | TABLE_FLAGS\nSales_2026 | false | 0\n"},
		{"sp_columns_100_rowset", "Sales_2026;Retail", "COLUMN_NAME COLUMN_FLAGS IS_NULLABLE DATA_TYPE CHARACTER_MAXIMUM_LENGTH NUMERIC_PRECISION NUMERIC_SCALE DATETIME_PRECISION", `
COLUMN_NAME | COLUMN_FLAGS | IS_NULLABLE | DATA_TYPE | CHARACTER_MAXIMUM_LENGTH | NUMERIC_PRECISION | NUMERIC_SCALE | DATETIME_PRECISION
Day | 16 | false | 135 | - | - | - | 3
Amount | 112 | true | 131 | - | 19 | 4 | -
Note | 224 | true | 130 | 0 | - | - | -
Rate | 112 | true | 5 | - | 53 | - | -
Items | 112 | true | 20 | - | 19 | - | -
Open | 112 | true | 11 | - | - | - | -
`},
		{"sp_columns_100_rowset2", "dbo;Id", "TABLE_NAME COLUMN_NAME DATA_TYPE", "\nTABLE_NAME | COLUMN_NAME | DATA_TYPE\nrefresh_dataflow | Id | 129\n"},
		{"sp_procedure_params_100_rowset", "refresh_dataflow;dbo", "PARAMETER_NAME PARAMETER_TYPE PARAMETER_HASDEFAULT DATA_TYPE", `
PARAMETER_NAME | PARAMETER_TYPE | PARAMETER_HASDEFAULT | DATA_TYPE
@RETURN_VALUE | 4 | 0 | 3
@Id | 1 | 0 | 130
@MaxWaitSec | 1 | 1 | 3
`},
		{"sp_schemata_rowset", "", "SCHEMA_NAME SCHEMA_OWNER", "\nSCHEMA_NAME | SCHEMA_OWNER\nRetail | dbo\ndbo | dbo\n"},
		{"sp_catalogs_rowset", "FRESHET", "", "\nCATALOG_NAME\nfreshet\n"},
		{"sp_provider_types_100_rowset", "130;NULL", "TYPE_NAME BEST_MATCH", "\nTYPE_NAME | BEST_MATCH\nnvarchar | true\nnchar | false\n"},
		{"sp_oledb_ro_usrname", "", "", "\nREADONLY | USERNAME\nY | dbo\n"},
	} {
		answer, known, err := retail().Procedure(tt.name, params(tt.params))
		if got := shown(answer, strings.Fields(tt.columns)...); !known || err != nil || "\n"+got != tt.want {
			t.Errorf("%s %s: %t, %v\ngot\n%swant%s", tt.name, tt.params, known, err, got, tt.want)
		}
	}
	if _, known, err := retail().Procedure("sp_columns", params("x;dbo;other")); !known || err == nil || err.(*gateway.Error).Number != 15250 {
		t.Errorf("another database: %v", err)
	}
	if answer, known, err := retail().Procedure("sp_getschemalock", params("1;2;dbo.t")); !known || err != nil || answer.Columns == nil && len(answer.Columns) > 0 || len(answer.Rows) > 0 {
		t.Errorf("a lock of a schema: %v, %t, %v", answer, known, err)
	}
}

// C5: what the views hold.
func TestC5Views(t *testing.T) {
	for _, tt := range []struct{ schema, name, columns, want string }{
		{"sys", "schemas", "name schema_id", "\nname | schema_id\ndbo | 1\nguest | 2\nINFORMATION_SCHEMA | 3\nsys | 4\nRetail | 5\n"},
		{"sys", "databases", "name database_id is_read_only state_desc", "\nname | database_id | is_read_only | state_desc\nSales | 5 | true | ONLINE\nfreshet | 6 | true | ONLINE\n"},
		{"sys", "objects", "name schema_id type type_desc is_ms_shipped", "\nname | schema_id | type | type_desc | is_ms_shipped\nSalesX2026 | 5 | U | USER_TABLE | false\nSales_2026 | 5 | U | USER_TABLE | false\n" +
			"refresh_dataflow | 1 | V | VIEW | false\n"},
		{"sys", "procedures", "name type", "\nname | type\nrefresh_dataflow | P\n"},
		{"sys", "tables", "name max_column_id_used", "\nname | max_column_id_used\nSalesX2026 | 0\nSales_2026 | 6\n"},
		{"sys", "columns", "name column_id system_type_id max_length precision scale is_nullable", "\nname | column_id | system_type_id | max_length | precision | scale | is_nullable\n" +
			"Day | 1 | 42 | 8 | 23 | 3 | false\nAmount | 2 | 106 | 9 | 19 | 4 | true\nNote | 3 | 231 | -1 | 0 | 0 | true\nRate | 4 | 62 | 8 | 53 | 0 | true\nItems | 5 | 127 | 8 | 19 | 0 | true\nOpen | 6 | 104 | 1 | 1 | 0 | true\n" +
			"Id | 1 | 167 | 200 | 0 | 0 | true\nStartTime | 2 | 61 | 8 | 23 | 3 | true\nHttpStatusCode | 3 | 56 | 4 | 10 | 0 | true\n"},
		{"sys", "extended_properties", "minor_id name value", "\nminor_id | name | value\n0 | MS_Description | Refreshes a dataflow.\n1 | MS_Description | the dataflow\n0 | MS_Description | Refreshes a dataflow.\n"},
		{"sys", "dm_exec_sessions", "session_id login_name database_id", "\nsession_id | login_name | database_id\n51 | etl | 5\n"},
		{"sys", "indexes", "name", "\nname\n"},
		{"INFORMATION_SCHEMA", "TABLES", "", "\nTABLE_CATALOG | TABLE_SCHEMA | TABLE_NAME | TABLE_TYPE\nSales | Retail | SalesX2026 | BASE TABLE\nSales | Retail | Sales_2026 | BASE TABLE\nSales | dbo | refresh_dataflow | VIEW\n"},
		{"INFORMATION_SCHEMA", "COLUMNS", "COLUMN_NAME DATA_TYPE CHARACTER_MAXIMUM_LENGTH NUMERIC_PRECISION DATETIME_PRECISION", "\nCOLUMN_NAME | DATA_TYPE | CHARACTER_MAXIMUM_LENGTH | NUMERIC_PRECISION | DATETIME_PRECISION\n" +
			"Day | datetime2 | - | - | 3\nAmount | decimal | - | 19 | -\nNote | nvarchar | -1 | - | -\nRate | float | - | 53 | -\nItems | bigint | - | 19 | -\nOpen | bit | - | - | -\nId | varchar | 200 | - | -\nStartTime | datetime | - | - | 3\nHttpStatusCode | int | - | 10 | -\n"},
		{"INFORMATION_SCHEMA", "PARAMETERS", "SPECIFIC_NAME PARAMETER_NAME DATA_TYPE", "\nSPECIFIC_NAME | PARAMETER_NAME | DATA_TYPE\nrefresh_dataflow | @Id | nvarchar\nrefresh_dataflow | @MaxWaitSec | int\n"},
	} {
		relations := retail().Relations(tt.schema)
		i := slices.IndexFunc(relations, func(r Relation) bool { return r.Name == tt.name })
		if i < 0 {
			t.Fatalf("there is no view %s.%s", tt.schema, tt.name)
		}
		if got := shown(Rows{relations[i].Columns, relations[i].Rows()}, strings.Fields(tt.columns)...); "\n"+got != tt.want {
			t.Errorf("%s.%s\ngot\n%swant%s", tt.schema, tt.name, got, tt.want)
		}
	}
}

// Ids are an object's own, whatever stands beside it; a view's is below that of the procedure of its name.
func TestIDs(t *testing.T) {
	ids := func(d *Database) map[string]int64 {
		ids := map[string]int64{}
		for _, e := range d.all() {
			code, _ := e.word()
			ids[code+" "+e.Schema+"."+e.Name] = e.id
		}
		return ids
	}
	d := retail()
	before := ids(d)
	d.Objects = append(d.Objects[1:], Object{Schema: "Another", Name: "Table"})
	after := ids(d)
	for name, id := range after {
		if was, known := before[name]; known && was != id {
			t.Errorf("%s was %d and is %d", name, was, id)
		}
	}
	if before["V dbo.refresh_dataflow"] >= before["P dbo.refresh_dataflow"] || after["U Another.Table"] <= 0 {
		t.Errorf("ids %v", after)
	}
}

func TestLike(t *testing.T) {
	for _, tt := range []struct {
		name, pattern string
		want          bool
	}{
		{"Sales", "sales", true}, {"Sales", "sales ", true}, {"Sales", "sale", false}, {"Sales", "S%", true}, {"Sales", "%", true}, {"", "%", true}, {"", "", true}, {"", "_", false},
		{"Sales", "%l%s", true}, {"Sales", "%l", false}, {"a_b", `a\_b`, true}, {"aXb", `a\_b`, false}, {"aXb", "a_b", true}, {"a_b", "a[_]b", true}, {"aXb", "a[_]b", false},
		{"50%", `50\%`, true}, {"500", `50\%`, false}, {"50%", "50[%]", true}, {`a\b`, `a\b`, true}, {`a\b`, `a\\b`, true}, {"a[b", `a\[b`, true}, {"a[b", "a[[]b", true}, {"a]b", "a]b", true},
		{"b", "[a-c]", true}, {"d", "[a-c]", false}, {"d", "[^a-c]", true}, {"b", "[^a-c]", false}, {"-", "[a-]", true}, {"x", "[", false}, {"[", "[", false}, {"x", "[]", false},
		{"Größe", "GRÖSSE", false}, {"Größe", "GRÖß_", true}, {"ab", "%c", false}, {"aaab", "%aab", true}, {"abcabd", "%ab_", true}, {"abcabd", "ab%ab_%", true},
	} {
		if got := like(tt.name, tt.pattern); got != tt.want {
			t.Errorf("%q LIKE %q: %t", tt.name, tt.pattern, got)
		}
	}
}

// FuzzLike compares with a regular expression of the same meaning.
func FuzzLike(f *testing.F) {
	f.Add("Sales_2026", `s%[_]2\%`)
	f.Add("aab", "%a_")
	f.Fuzz(func(t *testing.T, name, pattern string) {
		if len(name) > 30 || len(pattern) > 30 || strings.ContainsAny(pattern, "[\x00") || strings.ToValidUTF8(name+pattern, "") != name+pattern {
			t.Skip()
		}
		var out strings.Builder
		letters := []rune(fold(pattern))
		for i := 0; i < len(letters); i++ {
			switch r := letters[i]; {
			case r == '%':
				out.WriteString("(?s:.*)")
			case r == '_':
				out.WriteString("(?s:.)")
			case r == '\\' && i+1 < len(letters) && strings.ContainsRune(`%_\`, letters[i+1]):
				i++
				out.WriteString(regexp.QuoteMeta(string(letters[i])))
			default:
				out.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		if want := regexp.MustCompile(`\A` + out.String() + `\z`).MatchString(fold(name)); like(name, pattern) != want {
			t.Errorf("%q LIKE %q is not %t", name, pattern, want)
		}
	})
}
