// Package cdm reads dataflows: of generation 1, a model.json of the Common Data Model whose pbi:mashup holds the queries, and of generation 2, a folder
// of Fabric.
//
// A dataflow is read as a model: an entity is a table of one partition, whose expression is the entity's query; the other queries are shared
// expressions. So whatever holds for the refresh of a model holds for that of a dataflow. Only where M names a table it means the rows that are
// stored of it (Table.Reads). A linked entity is a table of LinkedMode without columns.
package cdm

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup/syntax"
	"freshet.dev/internal/model"
)

// FullPartition is the name of the partition of an entity that is loaded as a whole, as in Power BI's refresh history.
const FullPartition = "FullRefreshPolicyPartition"

const byteOrderMark = "\ufeff"

// Dataflow is a dataflow as it was read.
type Dataflow struct {
	Name        string
	Description string
	Generation  int      // 1 or 2
	Warnings    []string // what is in the file and has no effect here
	model       *model.Model
}

// Model returns the model that the dataflow is. It is not validated. Callers share it and do not change it.
func (d *Dataflow) Model() *model.Model { return d.model }

// file is what a refresh needs of a model.json.
type file struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Culture     string   `json:"culture"`
	Mashup      *mashup  `json:"pbi:mashup"`
	Entities    []entity `json:"entities"`
}

type mashup struct {
	Document        string           `json:"document"`
	QueriesMetadata map[string]query `json:"queriesMetadata"`
}

type query struct {
	EntityName  string `json:"entityName"` // "": the query's
	LoadEnabled bool   `json:"loadEnabled"`
}

type entity struct {
	Type       string        `json:"$type"` // LocalEntity (also when empty) or ReferenceEntity
	Name       string        `json:"name"`
	ModelID    string        `json:"modelId"` // of a reference: WORKSPACE/DATAFLOW
	Source     string        `json:"source"`  // of a reference: the entity there
	Attributes []attribute   `json:"attributes"`
	Policy     refreshPolicy `json:"pbi:refreshPolicy"`
}

type attribute struct {
	Name     string `json:"name"`
	DataType string `json:"dataType"`
}

// Find returns the path of the dataflow among files, of generation 2 too; "" where there is none. A .json file that holds a model of another kind is
// no dataflow.
func Find(files map[string][]byte) (string, error) {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) == queriesFile {
			found = append(found, name)
		}
		if !strings.EqualFold(path.Ext(name), ".json") {
			continue
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(withoutMark(files[name]), &members) != nil {
			continue
		}
		if members["pbi:mashup"] != nil || members["entities"] != nil {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	}
	return "", fault.New(fault.Invalid, model.CodeFile, "cannot tell which file is the dataflow: %s", strings.Join(found, ", ")).WithHint("Deploy one of them")
}

// ModelFile is the name of the file that a dataflow of generation 1 is.
const ModelFile = "model.json"

// Export returns the files that the dataflow among files is: ModelFile alone, whatever its name was, or those of the folder of generation 2, by
// their names below it.
func Export(files map[string][]byte) (map[string][]byte, error) {
	name, err := Find(files)
	if err != nil {
		return nil, err
	}
	if path.Base(name) != queriesFile {
		return map[string][]byte{ModelFile: files[name]}, nil
	}
	below := strings.TrimSuffix(name, queriesFile) // the folder
	found := map[string][]byte{}
	for name, content := range files {
		if inside, ok := strings.CutPrefix(name, below); ok {
			found[inside] = content
		}
	}
	return found, nil
}

// Decode reads the dataflow among files. The error names the file and what is wrong in it.
func Decode(files map[string][]byte) (*Dataflow, error) {
	name, err := Find(files)
	if err != nil {
		return nil, err
	}
	if path.Base(name) == queriesFile {
		return decodeFabric(files, name)
	}
	if name == "" {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot find a dataflow: no .json file has the member pbi:mashup, and there is no mashup.pq").WithHint("Deploy a model.json that Power BI has exported, or a .Dataflow folder of Fabric")
	}
	content := withoutMark(files[name])
	if !utf8.Valid(content) {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read %s: it is not UTF-8", name).WithHint("Save it as UTF-8")
	}
	var read file
	if err := json.Unmarshal(content, &read); err != nil {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read %s: %s", name, mistyped(err)).WithHint("Compare it with what Power BI exports")
	}
	if read.Mashup == nil {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read %s: it has no pbi:mashup, so it describes files of data and no queries that could be refreshed", name).
			WithHint("Deploy the model.json of a dataflow with queries of its own")
	}
	section, err := syntax.ParseSection(name+", pbi:mashup.document", read.Mashup.Document)
	if err != nil {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read the queries: %w", err).WithHint("Correct the M text")
	}
	d := &Dataflow{Name: read.Name, Description: read.Description, Generation: 1, model: &model.Model{Name: read.Name, CompatibilityLevel: model.MaxLevel, Culture: read.Culture}}
	if d.model.Culture == "" {
		d.model.Culture = "en-US"
	}
	return d, d.compile(name, read, section)
}

// mistyped is an error of reading JSON, in words that name no type of Go's.
func mistyped(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return "'" + wrong.Field + "' cannot be " + wrong.Value
	}
	return err.Error()
}

func withoutMark(content []byte) []byte {
	return []byte(strings.TrimPrefix(string(content), byteOrderMark))
}

// compile makes tables of entities and shared expressions of the other queries.
func (d *Dataflow) compile(path string, read file, section *syntax.Section) error {
	queries := make(map[string]syntax.Member, len(section.Members)) // by name; in the end those that are shared expressions
	for _, member := range section.Members {
		queries[member.Name] = member
	}
	feeds, fed := map[string]string{}, map[string]bool{} // entity → query; queries
	for _, name := range slices.Sorted(maps.Keys(read.Mashup.QueriesMetadata)) {
		if into := read.Mashup.QueriesMetadata[name].EntityName; into != "" {
			feeds[into], fed[name] = name, true
		}
	}
	var errs []error
	loaded := map[string]bool{} // queries
	readers := map[string]syntax.Expr{}
	aliases := map[string]string{} // query → entity
	for _, entity := range read.Entities {
		from := feeds[entity.Name]
		if from == "" && !fed[entity.Name] {
			from = entity.Name
		}
		query, known := queries[from]
		link, err := entity.link(path)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case link != model.Link{} && !known:
			query, from = syntax.Member{Text: navigation(link)}, entity.Name
		case !known:
			errs = append(errs, broken(path, entity.Name, "it has no query in pbi:mashup.document", "Its queries are: "+strings.Join(slices.Sorted(maps.Keys(queries)), ", ")))
			continue
		}
		if _, other := queries[entity.Name]; other && from != entity.Name {
			errs = append(errs, broken(path, entity.Name, "its query is '"+from+"', and another query has the entity's name", "Rename that query"))
			continue
		}
		loaded[from] = true
		if from != entity.Name {
			aliases[from] = entity.Name
		}
		if link != (model.Link{}) {
			d.model.Tables = append(d.model.Tables, &model.Table{Name: entity.Name, Partitions: []*model.Partition{{
				Name: FullPartition, Mode: model.LinkedMode, Source: model.PartitionSource{Type: model.MPartition, Expression: query.Text}, Link: link,
			}}})
			continue
		}
		table, err := entity.table(path, query.Text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.model.Tables = append(d.model.Tables, table)
		if err := entity.applyPolicy(path, table); err != nil {
			errs = append(errs, err)
			continue
		}
		readers[table.Name] = query.Value
	}
	for _, member := range section.Members {
		text := member.Text
		if entity, is := aliases[member.Name]; is {
			text = identifier(entity)
			member.Value = &syntax.Identifier{Name: entity}
		} else if loaded[member.Name] {
			continue // others name the table
		}
		d.model.Expressions = append(d.model.Expressions, &model.Expression{Name: member.Name, Kind: "m", Text: text})
		queries[member.Name] = member
		if read.Mashup.QueriesMetadata[member.Name].LoadEnabled && !loaded[member.Name] {
			d.warn("Query '" + member.Name + "' is to be loaded, but there is no entity for it: it is not.")
		}
	}
	if len(errs) == 0 && len(d.model.Tables) == 0 {
		errs = append(errs, fault.New(fault.Invalid, model.CodeFile, "cannot use %s: it has no entity with a query, so there is nothing to refresh", path).WithHint("Give it one"))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := d.order(path, readers, queries); err != nil {
		return err
	}
	return d.ranges(path)
}

// link is what a linked entity names; zero for another one.
func (e entity) link(path string) (model.Link, error) {
	if !strings.EqualFold(e.Type, "ReferenceEntity") {
		return model.Link{}, nil
	}
	workspace, dataflow, ok := strings.Cut(strings.ToLower(e.ModelID), "/")
	if !ok {
		return model.Link{}, broken(path, e.Name, "its modelId '"+e.ModelID+"' is not WORKSPACE/DATAFLOW", "Give it the ids of both")
	}
	return model.Link{Workspace: workspace, Dataflow: dataflow, Entity: cmp.Or(e.Source, e.Name)}, nil
}

// navigation is M for the rows of a linked entity.
func navigation(link model.Link) string {
	return `PowerPlatform.Dataflows(null){[Id = "Workspaces"]}[Data]{[workspaceId = ` + literal(link.Workspace) + `]}[Data]{[dataflowId = ` + literal(link.Dataflow) +
		`]}[Data]{[entity = ` + literal(link.Entity) + `, version = ""]}[Data]`
}

func (d *Dataflow) warn(text string) { d.Warnings = append(d.Warnings, text) }

func broken(path, entity, what, hint string) error {
	err := fault.New(fault.Invalid, model.CodeFile, "cannot use %s, entity '%s': %s", path, entity, what).WithHint("%s", hint)
	err.Where = fault.Where{Table: entity}
	return err
}

// identifier is a name as M text.
func identifier(name string) string { return "#" + literal(name) }

// literal is a text as M text.
func literal(text string) string {
	return `"` + strings.NewReplacer(`"`, `""`, "#(", "#(#)(").Replace(text) + `"`
}

// table is an entity whose rows an M text gives.
func (e entity) table(path, text string) (*model.Table, error) {
	if len(e.Attributes) == 0 {
		return nil, broken(path, e.Name, "it has no attributes, so it is not known which columns it has", "Save the dataflow in Power BI, which adds them, and export it again")
	}
	table := &model.Table{Name: e.Name, Partitions: []*model.Partition{{
		Name: FullPartition, Mode: "import", Source: model.PartitionSource{Type: model.MPartition, Expression: text},
	}}}
	for _, attribute := range e.Attributes {
		kind, known := dataType(attribute.DataType)
		if !known {
			return nil, broken(path, e.Name, "attribute '"+attribute.Name+"' has the unknown dataType '"+attribute.DataType+"'",
				"It is one of string, int64, double, decimal, boolean, date, time, dateTime, dateTimeOffset, guid, json, unclassified")
		}
		column := &model.Column{Name: attribute.Name, Type: model.DataColumn, DataType: kind, SourceColumn: attribute.Name}
		if moment := strings.ToLower(attribute.DataType); kind == model.DateTime && moment != "datetime" {
			column.Moment = moment
		}
		table.Columns = append(table.Columns, column)
	}
	return table, nil
}

// dataType is the type of the column that an attribute becomes. Dates and times are DateTime, as they are in models; what has no type is text.
func dataType(name string) (model.DataType, bool) {
	switch strings.ToLower(name) {
	case "string", "guid", "json", "unclassified", "unspecified", "":
		return model.String, true
	case "int64", "int32", "int16", "byte":
		return model.Int64, true
	case "double", "float":
		return model.Double, true
	case "decimal":
		return model.Decimal, true
	case "boolean":
		return model.Boolean, true
	case "date", "time", "datetime", "datetimeoffset":
		return model.DateTime, true
	}
	return "", false
}
