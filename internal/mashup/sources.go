package mashup

import (
	"cmp"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup/syntax"
)

// Source is a data source as Power BI describes one. Which of its details are set depends on Type.
type Source struct {
	Type             string // Power BI's datasourceType
	Server           string
	Database         string
	URL              string
	Path             string
	Kind             string // of an Extension
	Account          string
	Domain           string
	ConnectionString string
}

// String names a source in errors. It leaves a connection string out, which may hold a secret.
func (s Source) String() string {
	details := slices.DeleteFunc([]string{s.Kind, s.Server, s.Database, s.URL, s.Path, s.Account, s.Domain}, func(detail string) bool { return detail == "" })
	if len(details) == 0 {
		return s.Type
	}
	return s.Type + " '" + strings.Join(details, ";") + "'"
}

// detail is one of a source's details by Power BI's name; nil for another name.
func (s *Source) detail(name string) *string {
	return map[string]*string{"server": &s.Server, "database": &s.Database, "url": &s.URL, "path": &s.Path, "kind": &s.Kind, "account": &s.Account,
		"domain": &s.Domain, "connectionString": &s.ConnectionString}[name]
}

func detailNames() []string {
	return []string{"server", "database", "url", "path", "kind", "account", "domain", "connectionString"}
}

// connector is a function that reaches a data source: what its first arguments are, and how many of them it needs.
type connector struct {
	datasourceType string
	details        []string
	needs          int
}

// connectors are the functions that FindSources knows. Those of Power BI's extensions are described by their module, with the arguments as path.
func connectors() map[string]connector {
	known := map[string]connector{
		"Sql.Database":               {"Sql", []string{"server", "database"}, 2},
		"Sql.Databases":              {"Sql", []string{"server"}, 1},
		"PostgreSQL.Database":        {"PostgreSql", []string{"server", "database"}, 2},
		"MySQL.Database":             {"MySql", []string{"server", "database"}, 2},
		"Oracle.Database":            {"Oracle", []string{"server"}, 1},
		"Teradata.Database":          {"Teradata", []string{"server"}, 1},
		"SapHana.Database":           {"SAPHana", []string{"server"}, 1},
		"DB2.Database":               {"DB2", []string{"server", "database"}, 2},
		"Sybase.Database":            {"Sybase", []string{"server", "database"}, 2},
		"Informix.Database":          {"Informix", []string{"server", "database"}, 2},
		"AnalysisServices.Database":  {"AnalysisServices", []string{"server", "database"}, 2},
		"AnalysisServices.Databases": {"AnalysisServices", []string{"server"}, 1},
		"OData.Feed":                 {"OData", []string{"url"}, 1},
		"Web.Contents":               {"Web", []string{"url"}, 1},
		"Web.BrowserContents":        {"Web", []string{"url"}, 1},
		"File.Contents":              {"File", []string{"path"}, 1},
		"Folder.Files":               {"Folder", []string{"path"}, 1},
		"Folder.Contents":            {"Folder", []string{"path"}, 1},
		"SharePoint.Files":           {"SharePointList", []string{"url"}, 1},
		"SharePoint.Contents":        {"SharePointList", []string{"url"}, 1},
		"SharePoint.Tables":          {"SharePointList", []string{"url"}, 1},
		"AzureStorage.Blobs":         {"AzureBlobs", []string{"url"}, 1},
		"Odbc.DataSource":            {"ODBC", []string{"connectionString"}, 1},
		"Odbc.Query":                 {"ODBC", []string{"connectionString"}, 1},
		"OleDb.DataSource":           {"OleDb", []string{"connectionString"}, 1},
		"OleDb.Query":                {"OleDb", []string{"connectionString"}, 1},
	}
	for name, arguments := range map[string]int{"Snowflake.Databases": 2, "Databricks.Catalogs": 2, "AmazonRedshift.Database": 2, "AzureStorage.DataLake": 1,
		"AzureDataExplorer.Contents": 1, "GoogleBigQuery.Database": 0, "PowerBI.Dataflows": 0, "PowerPlatform.Dataflows": 0, "Salesforce.Data": 0,
		"Lakehouse.Contents": 0, "Fabric.Warehouse": 0, "Exchange.Contents": 0, "ActiveDirectory.Domains": 0} {
		details := make([]string, arguments)
		for i := range details {
			details[i] = "path"
		}
		known[name] = connector{"Extension", details, arguments}
	}
	return known
}

// FindSources finds the data sources that the roots reach, in the order in which they come, by reading the texts and evaluating nothing. Of
// arguments it knows literals, steps, shared expressions, parameters, what a function of the model is called with, and texts joined by &. A source
// whose address only the running expression knows is not found; neither is one in a text that cannot be read.
func FindSources(shared, roots []Query) []Source {
	var list []Source
	for _, found := range find(shared, roots).found {
		list = append(list, found.Source)
	}
	return list
}

// MoveSources gives sources that FindSources has found other details, by changing the literals that they stand in, and returns the texts. The
// details that are empty in to stay. What stands in a parameter or is made when the expression runs cannot be changed so, which the error names.
func MoveSources(shared, roots []Query, from []Source, to Source) (movedShared, movedRoots []Query, err error) {
	f := find(shared, roots)
	changes := map[*origin]map[int]change{}
	for _, found := range f.found {
		if !slices.Contains(from, found.Source) {
			continue
		}
		for _, name := range detailNames() {
			want := *to.detail(name)
			if want == "" || want == *found.detail(name) {
				continue
			}
			for _, site := range found.sites {
				spot, has := site[name]
				if err := spot.change(found.Source, name, has); err != nil {
					return nil, nil, err
				}
				if changes[spot.in] == nil {
					changes[spot.in] = map[int]change{}
				}
				changes[spot.in][spot.start] = change{spot.end, quoteText(want)}
			}
		}
	}
	for _, found := range f.found {
		for _, site := range found.sites {
			for name, spot := range site {
				if _, changed := changes[spot.in][spot.start]; changed && spot.literal() && !slices.Contains(from, found.Source) {
					return nil, nil, fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot change the data source: %s has its %s from the same text in '%s'",
						found.Source, name, spot.in.name).WithHint("Name both in the request, or make the %s a parameter and deploy the model.", name)
				}
			}
		}
	}
	rewrite := func(origins []*origin) []Query {
		list := make([]Query, len(origins))
		for i, o := range origins {
			list[i] = Query{o.name, o.rewritten(changes[o])}
		}
		return list
	}
	return rewrite(f.shared), rewrite(f.roots), nil
}

// change is a text in the place of the one that begins somewhere and ends at end.
type change struct {
	end  int
	text string
}

// origin is a text with what it says.
type origin struct {
	name, text string
	x          syntax.Expr // nil when it cannot be read
	parameter  bool
}

func (o *origin) rewritten(changes map[int]change) string {
	text := o.text
	starts := make([]int, 0, len(changes))
	for start := range changes {
		starts = append(starts, start)
	}
	slices.SortFunc(starts, func(a, b int) int { return cmp.Compare(b, a) }) // the last first: the places of the others stay
	for _, start := range starts {
		text = text[:start] + changes[start].text + text[changes[start].end:]
	}
	return text
}

// spot is where a detail of a source stands: a literal, or a parameter that it comes from, or neither.
type spot struct {
	in         *origin // of the literal; nil when there is none
	start, end int
	parameter  string
}

func (s spot) literal() bool { return s.in != nil }

// change tells why a detail cannot be changed; nil: it can.
func (s spot) change(of Source, name string, has bool) error {
	switch {
	case !has:
		return fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot change the %s of data source %s: such a source has none", name, of).
			WithHint("A source of another type is another source: change the model, and deploy it.")
	case s.parameter != "":
		return fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot change the %s of data source %s: it comes from parameter '%s'", name, of, s.parameter).
			WithHint("Update the parameter: POST …/Default.UpdateParameters, or freshet parameters MODEL set NAME=VALUE.")
	case !s.literal():
		return fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot change the %s of data source %s: the model's expression makes it of several texts", name, of).
			WithHint("Make it a parameter, deploy the model, and update the parameter.")
	}
	return nil
}

// foundSource is a source with every call that reaches it: where its details stand, by their names.
type foundSource struct {
	Source
	sites []map[string]spot
}

// finder looks for sources.
type finder struct {
	shared, roots []*origin
	named         map[string]*origin
	connectors    map[string]connector
	reached       map[*origin]bool
	found         []*foundSource
	flows         []DataflowRef
	steps         int
}

// Functions that call each other have no end here, and a chain of calls may double at each: what is searched is bounded.
const (
	maxSearch      = 1_000_000 // nodes
	maxSearchDepth = 1000
	maxAddress     = 64 << 10 // bytes of a text that is put together
)

func find(shared, roots []Query) *finder {
	f := &finder{named: map[string]*origin{}, connectors: connectors(), reached: map[*origin]bool{}}
	read := func(q Query) *origin {
		o := &origin{name: q.Name, text: q.Text}
		if x, err := syntax.ParseExpression(q.Name, q.Text); err == nil {
			o.x = x
		}
		return o
	}
	for _, q := range shared {
		o := read(q)
		_, o.parameter = parseParameter(q.Name, q.Text)
		f.shared = append(f.shared, o)
		f.named[q.Name] = o
	}
	for _, q := range roots {
		f.roots = append(f.roots, read(q))
	}
	for _, o := range f.roots {
		f.walk(place{x: o.x, in: o}, 0)
	}
	return f
}

// place is an expression with the names that it sees. Without x it is a value that only the running expression knows.
type place struct {
	x   syntax.Expr
	env *bound
	in  *origin
}

// bound is a scope.
type bound struct {
	parent *bound
	names  map[string]place
}

func (p place) at(x syntax.Expr) place { return place{x, p.env, p.in} }

// within is the scope of a let or of a record, whose members see each other.
func (p place) within(bindings []syntax.Binding) *bound {
	inner := &bound{parent: p.env, names: make(map[string]place, len(bindings))}
	for _, b := range bindings {
		inner.names[b.Name] = place{b.Value, inner, p.in}
	}
	return inner
}

// lookup finds what a name means; known is false for a name of the library.
func (f *finder) lookup(p place, name string) (meant place, known bool) {
	for env := p.env; env != nil; env = env.parent {
		if meant, known := env.names[name]; known {
			return meant, true
		}
	}
	if o := f.named[name]; o != nil {
		return place{x: o.x, in: o}, true
	}
	return place{}, false
}

// walk finds the sources of an expression.
func (f *finder) walk(p place, depth int) {
	if f.steps++; f.steps > maxSearch || depth > maxSearchDepth {
		return
	}
	each := func(list ...syntax.Expr) {
		for _, x := range list {
			if x != nil {
				f.walk(p.at(x), depth+1)
			}
		}
	}
	switch x := p.x.(type) {
	case *syntax.Identifier:
		if meant, known := f.lookup(p, x.Name); known && meant.env == nil && meant.in != p.in && meant.in != nil && !f.reached[meant.in] {
			f.reached[meant.in] = true
			f.walk(meant, depth+1)
		}
	case *syntax.Let:
		inner := p.within(x.Bindings)
		for _, b := range x.Bindings {
			f.walk(place{b.Value, inner, p.in}, depth+1)
		}
		f.walk(place{x.Body, inner, p.in}, depth+1)
	case *syntax.Record:
		inner := p.within(x.Fields)
		for _, b := range x.Fields {
			f.walk(place{b.Value, inner, p.in}, depth+1)
		}
	case *syntax.Function:
		f.walk(place{x.Body, p.calling(x, nil, place{}), p.in}, depth+1)
	case *syntax.Call:
		f.call(p, x, depth)
		each(x.Args...)
	case *syntax.Binary:
		each(x.Left, x.Right)
	case *syntax.Unary:
		each(x.X)
	case *syntax.Is:
		each(x.X)
	case *syntax.As:
		each(x.X)
	case *syntax.If:
		each(x.Cond, x.Then, x.Else)
	case *syntax.List:
		for _, item := range x.Items {
			each(item.From, item.To)
		}
	case *syntax.Field:
		f.dataflow(p, depth+1)
		each(x.X)
	case *syntax.Projection:
		each(x.X)
	case *syntax.Index:
		each(x.X, x.Key)
	case *syntax.Raise:
		each(x.X)
	case *syntax.Try:
		each(x.X, x.Otherwise, x.Catch)
	}
}

// calling is the scope of a function's body. Arguments that are not there are known only when it runs.
func (p place) calling(called *syntax.Function, args []syntax.Expr, from place) *bound {
	inner := &bound{parent: p.env, names: make(map[string]place, len(called.Params))}
	for i, param := range called.Params {
		inner.names[param.Name] = place{}
		if i < len(args) {
			inner.names[param.Name] = from.at(args[i])
		}
	}
	return inner
}

// call finds the source that a call reaches itself, and those of the function that it calls.
func (f *finder) call(p place, x *syntax.Call, depth int) {
	name, isName := x.Func.(*syntax.Identifier)
	if !isName {
		f.walk(p.at(x.Func), depth+1)
		return
	}
	meant, known := f.lookup(p, name.Name)
	if !known {
		if connector, reaches := f.connectors[name.Name]; reaches {
			f.add(p, name.Name, connector, x.Args)
		}
		return
	}
	if called, isFunction := meant.x.(*syntax.Function); isFunction {
		f.walk(place{called.Body, meant.calling(called, x.Args, p), meant.in}, depth+1)
		return
	}
	f.walk(p.at(name), depth+1)
}

// add notes the source of a call of a connector.
func (f *finder) add(p place, function string, c connector, args []syntax.Expr) {
	source, site := Source{Type: c.datasourceType}, map[string]spot{}
	if c.datasourceType == "Extension" {
		source.Kind, _, _ = strings.Cut(function, ".")
	}
	switch function { // extensions of one place
	case "PowerPlatform.Dataflows":
		source.Kind, source.Path = "PowerPlatformDataflows", "PowerPlatformDataflows"
	case "PowerBI.Dataflows":
		source.Path = "PowerBI"
	}
	for i, name := range c.details {
		if i >= len(args) {
			if i < c.needs {
				return
			}
			break
		}
		value, where, known := f.text(p.at(args[i]), 0)
		if !known {
			return
		}
		if detail := source.detail(name); *detail == "" {
			*detail = value
		} else {
			*detail += ";" + value
			where = spot{}
		}
		site[name] = where
	}
	if source.Type == "AzureBlobs" {
		source.Account, source.Domain = blobAccount(source.URL)
		source.URL, site = "", map[string]spot{"account": {}, "domain": {}}
	}
	for _, former := range f.found {
		if former.Source == source {
			former.sites = append(former.sites, site)
			return
		}
	}
	f.found = append(f.found, &foundSource{source, []map[string]spot{site}})
}

// blobAccount splits https://ACCOUNT.DOMAIN/…; a name alone is an account of Azure's public cloud.
func blobAccount(address string) (account, domain string) {
	_, host, found := strings.Cut(address, "://")
	if !found {
		return address, "blob.core.windows.net"
	}
	host, _, _ = strings.Cut(host, "/")
	account, domain, _ = strings.Cut(host, ".")
	return account, domain
}

// text is what an expression gives as text, and where that stands.
func (f *finder) text(p place, depth int) (value string, where spot, known bool) {
	if f.steps++; f.steps > maxSearch || depth > maxSearchDepth {
		return "", spot{}, false
	}
	switch x := p.x.(type) {
	case *syntax.Literal:
		start, end := syntax.Span(p.in.text, x.Pos())
		return x.Text, spot{in: p.in, start: start, end: end}, x.Kind == syntax.Text
	case *syntax.Identifier:
		meant, found := f.lookup(p, x.Name)
		if !found {
			return "", spot{}, false
		}
		value, where, known = f.text(meant, depth+1)
		if meant.env == nil && meant.in != nil && meant.in.parameter {
			where = spot{parameter: meant.in.name}
		}
		return value, where, known
	case *syntax.As:
		return f.text(p.at(x.X), depth+1)
	case *syntax.Binary:
		left, where, known := f.text(p.at(x.Left), depth+1)
		if !known || x.Op == syntax.OpMeta {
			return left, where, known
		}
		right, _, known := f.text(p.at(x.Right), depth+1)
		return left + right, spot{}, known && x.Op == syntax.OpConcat && len(left)+len(right) <= maxAddress
	}
	return "", spot{}, false
}
