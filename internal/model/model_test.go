package model_test

import (
	"slices"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

func TestNames(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"Sales", "SALES", true},
		{"Größe", "GRÖSSE", false},
		{"Ärger", "äRGER", true},
		{"K", "\u212a", true}, // the Kelvin sign folds to k
		{"Σ", "ς", true},
		{"a", "b", false},
		{"", "", true},
	} {
		if got := model.EqualNames(test.a, test.b); got != test.same {
			t.Errorf("EqualNames(%q, %q) is %t", test.a, test.b, got)
		}
		if got := model.NameKey(test.a) == model.NameKey(test.b); got != test.same {
			t.Errorf("the keys of %q and %q are equal: %t", test.a, test.b, got)
		}
	}
}

func sales() *model.Model {
	m := &model.Model{
		CompatibilityLevel: 1500,
		DataSources:        []*model.DataSource{{Name: "DB"}},
		Expressions:        []*model.Expression{{Name: "Folder", Text: `"/srv"`}},
		Tables: []*model.Table{
			{
				Name:       "Sales",
				Columns:    []*model.Column{{Name: "Id", Type: model.DataColumn, DataType: model.Int64}, {Name: "Day", Type: model.DataColumn, DataType: model.DateTime}},
				Partitions: []*model.Partition{{Name: "P", Source: model.PartitionSource{Type: model.MPartition, Expression: "Folder"}}},
				Measures:   []*model.Measure{{Name: "Total"}},
			},
			{
				Name:       "Date",
				Columns:    []*model.Column{{Name: "Date", Type: model.DataColumn, DataType: model.DateTime}},
				Partitions: []*model.Partition{{Name: "P", Source: model.PartitionSource{Query: "SELECT 1", DataSource: "db"}}},
			},
		},
		Relationships: []*model.Relationship{{Name: "r", FromTable: "sales", FromColumn: "day", ToTable: "DATE", ToColumn: "DATE"}},
		Roles:         []*model.Role{{Name: "East", TablePermissions: map[string]string{"SALES": "TRUE()"}}},
	}
	m.Complete()
	return m
}

func TestLookUps(t *testing.T) {
	m := sales()
	if m.Table("sALES") != m.Tables[0] || m.Table("x") != nil || m.DataSource("db") != m.DataSources[0] || m.Expression("FOLDER") != m.Expressions[0] {
		t.Error("a look-up in the model fails")
	}
	table := m.Tables[0]
	if table.Column("ID") != table.Columns[0] || table.Partition("p") != table.Partitions[0] || table.Measure("TOTAL") != table.Measures[0] || table.Column("x") != nil {
		t.Error("a look-up in the table fails")
	}
}

func TestComplete(t *testing.T) {
	m := sales()
	if m.Culture != "en-US" || m.Tables[0].Columns[0].SourceColumn != "Id" || m.Tables[0].Partitions[0].Mode != "import" ||
		m.Tables[1].Partitions[0].Source.Type != model.QueryPartition || m.DataSources[0].Type != "provider" || m.Relationships[0].FromCardinality != "many" {
		t.Errorf("got %+v", m)
	}
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		wreck func(m *model.Model)
		want  string
	}{
		{
			func(m *model.Model) { m.CompatibilityLevel = 1100 },
			"cannot take a model of compatibility level 1100: levels 1200 to 1606 are supported. Upgrade the model to level 1200 in the tool that made it",
		},
		{
			func(m *model.Model) { m.Tables[1].Name = "SALES" },
			"cannot use the model: there are two of the table 'SALES'. Rename one of them: names are compared without regard to case",
		},
		{
			func(m *model.Model) { m.Tables[0].Columns[1].Name = "ID" },
			"cannot use the model: there are two of the column or measure 'ID' (table 'Sales'). Rename one of them: names are compared without regard to case",
		},
		{
			func(m *model.Model) { m.Tables[0].Measures[0].Name = "day" },
			"cannot use the model: there are two of the column or measure 'day' (table 'Sales'). Rename one of them: names are compared without regard to case",
		},
		{
			func(m *model.Model) { m.Tables[1].Measures = []*model.Measure{{Name: "TOTAL"}} },
			"cannot use the model: measure 'TOTAL' is in table 'Sales' too (table 'Date'). Rename one of them: measures are unique in a model",
		},
		{
			func(m *model.Model) { m.Tables[0].Partitions[0].Name = "" },
			"cannot use the model: a partition has no name (table 'Sales'). Give it one",
		},
		{
			func(m *model.Model) { m.Tables[0].Partitions[0].Source.Type = "x" },
			"cannot use the model: the partition has the unknown source type 'x' (table 'Sales', partition 'P'). Make it m, query or calculated",
		},
		{
			func(m *model.Model) { m.Tables[0].Partitions[0].Mode = "x" },
			"cannot use the model: the partition has the unknown mode 'x' (table 'Sales', partition 'P'). Make it import",
		},
		{
			func(m *model.Model) { m.Tables[1].Partitions[0].Source.DataSource = "x" },
			"cannot use the model: it reads from data source 'x', which is not there (table 'Date', partition 'P'). Correct source.dataSource, or add the data source",
		},
		{
			func(m *model.Model) { m.Tables[1].Partitions[0].Source.DataSource = "" },
			"cannot use the model: the query names no data source (table 'Date', partition 'P'). Name one in source.dataSource",
		},
		{
			func(m *model.Model) { m.Tables[0].Columns[0].DataType = "" },
			"cannot use the model: the column has no data type (table 'Sales', column 'Id'). Give it the dataType string, int64, double, decimal, dateTime, boolean or binary",
		},
		{
			func(m *model.Model) { m.Tables[0].Columns[0].DataType = "variant" },
			"cannot use the model: the column has the data type 'variant', which rows cannot be loaded as (table 'Sales', column 'Id'). " +
				"Give it the dataType string, int64, double, decimal, dateTime, boolean or binary",
		},
		{
			func(m *model.Model) { m.Tables[0].Columns[0].Type = "x" },
			"cannot use the model: the column has the unknown type 'x' (table 'Sales', column 'Id'). Make it data, calculated or calculatedTableColumn",
		},
		{
			func(m *model.Model) { m.Tables[0].Columns[0].SortByColumn = "x" },
			"cannot use the model: it is sorted by column 'x', which is not there (table 'Sales', column 'Id'). Correct sortByColumn",
		},
		{
			func(m *model.Model) { m.Relationships[0].FromColumn = "x" },
			"cannot use the model: relationship 'r' leads from a column that is not there (table 'sales', column 'x'). " +
				"Correct the relationship's from end, or remove the relationship",
		},
		{
			func(m *model.Model) { m.Relationships[0].ToTable = "x" },
			"cannot use the model: relationship 'r' leads to a table that is not there (table 'x', column 'DATE'). " +
				"Correct the relationship's to end, or remove the relationship",
		},
		{
			func(m *model.Model) { m.Roles[0].TablePermissions = map[string]string{"x": "TRUE()"} },
			"cannot use the model: role 'East' filters a table that is not there (table 'x'). Remove the permission, or correct the name",
		},
		{
			func(m *model.Model) {
				m.Tables[0].RefreshPolicy = &model.RefreshPolicy{RollingWindowGranularity: "week"}
			},
			"cannot use the model: the refresh policy has the unknown granularity 'week' (table 'Sales'). Make it day, month, quarter or year",
		},
	} {
		m := sales()
		test.wreck(m)
		err := m.Validate()
		if err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), test.want) || fault.KindOf(err) != fault.Invalid {
			t.Errorf(" got %v\nwant %s", err, test.want)
		}
	}
}

func TestDataSourceRef(t *testing.T) {
	for _, test := range []struct {
		source     model.DataSource
		kind, path string
		err        string
	}{
		{source: model.DataSource{Provider: "Npgsql", ConnectionString: "Host=db;Port=5433;Database=sales;Username=u;Password=secret"}, kind: "PostgreSQL", path: "db:5433;sales"},
		{source: model.DataSource{ConnectionString: ";Driver={PostgreSQL Unicode(x64)};Server=db;Database = 'a;b' ;Pwd=\"x;y\""}, kind: "PostgreSQL", path: "db;a;b"},
		{
			source: model.DataSource{Provider: "System.Data.OleDb", ConnectionString: "Provider=SQLNCLI11;Data Source=tcp:h,1433;Initial Catalog=AW;User ID=j"},
			kind:   "SQL", path: "tcp:h,1433;AW",
		},
		{source: model.DataSource{Provider: "MySql.Data.MySqlClient", ConnectionString: "server=h;database=d"}, kind: "MySQL", path: "h;d"},
		{
			source: model.DataSource{Name: "X", ConnectionString: "Server=h;Password=secret"},
			err:    "cannot tell what data source 'X' reaches: it names no provider. Set its provider, for example Npgsql, or the connection string's Provider or Driver",
		},
		{
			source: model.DataSource{Name: "X", ConnectionString: "Provider=MSDASQL.1;Server=h"},
			err:    "cannot tell what data source 'X' reaches: its provider 'MSDASQL.1' is not supported. Use one for PostgreSQL, or read the source with M",
		},
		{
			source: model.DataSource{Name: "X", Provider: "Npgsql", ConnectionString: "Database=d"},
			err:    "cannot tell what data source 'X' reaches: its connection string names no server. Add Server=… or Data Source=… to the connection string",
		},
		{
			source: model.DataSource{Name: "X", Provider: "Npgsql", ConnectionString: "Server=h"},
			err:    "cannot tell what data source 'X' reaches: its connection string names no database. Add Database=… or Initial Catalog=… to the connection string",
		},
		{source: model.DataSource{Type: "structured", Protocol: "postgresql", Address: map[string]string{"server": "h:1", "Database": "d"}}, kind: "PostgreSQL", path: "h:1;d"},
		{source: model.DataSource{Type: "structured", Protocol: "tds", Address: map[string]string{"server": "h"}}, kind: "SQL", path: "h"},
		{source: model.DataSource{Type: "structured", Protocol: "file", Address: map[string]string{"path": "/a.csv"}}, kind: "File", path: "/a.csv"},
		{source: model.DataSource{Type: "structured", Protocol: "http", Address: map[string]string{"url": "https://x/"}}, kind: "Web", path: "https://x/"},
		{
			source: model.DataSource{Name: "X", Type: "structured", Protocol: "sharepoint"},
			err:    "cannot tell what data source 'X' reaches: its protocol 'sharepoint' is not supported. Read the source with an M partition that does not use it",
		},
		{
			source: model.DataSource{Name: "X", Type: "structured"},
			err:    "cannot tell what data source 'X' reaches: it has no connection details. Add connectionDetails with protocol and address",
		},
	} {
		kind, path, err := test.source.Ref()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if kind != test.kind || path != test.path || text != test.err {
			t.Errorf("%+v: got %q, %q, %v", test.source, kind, path, err)
		}
	}
}

func TestMisspelt(t *testing.T) {
	for _, test := range []struct{ kind, property, want string }{
		{"column", "dataTyp", "dataType"},
		{"Column", "SOURCECOLUM", "sourceColumn"},
		{"column", "DataType", ""},
		{"column", "dataCategory", ""},
		{"partition", "mod", "mode"},
		{"partition", "queryGroup", ""},
		{"unknown", "dataTyp", ""},
	} {
		if got := model.Misspelt(test.kind, test.property); got != test.want {
			t.Errorf("Misspelt(%q, %q) is %q", test.kind, test.property, got)
		}
	}
}
