package tmdl

import (
	"encoding/json"
	"strconv"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// reader takes the model out of the declarations. It keeps the first error and then returns zero values.
type reader struct {
	err error
}

func (r *reader) failed(err error) {
	if r.err == nil {
		r.err = err
	}
}

// expression returns a property's value as it stands.
func (d *declaration) expression(name string) string {
	if d == nil {
		return ""
	}
	if n := d.properties[name]; n != nil {
		return n.value
	}
	return ""
}

// text returns a property's value without the quotes that it may stand in.
func (d *declaration) text(name string) string {
	value := d.expression(name)
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	inner := value[1 : len(value)-1]
	if strings.Contains(strings.ReplaceAll(inner, `""`, ""), `"`) {
		return value // the quotes are part of the value, as in "$"#,0.00" EUR"
	}
	return strings.ReplaceAll(inner, `""`, `"`)
}

// reference returns the name of an object that a property names.
func (d *declaration) reference(name string) string {
	value := d.text(name)
	if found, rest, ok := nameOf(value, ""); ok && rest == "" {
		return found
	}
	return value
}

func (r *reader) boolean(d *declaration, name string, otherwise bool) bool {
	n := d.properties[name]
	if n == nil {
		return otherwise
	}
	switch strings.ToLower(n.value) {
	case "true":
		return true
	case "false":
		return false
	case "":
		if n.op == 0 {
			return true
		}
	}
	r.failed(n.failValue("expected true or false for %s, found %q", n.keyword, n.value))
	return false
}

func (r *reader) integer(d *declaration, name string) int {
	n := d.properties[name]
	if n == nil {
		return 0
	}
	value, err := strconv.Atoi(n.value)
	if err != nil {
		r.failed(n.failValue("expected a whole number for %s, found %q", n.keyword, n.value))
	}
	return value
}

// column reads a qualified name: Table.Column, each in quotes where it must be.
func (r *reader) column(d *declaration, name string) (table, column string) {
	n := d.properties[name]
	if n == nil {
		return "", ""
	}
	table, rest, ok := nameOf(n.value, ".")
	if rest, found := strings.CutPrefix(rest, "."); ok && found && table != "" {
		if column, rest, ok = nameOf(rest, ""); ok && rest == "" && column != "" {
			return table, column
		}
	}
	r.failed(n.failValue("expected Table.Column for %s, each in single quotes where it has blanks, found %q", n.keyword, n.value))
	return "", ""
}

func (r *reader) model(root *declaration) *model.Model {
	database := root.one("database")
	if database == nil || database.properties["compatibilitylevel"] == nil {
		r.failed(fault.New(fault.Invalid, model.CodeFile, "cannot read the model: it has no compatibility level").
			WithHint("Add a file database.tmdl: `database`, and below it, indented by a tab, `compatibilityLevel: 1600`"))
		return nil
	}
	m := &model.Model{
		Name:               database.name,
		CompatibilityLevel: r.integer(database, "compatibilitylevel"),
		Culture:            root.text("culture"),
		DefaultMode:        model.NewMode(root.text("defaultmode")),
	}
	if r.err == nil {
		r.failed(model.CheckLevel(m.CompatibilityLevel))
	}
	for _, d := range root.all("datasource") {
		m.DataSources = append(m.DataSources, r.dataSource(d))
	}
	for _, d := range root.all("table") {
		m.Tables = append(m.Tables, r.table(d))
	}
	for _, d := range root.all("relationship") {
		relationship := &model.Relationship{
			Name:                       d.name,
			FromCardinality:            d.text("fromcardinality"),
			ToCardinality:              d.text("tocardinality"),
			CrossFilteringBehavior:     d.text("crossfilteringbehavior"),
			Inactive:                   !r.boolean(d, "isactive", true),
			JoinOnDateBehavior:         d.text("joinondatebehavior"),
			RelyOnReferentialIntegrity: r.boolean(d, "relyonreferentialintegrity", false),
		}
		relationship.FromTable, relationship.FromColumn = r.column(d, "fromcolumn")
		relationship.ToTable, relationship.ToColumn = r.column(d, "tocolumn")
		m.Relationships = append(m.Relationships, relationship)
	}
	for _, d := range root.all("expression") {
		m.Expressions = append(m.Expressions, &model.Expression{Name: d.name, Kind: strings.ToLower(d.text("kind")), Text: d.expression("")})
	}
	for _, d := range root.all("role") {
		role := &model.Role{Name: d.name}
		for _, permission := range d.all("tablepermission") {
			if filter := permission.expression(""); filter != "" {
				if role.TablePermissions == nil {
					role.TablePermissions = map[string]string{}
				}
				role.TablePermissions[permission.name] = filter
			}
		}
		m.Roles = append(m.Roles, role)
	}
	m.Complete()
	return m
}

func (r *reader) table(d *declaration) *model.Table {
	table := &model.Table{
		Name:                    d.name,
		CalculationGroup:        d.one("calculationgroup") != nil,
		ExcludeFromModelRefresh: r.boolean(d, "excludefrommodelrefresh", false),
		IsHidden:                r.boolean(d, "ishidden", false),
	}
	calculated := false
	for _, p := range d.all("partition") {
		partition := r.partition(p)
		calculated = calculated || partition.Source.Type == model.CalculatedPartition
		table.Partitions = append(table.Partitions, partition)
	}
	for _, c := range d.all("column") {
		column := &model.Column{
			Name:         c.name,
			Type:         model.NewColumnType(c.text("type")),
			DataType:     model.NewDataType(c.text("datatype")),
			SourceColumn: c.text("sourcecolumn"),
			Expression:   c.expression(""),
			SortByColumn: c.reference("sortbycolumn"),
			IsHidden:     r.boolean(c, "ishidden", false),
		}
		// TMDL leaves the type of a column to its form and to its table.
		if c.properties["type"] == nil {
			switch {
			case c.properties[""] != nil:
				column.Type = model.CalculatedColumn
			case calculated:
				column.Type = model.CalculatedTableColumnColumn
			}
		}
		table.Columns = append(table.Columns, column)
	}
	for _, m := range d.all("measure") {
		table.Measures = append(table.Measures, &model.Measure{Name: m.name, Expression: m.expression("")})
	}
	if p := d.one("refreshpolicy"); p != nil {
		table.RefreshPolicy = &model.RefreshPolicy{
			Mode:                     strings.ToLower(p.text("mode")),
			RollingWindowGranularity: model.NewGranularity(p.text("rollingwindowgranularity")),
			RollingWindowPeriods:     r.integer(p, "rollingwindowperiods"),
			IncrementalGranularity:   model.NewGranularity(p.text("incrementalgranularity")),
			IncrementalPeriods:       r.integer(p, "incrementalperiods"),
			IncrementalPeriodsOffset: r.integer(p, "incrementalperiodsoffset"),
			SourceExpression:         p.expression("sourceexpression"),
			PollingExpression:        p.expression("pollingexpression"),
		}
	}
	return table
}

func (r *reader) partition(d *declaration) *model.Partition {
	partition := &model.Partition{Name: d.name, Mode: model.NewMode(d.text("mode"))}
	s := &partition.Source
	s.Type = model.NewPartitionType(d.text(""))
	text := d.expression("source")
	if source := d.one("source"); source != nil {
		s.DataSource = source.reference("datasource")
		s.EntityName = source.text("entityname")
		s.SchemaName = source.text("schemaname")
		s.EntityFrom = source.reference("expressionsource")
		s.Start = source.text("start")
		s.End = source.text("end")
		s.Granularity = model.NewGranularity(source.text("granularity"))
		s.Bookmark = source.text("refreshbookmark")
		s.Query = source.expression("query")
		if n := source.properties["query"]; n != nil && n.op == ':' {
			s.Query = source.text("query")
		}
		if text == "" {
			text = source.expression("expression")
		}
	}
	if s.Type == model.QueryPartition && s.Query == "" {
		s.Query = text
	} else {
		s.Expression = text
	}
	return partition
}

func (r *reader) dataSource(d *declaration) *model.DataSource {
	source := &model.DataSource{
		Name:             d.name,
		Type:             strings.ToLower(d.text("type")),
		ConnectionString: d.text("connectionstring"),
		Provider:         d.text("provider"),
	}
	if source.Type == "" {
		source.Type = strings.ToLower(d.text(""))
	}
	// Connection details stand as an object of properties or, as in model.bim, as a JSON text.
	details := d.one("connectiondetails")
	if details == nil {
		if n := d.properties["connectiondetails"]; n != nil {
			r.connection(source, n)
		}
		return source
	}
	if n := details.properties[""]; n != nil {
		r.connection(source, n)
		return source
	}
	source.Protocol = details.text("protocol")
	if address := details.one("address"); address != nil {
		source.Address = map[string]string{}
		for _, n := range address.properties {
			source.Address[n.keyword] = address.text(n.kind())
		}
	}
	return source
}

func (r *reader) connection(source *model.DataSource, n *node) {
	var details struct {
		Protocol string
		Address  map[string]any
	}
	if err := json.Unmarshal([]byte(n.value), &details); err != nil {
		r.failed(n.failValue("expected the connection details as JSON: %v", err))
		return
	}
	source.Protocol = details.Protocol
	source.Address = map[string]string{}
	for key, value := range details.Address {
		switch value := value.(type) {
		case string:
			source.Address[key] = value
		case float64:
			source.Address[key] = strconv.FormatFloat(value, 'f', -1, 64)
		case bool:
			source.Address[key] = strconv.FormatBool(value)
		}
	}
}
