package mashup

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
)

func shownSources(list []Source) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintln(&b, s)
	}
	return b.String()
}

func TestFindSources(t *testing.T) {
	shared := []Query{
		{"Server", `"db.example" meta [IsParameterQuery=true, Type="Text"]`},
		{"Base", `let Source = PostgreSQL.Database(Server, "sales"), T = Source{[Schema="public", Item="t"]}[Data] in T`},
		{"Unused", `Sql.Database("nobody", "asks")`},
		{"fnFile", `(name as text, optional more) => Csv.Document(File.Contents(Folder & "/" & name))`},
		{"Folder", `"/srv"`},
		{"fnOpen", `(url) => Web.Contents(url, [RelativePath = "x"])`},
		{"Loop", `(n) => @Loop(n)`},
		{"Broken", `let`},
	}
	for _, test := range []struct{ text, want string }{
		{`Table.Combine({Base, Base})`, "PostgreSql 'db.example;sales'\n"},
		{`let S = "a", Source = Sql.Database(S, "b"), Two = Sql.Database("a", "b", [Query = "x"]) in Table.Combine({Source, Two})`, "Sql 'a;b'\n"},
		{`let Names = {"a.csv", "b.csv"} in Table.Combine({fnFile("a.csv"), fnFile(Names{0}), fnFile("b.csv", 1)})`, "File '/srv/a.csv'\nFile '/srv/b.csv'\n"},
		{`Table.AddColumn(T, "x", each fnFile([Name]))`, ""},
		{`[a = fnOpen("https://a.example"), b = "https://" & "b.example", c = if true then fnOpen(b) else OData.Feed(b as text)][a]`,
			"Web 'https://a.example'\nWeb 'https://b.example'\nOData 'https://b.example'\n"},
		{`try Folder.Files("/a") otherwise Snowflake.Databases("acme.example", "WH"){0}`, "Folder '/a'\nExtension 'Snowflake;acme.example;WH'\n"},
		{`Salesforce.Data()`, "Extension 'Salesforce'\n"},
		{`{PowerPlatform.Dataflows(null), PowerBI.Dataflows()}`, "Extension 'PowerPlatformDataflows;PowerPlatformDataflows'\nExtension 'PowerBI;PowerBI'\n"},
		{`{AzureStorage.Blobs("https://acc.blob.example/x"), AzureStorage.Blobs("plain")}`, "AzureBlobs 'acc;blob.example'\nAzureBlobs 'plain;blob.core.windows.net'\n"},
		{`{Odbc.DataSource("dsn=x;pwd=secret"), Odbc.Query("dsn=x", "SELECT 1")}`, "ODBC\nODBC\n"},
		{`let Sql.Database = (a, b) => a in Sql.Database("a", "b")`, ""},
		{`Sql.Database("a")`, ""},
		{`((f) => f("a"))(Sql.Databases)`, ""},
		{`Loop(1) & Broken`, ""},
		{`let Sql = `, ""},
	} {
		if got := shownSources(FindSources(shared, []Query{{"T/P", test.text}})); got != test.want {
			t.Errorf("%s:\n%s", test.text, got)
		}
	}
}

// C1: the dataflows that expressions read, by both navigations, by ids and by names, through steps, parameters and functions.
func TestC1FindDataflows(t *testing.T) {
	shared := []Query{
		{"Space", `"w-1" meta [IsParameterQuery=true, Type="Text"]`},
		{"fnFlow", `(flow as text) => PowerBI.Dataflows(null){[workspaceId=Space]}[Data]{[dataflowId=flow]}[Data]`},
		{"Workspaces", `let Source = PowerPlatform.Dataflows(null), Workspaces = Source{[Id="Workspaces"]}[Data] in Workspaces`},
		{"Navigation", `PowerBI.Dataflows()`},
	}
	for _, test := range []struct {
		text string
		want []DataflowRef
	}{
		{`let Source = PowerPlatform.Dataflows(null), Workspaces = Source{[Id="Workspaces"]}[Data], #"w" = Workspaces{[workspaceId="w-9"]}[Data], #"d" = #"w"{[dataflowId="d-9"]}[Data],
			Orders_ = #"d"{[entity="Orders",version=""]}[Data] in Table.FirstN(Orders_, 1)`, []DataflowRef{{WorkspaceID: "w-9", ID: "d-9"}}},
		{`Navigation{[workspaceName="Sales"]}[Data]{[dataflowName="Shop"]}[Data]{[entity="Orders"]}[Data]`, []DataflowRef{{WorkspaceName: "Sales", Name: "Shop"}}},
		{`Table.Combine({fnFlow("d-1"), fnFlow("d-" & "2"), fnFlow("d-1")})`, []DataflowRef{{WorkspaceID: "w-1", ID: "d-1"}, {WorkspaceID: "w-1", ID: "d-2"}}},
		{`PowerPlatform.Dataflows(null){[workspaceName="Sales"]}[Data]{[dataflowName="Shop"]}[Data]`, nil},
		{`let PowerBI.Dataflows = (x) => #table({}, {}) in PowerBI.Dataflows(null){[workspaceId="w"]}[Data]{[dataflowId="d"]}[Data]`, nil},
		{`Source{[Schema="public", Item="t"]}[Data]`, nil},
		{`PowerBI.Dataflows(null){0}[Data]{[dataflowId="d"]}[Data]`, nil},
	} {
		if got := FindDataflows(shared, []Query{{"T/P", test.text}}); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%v", test.text, got)
		}
	}
}

// A family of functions of which each calls the next one twice is not searched for ever.
func TestFindSourcesEnds(t *testing.T) {
	var shared []Query
	for i := range 60 {
		shared = append(shared, Query{fmt.Sprint("f", i), fmt.Sprintf("(x) => f%d(x) + f%d(x)", i+1, i+1)})
	}
	if got := FindSources(shared, []Query{{"T/P", "f0(1)"}}); got != nil {
		t.Errorf("found %v", got)
	}
}

func TestMoveSource(t *testing.T) {
	shared := []Query{
		{"Db", `"sales" meta [IsParameterQuery=true, Type="Text"]`},
		{"Base", "let\r\n  é = \"x\",\n  Source = Sql.Database( /* here */ \"old\", Db) in Source"},
	}
	roots := []Query{{"A/P", `Table.Combine({Base, Sql.Database("old", "sales"), Sql.Database("old", "other")})`}, {"B/P", `OData.Feed("http://old" & "/x")`}}
	from := []Source{{Type: "Sql", Server: "old", Database: "sales"}}
	movedShared, movedRoots, err := MoveSources(shared, roots, from, Source{Server: `n"ew`})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := movedShared[1].Text, "let\r\n  é = \"x\",\n  Source = Sql.Database( /* here */ \"n\"\"ew\", Db) in Source"; got != want {
		t.Errorf("got %q", got)
	}
	if got, want := movedRoots[0].Text, `Table.Combine({Base, Sql.Database("n""ew", "sales"), Sql.Database("old", "other")})`; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := shownSources(FindSources(movedShared, movedRoots)), "Sql 'n\"ew;sales'\nSql 'old;other'\nOData 'http://old/x'\n"; got != want {
		t.Errorf("got %s", got)
	}
	if movedShared[0] != shared[0] || movedRoots[1] != roots[1] {
		t.Errorf("got %v, %v", movedShared[0], movedRoots[1])
	}
	for _, test := range []struct {
		from, to Source
		want     string
	}{
		{from[0], Source{Database: "x"}, "cannot change the database of data source Sql 'old;sales': it comes from parameter 'Db'. Update the parameter"},
		{Source{Type: "OData", URL: "http://old/x"}, Source{URL: "http://new"}, "cannot change the url of data source OData 'http://old/x': the model's expression makes it of several texts"},
		{from[0], Source{URL: "http://new"}, "such a source has none"},
	} {
		if _, _, err := MoveSources(shared, roots, []Source{test.from}, test.to); fault.KindOf(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%v → %v: %v", test.from, test.to, err)
		}
	}
	together := []Query{{"C/P", `let S = "old" in {Sql.Database(S, "a"), Sql.Database(S, "b")}`}}
	both := FindSources(nil, together)
	_, _, err = MoveSources(nil, together, both[:1], Source{Server: "new"})
	if want := "Sql 'old;b' has its server from the same text in 'C/P'"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	_, movedRoots, err = MoveSources(nil, together, both, Source{Server: "new"})
	if err != nil || movedRoots[0].Text != `let S = "new" in {Sql.Database(S, "a"), Sql.Database(S, "b")}` {
		t.Errorf("got %v, %v", movedRoots, err)
	}
}
