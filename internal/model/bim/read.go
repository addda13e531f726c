package bim

import (
	"strconv"
	"strings"

	"freshet.dev/internal/model"
)

// reader takes the model out of the JSON. It keeps the first error and then returns zero values.
type reader struct {
	path string
	err  error
}

func (r *reader) fail(v *value, format string, args ...any) {
	if r.err == nil {
		r.err = failAt(r.path, v.line, v.col, format, args...)
	}
}

// get returns the member of that name; nil where there is none or it is null.
func (r *reader) get(v *value, name string) *value {
	if v == nil {
		return nil
	}
	for _, m := range v.members {
		if m.key.text == name && m.value.kind != null {
			return m.value
		}
	}
	return nil
}

func (r *reader) object(v *value, name string) *value {
	member := r.get(v, name)
	if member != nil && member.kind != object {
		r.fail(member, "expected an object for %q, found %s", name, member.kind.found())
		return nil
	}
	return member
}

// objects returns the items of an array of objects.
func (r *reader) objects(v *value, name string) []*value {
	member := r.get(v, name)
	if member == nil {
		return nil
	}
	if member.kind != array {
		r.fail(member, "expected an array for %q, found %s", name, member.kind.found())
		return nil
	}
	for _, item := range member.items {
		if item.kind != object {
			r.fail(item, "expected an object in %q, found %s", name, item.kind.found())
			return nil
		}
	}
	return member.items
}

// check refuses properties whose names are nearly those that a refresh relies on.
func (r *reader) check(v *value, kind string) {
	if v == nil {
		return
	}
	for _, m := range v.members {
		if meant := model.Misspelt(kind, m.key.text); meant != "" {
			r.fail(m.key, "expected a property of a %s, found %q: is %q meant?", kind, m.key.text, meant)
		}
	}
}

// text returns a text, which may stand as an array of its lines.
func (r *reader) text(v *value, name string) string {
	member := r.get(v, name)
	if member == nil {
		return ""
	}
	switch member.kind {
	case text:
		return member.text
	case array:
		lines := make([]string, len(member.items))
		for i, item := range member.items {
			if item.kind != text {
				r.fail(item, "expected a line of text in %q, found %s", name, item.kind.found())
			}
			lines[i] = item.text
		}
		return strings.Join(lines, "\n")
	}
	r.fail(member, "expected a text or an array of lines for %q, found %s", name, member.kind.found())
	return ""
}

// name returns the name that every object of a collection must have.
func (r *reader) name(v *value, what string) string {
	name := r.text(v, "name")
	if name == "" {
		r.fail(v, "expected a \"name\" for this %s", what)
	}
	return name
}

func (r *reader) integer(v *value, name string) int {
	member := r.get(v, name)
	if member == nil {
		return 0
	}
	n, err := strconv.Atoi(member.raw)
	if member.kind != number || err != nil {
		found := member.raw
		if found == "" {
			found = member.kind.found()
		}
		r.fail(member, "expected a whole number for %q, found %s", name, found)
	}
	return n
}

func (r *reader) boolean(v *value, name string, otherwise bool) bool {
	member := r.get(v, name)
	if member == nil {
		return otherwise
	}
	if member.kind != boolean {
		r.fail(member, "expected true or false for %q, found %s", name, member.kind.found())
	}
	return member.raw == "true"
}

// database reads the root: a database, or a script that creates one.
func (r *reader) database(root *value) *model.Model {
	database := root
	for _, command := range []string{"createOrReplace", "create"} {
		if script := r.object(root, command); script != nil {
			if database = r.object(script, "database"); database == nil {
				r.fail(script, "expected a \"database\" in %q", command)
				return nil
			}
		}
	}
	definition := r.object(database, "model")
	if definition == nil {
		r.fail(root, "expected a database with a \"model\", or a createOrReplace script of one")
		return nil
	}
	r.check(database, "database")
	r.check(definition, "model")
	if r.get(database, "compatibilityLevel") == nil {
		r.fail(database, "expected a \"compatibilityLevel\" in the database")
		return nil
	}
	m := &model.Model{
		Name:               r.text(database, "name"),
		CompatibilityLevel: r.integer(database, "compatibilityLevel"),
		Culture:            r.text(definition, "culture"),
		DefaultMode:        model.NewMode(r.text(definition, "defaultMode")),
	}
	if r.err == nil {
		r.err = model.CheckLevel(m.CompatibilityLevel)
	}
	for _, v := range r.objects(definition, "dataSources") {
		m.DataSources = append(m.DataSources, r.dataSource(v))
	}
	for _, v := range r.objects(definition, "tables") {
		m.Tables = append(m.Tables, r.table(v))
	}
	for _, v := range r.objects(definition, "relationships") {
		r.check(v, "relationship")
		m.Relationships = append(m.Relationships, &model.Relationship{
			Name:                       r.text(v, "name"),
			FromTable:                  r.text(v, "fromTable"),
			FromColumn:                 r.text(v, "fromColumn"),
			ToTable:                    r.text(v, "toTable"),
			ToColumn:                   r.text(v, "toColumn"),
			FromCardinality:            r.text(v, "fromCardinality"),
			ToCardinality:              r.text(v, "toCardinality"),
			CrossFilteringBehavior:     r.text(v, "crossFilteringBehavior"),
			Inactive:                   !r.boolean(v, "isActive", true),
			JoinOnDateBehavior:         r.text(v, "joinOnDateBehavior"),
			RelyOnReferentialIntegrity: r.boolean(v, "relyOnReferentialIntegrity", false),
		})
	}
	for _, v := range r.objects(definition, "expressions") {
		m.Expressions = append(m.Expressions, &model.Expression{
			Name: r.name(v, "expression"), Kind: strings.ToLower(r.text(v, "kind")), Text: r.text(v, "expression"),
		})
	}
	for _, v := range r.objects(definition, "roles") {
		role := &model.Role{Name: r.name(v, "role")}
		for _, permission := range r.objects(v, "tablePermissions") {
			if filter := r.text(permission, "filterExpression"); filter != "" {
				if role.TablePermissions == nil {
					role.TablePermissions = map[string]string{}
				}
				role.TablePermissions[r.name(permission, "table permission")] = filter
			}
		}
		m.Roles = append(m.Roles, role)
	}
	m.Complete()
	return m
}

func (r *reader) dataSource(v *value) *model.DataSource {
	r.check(v, "dataSource")
	source := &model.DataSource{
		Name:             r.name(v, "data source"),
		Type:             strings.ToLower(r.text(v, "type")),
		ConnectionString: r.text(v, "connectionString"),
		Provider:         r.text(v, "provider"),
	}
	details := r.object(v, "connectionDetails")
	source.Protocol = r.text(details, "protocol")
	if address := r.object(details, "address"); address != nil {
		source.Address = map[string]string{}
		for _, m := range address.members {
			switch m.value.kind {
			case text:
				source.Address[m.key.text] = m.value.text
			case number, boolean:
				source.Address[m.key.text] = m.value.raw
			}
		}
	}
	return source
}

func (r *reader) table(v *value) *model.Table {
	r.check(v, "table")
	table := &model.Table{
		Name:                    r.name(v, "table"),
		CalculationGroup:        r.object(v, "calculationGroup") != nil,
		ExcludeFromModelRefresh: r.boolean(v, "excludeFromModelRefresh", false),
		IsHidden:                r.boolean(v, "isHidden", false),
	}
	for _, v := range r.objects(v, "columns") {
		r.check(v, "column")
		table.Columns = append(table.Columns, &model.Column{
			Name:         r.name(v, "column"),
			Type:         model.NewColumnType(r.text(v, "type")),
			DataType:     model.NewDataType(r.text(v, "dataType")),
			SourceColumn: r.text(v, "sourceColumn"),
			Expression:   r.text(v, "expression"),
			SortByColumn: r.text(v, "sortByColumn"),
			IsHidden:     r.boolean(v, "isHidden", false),
		})
	}
	for _, v := range r.objects(v, "partitions") {
		r.check(v, "partition")
		partition := &model.Partition{Name: r.name(v, "partition"), Mode: model.NewMode(r.text(v, "mode"))}
		source := r.object(v, "source")
		partition.Source = model.PartitionSource{
			Type:        model.NewPartitionType(r.text(source, "type")),
			Expression:  r.text(source, "expression"),
			Query:       r.text(source, "query"),
			DataSource:  r.text(source, "dataSource"),
			EntityName:  r.text(source, "entityName"),
			SchemaName:  r.text(source, "schemaName"),
			EntityFrom:  r.text(source, "expressionSource"),
			Start:       r.text(source, "start"),
			End:         r.text(source, "end"),
			Granularity: model.NewGranularity(r.text(source, "granularity")),
			Bookmark:    r.text(source, "refreshBookmark"),
		}
		table.Partitions = append(table.Partitions, partition)
	}
	for _, v := range r.objects(v, "measures") {
		table.Measures = append(table.Measures, &model.Measure{Name: r.name(v, "measure"), Expression: r.text(v, "expression")})
	}
	if v := r.object(v, "refreshPolicy"); v != nil {
		r.check(v, "refreshPolicy")
		table.RefreshPolicy = &model.RefreshPolicy{
			Mode:                     strings.ToLower(r.text(v, "mode")),
			RollingWindowGranularity: model.NewGranularity(r.text(v, "rollingWindowGranularity")),
			RollingWindowPeriods:     r.integer(v, "rollingWindowPeriods"),
			IncrementalGranularity:   model.NewGranularity(r.text(v, "incrementalGranularity")),
			IncrementalPeriods:       r.integer(v, "incrementalPeriods"),
			IncrementalPeriodsOffset: r.integer(v, "incrementalPeriodsOffset"),
			SourceExpression:         r.text(v, "sourceExpression"),
			PollingExpression:        r.text(v, "pollingExpression"),
		}
	}
	return table
}
