// Package model holds tabular models as Freshet sees them: tables, columns, partitions, relationships, refresh policies, roles.
//
// Names are those of the Tabular Object Model (TOM). The codecs model/tmdl and model/bim read and write them.
package model

// Model is one tabular model (a "semantic model" or "dataset").
type Model struct {
	Name               string
	CompatibilityLevel int    // MinLevel to MaxLevel
	Culture            string // "en-US" when the definition names none
	DefaultMode        string // what partitions without a mode do: import (also when empty), directQuery …; the codecs apply it
	DataSources        []*DataSource
	Tables             []*Table
	Relationships      []*Relationship
	Expressions        []*Expression
	Roles              []*Role
}

// The types of data sources. An empty type in a definition is ProviderSource.
const (
	ProviderSource   = "provider"
	StructuredSource = "structured"
)

// DataSource is a provider or structured data source of levels 1200 and 1400+.
type DataSource struct {
	Name             string
	Type             string // ProviderSource or StructuredSource
	ConnectionString string // provider: its OLE DB or ODBC text, secrets removed by Validate's caller
	Provider         string
	Protocol         string            // structured: "tds", "postgresql", "file" …
	Address          map[string]string // structured: server, database, path, url …
}

// Expression is a shared M expression: a query, a parameter or a function.
type Expression struct {
	Name string
	Kind string // "m"
	Text string
}

// Table is a table with its columns and partitions.
type Table struct {
	Name          string
	Columns       []*Column
	Partitions    []*Partition
	Measures      []*Measure
	RefreshPolicy *RefreshPolicy // nil: none
	Reads         []string       // of a dataflow: the other tables whose stored rows its expressions read. What others name in M is evaluated again (Queries)

	InferredColumns         bool // its data columns are those that its partition gives: each refresh finds them anew
	CalculationGroup        bool // its rows are its calculation items; nothing is loaded
	ExcludeFromModelRefresh bool // a refresh that names no objects leaves it out
	IsHidden                bool // from people who make reports; it means nothing to a refresh
}

// Measure is kept for validation and round trips; a refresh never evaluates it.
type Measure struct {
	Name       string
	Expression string
}

// ColumnType is TOM's ColumnType.
type ColumnType string

// The kinds of columns. An empty type in a definition is DataColumn.
const (
	DataColumn                  ColumnType = "data"
	CalculatedColumn            ColumnType = "calculated"
	CalculatedTableColumnColumn ColumnType = "calculatedTableColumn"
	RowNumberColumn             ColumnType = "rowNumber"
)

// DataType is TOM's DataType.
type DataType string

// The data types of columns. Decimal is fixed point with 4 digits (DECIMAL(19,4)).
const (
	String   DataType = "string"
	Int64    DataType = "int64"
	Double   DataType = "double"
	Decimal  DataType = "decimal"
	DateTime DataType = "dateTime"
	Boolean  DataType = "boolean"
	Binary   DataType = "binary"
	Variant  DataType = "variant"
)

// Column is a column of a table.
type Column struct {
	Name         string
	Type         ColumnType
	DataType     DataType
	SourceColumn string // data columns: the column of the partition's result; the codecs put the column's name where it is left out
	Expression   string // calculated columns: DAX
	SortByColumn string
	IsHidden     bool
	Moment       string // of a dataflow, DateTime: what the entity has: date, time, datetimeoffset; "" = date and time
}

// PartitionType is TOM's PartitionSourceType.
type PartitionType string

// The kinds of partition sources. Level 1200 leaves the type out: then a query makes it QueryPartition.
const (
	MPartition                PartitionType = "m"
	QueryPartition            PartitionType = "query"
	CalculatedPartition       PartitionType = "calculated"
	EntityPartition           PartitionType = "entity"
	PolicyRangePartition      PartitionType = "policyRange"
	CalculationGroupPartition PartitionType = "calculationGroup"
	NonePartition             PartitionType = "none"
	InferredPartition         PartitionType = "inferred"
)

// Partition is a part of a table's rows with the source that they come from.
type Partition struct {
	Name   string
	Mode   string // import, directQuery, dual, push, directLake, linked; the codecs put the model's default where it is left out
	Source PartitionSource
	Link   Link // of LinkedMode
}

// LinkedMode is the mode of a dataflow's linked entity: it holds no rows, and its expression gives those that Link names.
const LinkedMode = "linked"

// Link names an entity of another dataflow: the workspace and the dataflow by their ids.
type Link struct{ Workspace, Dataflow, Entity string }

// PartitionSource says where a partition's rows come from. Which fields are set depends on Type.
type PartitionSource struct {
	Type        PartitionType
	Expression  string // m: M; calculated: DAX
	Query       string // query: SQL in the dialect of DataSource
	DataSource  string // query, entity: the name of a DataSource
	EntityName  string // entity
	SchemaName  string // entity
	EntityFrom  string // entity: the name of the shared expression that EntityName is looked up in
	Start, End  string // policyRange: [Start, End), ISO 8601
	Granularity string // policyRange
	Bookmark    string // policyRange
}

// Relationship is from the many side to the one side unless the cardinalities say otherwise.
type Relationship struct {
	Name                           string
	FromTable, FromColumn          string
	ToTable, ToColumn              string
	FromCardinality, ToCardinality string
	CrossFilteringBehavior         string
	Inactive                       bool
	JoinOnDateBehavior             string
	RelyOnReferentialIntegrity     bool
}

// RefreshPolicy is TOM's BasicRefreshPolicy.
type RefreshPolicy struct {
	Mode                     string // import (also when empty) or hybrid
	RollingWindowGranularity string // day, month, quarter, year
	RollingWindowPeriods     int
	IncrementalGranularity   string
	IncrementalPeriods       int
	IncrementalPeriodsOffset int
	SourceExpression         string // M
	PollingExpression        string // M; empty: none
	NamePrefix               string // of a dataflow: what the names of its partitions begin with
}

// Role is a security role. A model that has one with a filter refuses readers until row-level security is enforced.
type Role struct {
	Name             string
	TablePermissions map[string]string // table → DAX filter
}

// WithColumns is the model with other data columns of the tables whose columns are inferred and that are named here. The model itself is not changed.
func (m *Model) WithColumns(found []*Table) *Model {
	next := *m
	next.Tables = append([]*Table(nil), m.Tables...)
	for i, table := range m.Tables {
		for _, other := range found {
			if table.InferredColumns && EqualNames(table.Name, other.Name) {
				own := *table
				own.Columns = other.Columns
				next.Tables[i] = &own
			}
		}
	}
	return &next
}
