package model

import (
	"strings"
	"unicode"
)

// EqualNames tells whether two object names mean the same object: names are compared without regard to case.
func EqualNames(a, b string) bool { return strings.EqualFold(a, b) }

// NameKey returns a map key that is the same for names that EqualNames holds equal.
func NameKey(name string) string {
	return strings.Map(func(r rune) rune {
		// The smallest rune of the orbit that simple case folding goes around stands for all of them.
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, name)
}

func named[T any](list []T, nameOf func(T) string, name string) T {
	for _, item := range list {
		if EqualNames(nameOf(item), name) {
			return item
		}
	}
	var none T
	return none
}

// Table returns the table of that name, or nil.
func (m *Model) Table(name string) *Table {
	return named(m.Tables, func(t *Table) string { return t.Name }, name)
}

// DataSource returns the data source of that name, or nil.
func (m *Model) DataSource(name string) *DataSource {
	return named(m.DataSources, func(d *DataSource) string { return d.Name }, name)
}

// Expression returns the shared expression of that name, or nil.
func (m *Model) Expression(name string) *Expression {
	return named(m.Expressions, func(e *Expression) string { return e.Name }, name)
}

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	return named(t.Columns, func(c *Column) string { return c.Name }, name)
}

// Partition returns the partition of that name, or nil.
func (t *Table) Partition(name string) *Partition {
	return named(t.Partitions, func(p *Partition) string { return p.Name }, name)
}

// Measure returns the measure of that name, or nil.
func (t *Table) Measure(name string) *Measure {
	return named(t.Measures, func(m *Measure) string { return m.Name }, name)
}
