package model

import (
	"cmp"
	"strings"

	"freshet.dev/internal/fault"
)

// The compatibility levels that Freshet reads. Power BI Desktop has written 1606 since late 2025; it adds nothing that a refresh reads.
const (
	MinLevel = 1200
	MaxLevel = 1606
)

// The codes of definitions that cannot be read.
const (
	// Invalid: the model's compatibility level is not one that Freshet reads.
	// Do: save the model with a level that the text names.
	codeLevel = "CompatibilityLevelNotSupported"

	// Invalid: a file of the model's definition cannot be read; the text names file, line and column.
	// Do: correct it there.
	CodeFile = "ModelFileInvalid"
)

// CheckLevel refuses a compatibility level outside MinLevel and MaxLevel by name.
func CheckLevel(level int) error {
	if level >= MinLevel && level <= MaxLevel {
		return nil
	}
	err := fault.New(fault.Invalid, codeLevel, "cannot take a model of compatibility level %d: levels %d to %d are supported", level, MinLevel, MaxLevel)
	if level < MinLevel {
		return err.WithHint("Upgrade the model to level %d in the tool that made it", MinLevel)
	}
	return err.WithHint("Save the model with level %d, or use a newer Freshet", MaxLevel)
}

// canonical returns the known spelling of text, or text itself where none matches: Validate names it then.
func canonical[T ~string](text string, known ...T) T {
	text = strings.TrimSpace(text)
	for _, value := range known {
		if strings.EqualFold(text, string(value)) {
			return value
		}
	}
	return T(text)
}

// NewDataType returns the data type of that name in any letter case. An unknown name is kept for Validate to report.
func NewDataType(text string) DataType {
	return canonical(text, String, Int64, Double, Decimal, DateTime, Boolean, Binary, Variant)
}

// NewColumnType returns the column type of that name in any letter case; data where there is none.
func NewColumnType(text string) ColumnType {
	if text == "" {
		return DataColumn
	}
	return canonical(text, DataColumn, CalculatedColumn, CalculatedTableColumnColumn, RowNumberColumn)
}

// NewPartitionType returns the partition type of that name in any letter case.
func NewPartitionType(text string) PartitionType {
	return canonical(text, MPartition, QueryPartition, CalculatedPartition, EntityPartition, PolicyRangePartition,
		CalculationGroupPartition, NonePartition, InferredPartition)
}

// NewMode returns the partition mode of that name in any letter case; "" where it is left to the model.
func NewMode(text string) string {
	mode := canonical(text, "import", "directQuery", "dual", "push", "directLake", "default")
	if mode == "default" {
		return ""
	}
	return mode
}

// NewGranularity returns the refresh policy's granularity of that name in any letter case.
func NewGranularity(text string) string {
	return canonical(text, "day", "month", "quarter", "year")
}

// Complete puts TOM's defaults where a definition leaves something out. Both codecs end with it.
func (m *Model) Complete() {
	if m.Culture == "" {
		m.Culture = "en-US"
	}
	if m.DefaultMode == "" {
		m.DefaultMode = "import"
	}
	for _, source := range m.DataSources {
		if source.Type == "" {
			source.Type = ProviderSource
		}
	}
	for _, expression := range m.Expressions {
		if expression.Kind == "" {
			expression.Kind = "m"
		}
	}
	for _, table := range m.Tables {
		for _, column := range table.Columns {
			if column.SourceColumn == "" && column.Type == DataColumn {
				column.SourceColumn = column.Name
			}
		}
		for _, partition := range table.Partitions {
			if partition.Mode == "" {
				partition.Mode = m.DefaultMode
			}
			partition.Source.complete()
		}
	}
	for _, r := range m.Relationships {
		r.FromCardinality = canonical(cmp.Or(r.FromCardinality, "many"), "one", "many", "none")
		r.ToCardinality = canonical(cmp.Or(r.ToCardinality, "one"), "one", "many", "none")
		r.CrossFilteringBehavior = canonical(cmp.Or(r.CrossFilteringBehavior, "oneDirection"), "oneDirection", "bothDirections", "automatic")
		r.JoinOnDateBehavior = canonical(cmp.Or(r.JoinOnDateBehavior, "dateAndTime"), "dateAndTime", "datePartOnly")
	}
}

// complete infers the type of a source that names none, as level 1200 does.
func (s *PartitionSource) complete() {
	if s.Type != "" {
		return
	}
	switch {
	case s.Query != "" || s.DataSource != "" && s.EntityName == "":
		s.Type = QueryPartition
	case s.EntityName != "":
		s.Type = EntityPartition
	case s.Expression != "":
		s.Type = MPartition
	case s.Start != "" || s.End != "":
		s.Type = PolicyRangePartition
	default:
		s.Type = NonePartition
	}
}
