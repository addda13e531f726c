package cdm

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"unicode/utf8"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup/syntax"
	"freshet.dev/internal/model"
)

// The files of a dataflow of generation 2, a folder NAME.Dataflow of Fabric.
const (
	queriesFile  = "mashup.pq"
	metadataFile = "queryMetadata.json"
)

// formatVersion is the one of queryMetadata.json that is known.
const formatVersion = "202502"

// metadata is what a refresh needs of a queryMetadata.json.
type metadata struct {
	FormatVersion   string                   `json:"formatVersion"`
	Name            string                   `json:"name"` // may be null
	DocumentLocale  string                   `json:"documentLocale"`
	QueriesMetadata map[string]queryMetadata `json:"queriesMetadata"`
}

type queryMetadata struct {
	LoadEnabled *bool `json:"loadEnabled"` // nil: true
	IsHidden    bool  `json:"isHidden"`
}

// decodeFabric reads a dataflow of generation 2 whose queries are in the named file. Its entities have no columns: the files do not say them.
func decodeFabric(files map[string][]byte, name string) (*Dataflow, error) {
	beside := path.Join(path.Dir(name), metadataFile)
	content, known := files[beside]
	if !known {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot use %s: there is no %s beside it", name, metadataFile).WithHint("Deploy the whole folder of the dataflow")
	}
	for _, file := range []string{name, beside} {
		if !utf8.Valid(files[file]) {
			return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read %s: it is not UTF-8", file).WithHint("Save it as UTF-8")
		}
	}
	var read metadata
	if err := json.Unmarshal(withoutMark(content), &read); err != nil {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read %s: %s", beside, mistyped(err)).WithHint("Compare it with what Fabric exports")
	}
	section, err := syntax.ParseSection(name, string(withoutMark(files[name])))
	if err != nil {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read the queries: %w", err).WithHint("Correct the M text")
	}
	d := &Dataflow{Name: read.Name, Generation: 2, model: &model.Model{Name: read.Name, CompatibilityLevel: model.MaxLevel, Culture: read.DocumentLocale}}
	if d.model.Culture == "" {
		d.model.Culture = "en-US"
	}
	if read.FormatVersion != formatVersion {
		d.warn("File '" + beside + "' is of formatVersion '" + read.FormatVersion + "', and was read as one of " + formatVersion + ".")
	}
	d.queries(read, section)
	entities, queries := map[string]syntax.Expr{}, map[string]syntax.Member{}
	for _, member := range section.Members {
		if d.model.Table(member.Name) != nil {
			entities[member.Name] = member.Value
		} else {
			queries[member.Name] = member
		}
	}
	for _, query := range slices.Sorted(maps.Keys(read.QueriesMetadata)) {
		if !slices.ContainsFunc(section.Members, func(m syntax.Member) bool { return m.Name == query }) {
			d.warn("Query '" + query + "' of " + beside + " is not in " + name + ".")
		}
	}
	if len(d.model.Tables) == 0 {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot use %s: no query of it is to be loaded, so there is nothing to refresh", name).
			WithHint("Enable the load of one (loadEnabled in %s)", metadataFile)
	}
	return d, d.order(name, entities, queries)
}

// queries makes tables of the queries that are loaded, and shared expressions of the others. A query with data destinations is loaded, whether or not it
// would be staged. What a destination refers to is none, and neither are functions and parameters.
func (d *Dataflow) queries(read metadata, section *syntax.Section) {
	destinations := map[string]bool{}
	for _, member := range section.Members {
		for _, name := range referred(member.Attributes) {
			destinations[name] = true
		}
	}
	for _, member := range section.Members {
		about := read.QueriesMetadata[member.Name]
		writes := field(member.Attributes, "DataDestinations") != nil || field(member.Attributes, "BindToDefaultDestination") != nil
		if writes {
			d.warn("Query '" + member.Name + "' has data destinations: nothing is written there, and its rows are kept in the dataflow alone.")
		}
		loaded := about.LoadEnabled == nil || *about.LoadEnabled || writes
		if !loaded || about.IsHidden || destinations[member.Name] || !maybeTable(member.Value) {
			d.model.Expressions = append(d.model.Expressions, &model.Expression{Name: member.Name, Kind: "m", Text: member.Text})
			continue
		}
		d.model.Tables = append(d.model.Tables, &model.Table{Name: member.Name, InferredColumns: true, Partitions: []*model.Partition{{
			Name: FullPartition, Mode: "import", Source: model.PartitionSource{Type: model.MPartition, Expression: member.Text},
		}}})
	}
}

// field is the value of a field of the record before a member; nil where there is none.
func field(record *syntax.Record, name string) syntax.Expr {
	if record == nil {
		return nil
	}
	for _, f := range record.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// referred lists the queries that data destinations name: DataDestinations = {[Definition = [Kind = "Reference", QueryName = NAME, …], …]}.
func referred(attributes *syntax.Record) []string {
	list, ok := field(attributes, "DataDestinations").(*syntax.List)
	if !ok {
		return nil
	}
	var names []string
	for _, item := range list.Items {
		destination, _ := item.From.(*syntax.Record)
		definition, _ := field(destination, "Definition").(*syntax.Record)
		if name, ok := field(definition, "QueryName").(*syntax.Literal); ok && name.Kind == syntax.Text {
			names = append(names, name.Text)
		}
	}
	return names
}

// maybeTable is false for what is plainly no table: a function, a constant, a parameter.
func maybeTable(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Function, *syntax.Literal:
		return false
	case *syntax.Binary:
		return x.Op != syntax.OpMeta || maybeTable(x.Left)
	}
	return true
}
