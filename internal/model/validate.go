package model

import (
	"errors"
	"maps"
	"slices"

	"freshet.dev/internal/fault"
)

// Validate checks what a refresh relies on: names are unique, types are known, references lead somewhere. The error joins all that
// is wrong, each a fault of kind Invalid that names the object and what to do.
func (m *Model) Validate() error {
	v := &validation{}
	if err := CheckLevel(m.CompatibilityLevel); err != nil {
		v.errs = append(v.errs, err)
	}
	checkNames(v, "data source", fault.Where{}, m.DataSources, func(d *DataSource) string { return d.Name })
	checkNames(v, "expression", fault.Where{}, m.Expressions, func(e *Expression) string { return e.Name })
	checkNames(v, "table", fault.Where{}, m.Tables, func(t *Table) string { return t.Name })
	checkNames(v, "role", fault.Where{}, m.Roles, func(r *Role) string { return r.Name })
	checkNames(v, "relationship", fault.Where{}, m.Relationships, func(r *Relationship) string { return r.Name })
	for _, expression := range m.Expressions {
		if expression.Kind != "m" {
			v.add(fault.Where{}, "Write it in M", "expression '%s' has the unknown kind '%s'", expression.Name, expression.Kind)
		}
	}
	for _, source := range m.DataSources {
		if source.Type != ProviderSource && source.Type != StructuredSource {
			v.add(fault.Where{}, "Make it provider or structured", "data source '%s' has the unknown type '%s'", source.Name, source.Type)
		}
	}
	measures := map[string]string{} // name → table
	for _, table := range m.Tables {
		m.validateTable(v, table)
		for _, measure := range table.Measures {
			key := NameKey(measure.Name)
			if other, taken := measures[key]; taken {
				v.add(fault.Where{Table: table.Name}, "Rename one of them: measures are unique in a model", "measure '%s' is in table '%s' too", measure.Name, other)
			}
			measures[key] = table.Name
		}
	}
	for _, r := range m.Relationships {
		m.validateEnd(v, r.Name, "from", r.FromTable, r.FromColumn, r.FromCardinality)
		m.validateEnd(v, r.Name, "to", r.ToTable, r.ToColumn, r.ToCardinality)
	}
	for _, role := range m.Roles {
		for _, table := range slices.Sorted(maps.Keys(role.TablePermissions)) {
			if m.Table(table) == nil {
				v.add(fault.Where{Table: table}, "Remove the permission, or correct the name", "role '%s' filters a table that is not there", role.Name)
			}
		}
	}
	return errors.Join(v.errs...)
}

type validation struct {
	errs []error
}

func (v *validation) add(where fault.Where, hint, format string, args ...any) {
	err := fault.New(fault.Invalid, fault.CodeModelInvalid, "cannot use the model: "+format, args...).WithHint("%s", hint)
	err.Where = where
	v.errs = append(v.errs, err)
}

func checkNames[T any](v *validation, what string, where fault.Where, list []T, nameOf func(T) string) {
	seen := map[string]bool{}
	for _, item := range list {
		name := nameOf(item)
		if name == "" {
			v.add(where, "Give it one", "a %s has no name", what)
			continue
		}
		if key := NameKey(name); !seen[key] {
			seen[key] = true
			continue
		}
		v.add(where, "Rename one of them: names are compared without regard to case", "there are two of the %s '%s'", what, name)
	}
}

func (m *Model) validateTable(v *validation, table *Table) {
	where := fault.Where{Table: table.Name}
	names := make([]string, 0, len(table.Columns)+len(table.Measures))
	for _, column := range table.Columns {
		names = append(names, column.Name)
	}
	for _, measure := range table.Measures {
		names = append(names, measure.Name)
	}
	checkNames(v, "column or measure", where, names, func(name string) string { return name })
	checkNames(v, "partition", where, table.Partitions, func(p *Partition) string { return p.Name })
	for _, column := range table.Columns {
		where := fault.Where{Table: table.Name, Column: column.Name}
		switch column.Type {
		case DataColumn:
			if !slices.Contains(loadable, column.DataType) {
				v.add(where, "Give it the dataType string, int64, double, decimal, dateTime, boolean or binary", "%s", unknownDataType(column.DataType))
			}
		case CalculatedColumn, CalculatedTableColumnColumn, RowNumberColumn:
			// Their types may be inferred.
		default:
			v.add(where, "Make it data, calculated or calculatedTableColumn", "the column has the unknown type '%s'", column.Type)
		}
		if column.SortByColumn != "" && table.Column(column.SortByColumn) == nil {
			v.add(where, "Correct sortByColumn", "it is sorted by column '%s', which is not there", column.SortByColumn)
		}
	}
	for _, partition := range table.Partitions {
		m.validatePartition(v, fault.Where{Table: table.Name, Partition: partition.Name}, partition)
	}
	if policy := table.RefreshPolicy; policy != nil {
		if !slices.Contains([]string{"", "import", "hybrid"}, policy.Mode) {
			v.add(where, "Make it import or hybrid", "the refresh policy has the unknown mode '%s'", policy.Mode)
		}
		for _, granularity := range []string{policy.RollingWindowGranularity, policy.IncrementalGranularity} {
			if !slices.Contains([]string{"", "day", "month", "quarter", "year"}, granularity) {
				v.add(where, "Make it day, month, quarter or year", "the refresh policy has the unknown granularity '%s'", granularity)
			}
		}
	}
}

// loadable are the data types that a source's rows can be loaded as.
var loadable = []DataType{String, Int64, Double, Decimal, DateTime, Boolean, Binary}

func unknownDataType(dataType DataType) string {
	if dataType == "" {
		return "the column has no data type"
	}
	return "the column has the data type '" + string(dataType) + "', which rows cannot be loaded as"
}

func (m *Model) validatePartition(v *validation, where fault.Where, partition *Partition) {
	if !slices.Contains([]string{"import", "directQuery", "dual", "push", "directLake", LinkedMode}, partition.Mode) {
		v.add(where, "Make it import", "the partition has the unknown mode '%s'", partition.Mode)
	}
	source := partition.Source
	switch source.Type {
	case QueryPartition:
		if source.DataSource == "" {
			v.add(where, "Name one in source.dataSource", "the query names no data source")
		}
	case MPartition, CalculatedPartition, EntityPartition, PolicyRangePartition, CalculationGroupPartition, NonePartition, InferredPartition:
	default:
		v.add(where, "Make it m, query or calculated", "the partition has the unknown source type '%s'", source.Type)
	}
	if source.DataSource != "" && m.DataSource(source.DataSource) == nil {
		v.add(where, "Correct source.dataSource, or add the data source", "it reads from data source '%s', which is not there", source.DataSource)
	}
	if source.EntityFrom != "" && m.Expression(source.EntityFrom) == nil {
		v.add(where, "Correct source.expressionSource, or add the expression", "it reads from expression '%s', which is not there", source.EntityFrom)
	}
}

func (m *Model) validateEnd(v *validation, relationship, end, tableName, columnName, cardinality string) {
	where := fault.Where{Table: tableName, Column: columnName}
	hint := "Correct the relationship's " + end + " end, or remove the relationship"
	table := m.Table(tableName)
	switch {
	case tableName == "" || columnName == "":
		v.add(where, hint, "relationship '%s' has no %s column", relationship, end)
	case table == nil:
		v.add(where, hint, "relationship '%s' leads %s a table that is not there", relationship, end)
	case table.Column(columnName) == nil:
		v.add(where, hint, "relationship '%s' leads %s a column that is not there", relationship, end)
	}
	if !slices.Contains([]string{"one", "many", "none"}, cardinality) {
		v.add(where, "Make it one or many", "relationship '%s' has the unknown %s cardinality '%s'", relationship, end, cardinality)
	}
}
