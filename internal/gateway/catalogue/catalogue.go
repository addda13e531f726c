// Package catalogue answers what SQL Server's clients ask about a database: catalog procedures such as sp_columns, and the views of sys and
// INFORMATION_SCHEMA. It is pure: what there is comes in as a Database, and answers are rows.
//
// The layouts are those of Microsoft's documentation, named where each is declared; clients read them by position and by name.
package catalogue

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/gateway"
)

// Database is what a session sees of its database, and of what is around it.
type Database struct {
	Name      string
	Databases []string // all that the login sees, in the order of their ids, which begin with FirstID
	Objects   []Object
	Server    string // its name
	Version   string // of SQL Server that it stands for, such as 15.0.2000.5
	Login     string
	Session   Session
	Since     time.Time // what every object and database says of its creation
}

// FirstID is the id of the first database; SQL Server's own are the first four.
const FirstID = 5

// Session is what a session tells of itself.
type Session struct {
	ID            int64
	Host, Program string
	Since         time.Time
}

// Kind is the kind of an object.
type Kind uint8

// The kinds of objects.
const (
	Table Kind = iota
	View
	Procedure
)

// Object is what a schema holds. An endpoint is two: a view of its rows, and a procedure.
type Object struct {
	Schema, Name string
	Kind         Kind
	About        string
	Columns      []Column    // of a table or view; those of a procedure's rows mean nothing to the catalog
	Parameters   []Parameter // of a procedure
}

// Column is a column of an object.
type Column struct {
	gateway.Column
	About string
}

// Parameter is a parameter of a procedure.
type Parameter struct {
	Name    string // with its @
	Type    gateway.Type
	Default string // "": none is told
	About   string
}

// Rows is an answer.
type Rows struct {
	Columns []gateway.Column
	Rows    [][]any
}

// Relation is a view of the catalog.
type Relation struct {
	Name    string
	Columns []gateway.Column
	Rows    func() [][]any
}

// Collation is the one of all text, whose letters are nevertheless told apart.
const Collation = "SQL_Latin1_General_CP1_CI_AS"

// The schemas that are not those of objects.
const (
	dbo         = "dbo"
	system      = "sys"
	information = "INFORMATION_SCHEMA"
)

// schemas are all schemas with their ids: SQL Server's own, then those of objects by name.
func (d *Database) schemas() []schema {
	all := []schema{{1, dbo}, {2, "guest"}, {3, information}, {4, system}}
	for _, name := range d.names() {
		if name != dbo {
			all = append(all, schema{int64(len(all) + 1), name})
		}
	}
	return all
}

type schema struct {
	id   int64
	name string
}

// names are the schemas of objects, sorted.
func (d *Database) names() []string {
	var names []string
	for _, o := range d.Objects {
		names = append(names, o.Schema)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// entry is an object with what the catalog gives it.
type entry struct {
	Object
	id, schema int64
	own        bool // of the catalog itself
}

// word is the kind in the catalog's code.
func (e entry) word() (code, long string) {
	switch e.Kind {
	case View:
		return "V", "VIEW"
	case Procedure:
		return "P", "SQL_STORED_PROCEDURE"
	}
	return "U", "USER_TABLE"
}

func (e entry) columns() []Column {
	if e.Kind == Procedure {
		return nil
	}
	return e.Columns
}

// kind is the kind in the words of ODBC and INFORMATION_SCHEMA.
func (e entry) kind() string {
	if e.Kind == View {
		return "VIEW"
	}
	return "TABLE"
}

// entries are the objects, sorted as catalog procedures give them. An id is made of the name, so that it stays while other objects come and go; those of
// procedures are above all others, so that a name which is both a view's and a procedure's means the view.
func (d *Database) entries() []entry {
	return d.numbered(d.Objects, false, map[int64]bool{})
}

// all are the objects and the catalog's own views.
func (d *Database) all() []entry {
	taken := map[int64]bool{}
	entries := d.numbered(d.Objects, false, taken)
	var views []Object
	for _, v := range catalogViews() {
		o := Object{Schema: v.schema, Name: v.name, Kind: View}
		for _, f := range v.layout.fields {
			o.Columns = append(o.Columns, Column{Column: f.Column})
		}
		views = append(views, o)
	}
	return append(entries, d.numbered(views, true, taken)...)
}

func (d *Database) numbered(objects []Object, own bool, taken map[int64]bool) []entry {
	ids := map[string]int64{}
	for _, s := range d.schemas() {
		ids[s.name] = s.id
	}
	entries := make([]entry, len(objects))
	for i, o := range objects {
		entries[i] = entry{Object: o, schema: ids[o.Schema], own: own}
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	for i := range entries {
		h := fnv.New32a()
		_, _ = h.Write([]byte(strings.ToLower(entries[i].Schema + "\x00" + entries[i].Name)))
		const half = 1 << 30
		id := int64(h.Sum32()) % half
		if entries[i].Kind == Procedure {
			id += half
		}
		for taken[id] {
			id++
		}
		taken[id] = true
		entries[i].id = id
	}
	return entries
}

// relations are the objects that have columns.
func (d *Database) relations() []entry {
	return slices.DeleteFunc(d.entries(), func(e entry) bool { return e.Kind == Procedure })
}

func (d *Database) procedures() []entry {
	return slices.DeleteFunc(d.entries(), func(e entry) bool { return e.Kind != Procedure })
}

// text gives nil for what is not there.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// number gives 1 for what holds.
func number(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// yes gives the word of INFORMATION_SCHEMA and ODBC.
func yes(is bool) string {
	if is {
		return "YES"
	}
	return "NO"
}
