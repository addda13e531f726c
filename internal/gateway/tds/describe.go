package tds

import (
	"math"

	"freshet.dev/internal/gateway"
)

// describe answers sp_describe_first_result_set, by which OPENQUERY and newer drivers ask for columns before they run a statement.
func (c *conn) describe(r *response, one call) error {
	text, err := one.text(0, "@tsql")
	if err != nil {
		return err
	}
	params, err := one.declared(1)
	if err != nil {
		return err
	}
	columns, err := c.session.Describe(r.ctx, gateway.Request{Text: text, Params: params})
	if err != nil {
		return err
	}
	return r.Described(columns)
}

// Described is the answer of sp_describe_first_result_set.
func (r *response) Described(columns []gateway.Column) error {
	if err := r.Columns(describing()); err != nil {
		return err
	}
	for i, column := range columns {
		row, err := described(column, i+1)
		if err != nil {
			return err
		}
		if err := r.Row(row); err != nil {
			return err
		}
	}
	return r.Done(-1)
}

// describing are the columns of sp_describe_first_result_set, as its documentation lists them.
func describing() []gateway.Column {
	bit, number, tiny, small := gateway.Type{Kind: gateway.Bit}, gateway.Type{Kind: gateway.Int}, gateway.Type{Kind: gateway.TinyInt}, gateway.Type{Kind: gateway.SmallInt}
	name := gateway.Type{Kind: gateway.NVarchar, Length: 128}
	return []gateway.Column{
		{Name: "is_hidden", Type: bit, NotNull: true}, {Name: "column_ordinal", Type: number, NotNull: true}, {Name: "name", Type: name},
		{Name: "is_nullable", Type: bit, NotNull: true}, {Name: "system_type_id", Type: number, NotNull: true},
		{Name: "system_type_name", Type: gateway.Type{Kind: gateway.NVarchar, Length: 256}}, {Name: "max_length", Type: small, NotNull: true},
		{Name: "precision", Type: tiny, NotNull: true}, {Name: "scale", Type: tiny, NotNull: true}, {Name: "collation_name", Type: name},
		{Name: "user_type_id", Type: number}, {Name: "user_type_database", Type: name}, {Name: "user_type_schema", Type: name}, {Name: "user_type_name", Type: name},
		{Name: "assembly_qualified_type_name", Type: gateway.Type{Kind: gateway.NVarchar, Length: 4000}},
		{Name: "xml_collection_id", Type: number}, {Name: "xml_collection_database", Type: name}, {Name: "xml_collection_schema", Type: name}, {Name: "xml_collection_name", Type: name},
		{Name: "is_xml_document", Type: bit, NotNull: true}, {Name: "is_case_sensitive", Type: bit, NotNull: true}, {Name: "is_fixed_length_clr_type", Type: bit, NotNull: true},
		{Name: "source_server", Type: name}, {Name: "source_database", Type: name}, {Name: "source_schema", Type: name}, {Name: "source_table", Type: name}, {Name: "source_column", Type: name},
		{Name: "is_identity_column", Type: bit}, {Name: "is_part_of_unique_key", Type: bit}, {Name: "is_updateable", Type: bit}, {Name: "is_computed_column", Type: bit},
		{Name: "is_sparse_column_set", Type: bit}, {Name: "ordinal_in_order_by_list", Type: small}, {Name: "order_by_is_descending", Type: small},
		{Name: "order_by_list_length", Type: small}, {Name: "tds_type_id", Type: number, NotNull: true}, {Name: "tds_length", Type: number, NotNull: true},
		{Name: "tds_collation_id", Type: number}, {Name: "tds_collation_sort_id", Type: tiny},
	}
}

// described is the row of one column.
func described(column gateway.Column, ordinal int) ([]any, error) {
	s, err := shapeOf(column, version74)
	if err != nil {
		return nil, err
	}
	t := column.Type
	system, precision, scale := 0, 0, int(t.Scale)
	length := s.size
	switch t.Kind { // the ids of sys.types, and how many digits a number has
	case gateway.Bit:
		system, precision = 104, 1
	case gateway.TinyInt:
		system, precision = 48, 3
	case gateway.SmallInt:
		system, precision = 52, 5
	case gateway.Int:
		system, precision = 56, 10
	case gateway.BigInt:
		system, precision = 127, 19
	case gateway.Real:
		system, precision = 59, 24
	case gateway.Float:
		system, precision = 62, 53
	case gateway.Decimal:
		system, precision = 106, int(t.Precision)
	case gateway.Money:
		system, precision, scale = 60, 19, 4
	case gateway.SmallMoney:
		system, precision, scale = 122, 10, 4
	case gateway.Unique:
		system = 36
	case gateway.Date:
		system, precision = 40, 10
	case gateway.Time:
		system, precision = 41, withFraction(8, t.Scale)
	case gateway.DateTime:
		system, precision, scale = 61, 23, 3
	case gateway.SmallDateTime:
		system, precision = 58, 16
	case gateway.DateTime2:
		system, precision = 42, withFraction(19, t.Scale)
	case gateway.DateTimeOffset:
		system, precision = 43, withFraction(26, t.Scale)
	default:
		system = int(s.id) // of text and binaries it is the same
	}
	var collationName, collationID, collationSort any
	if t.Kind >= gateway.Char && t.Kind <= gateway.NVarchar {
		collationName, collationID, collationSort = "SQL_Latin1_General_CP1_CI_AS", int64(0x00D00409), int64(52)
	}
	wireLength := length
	if s.max {
		length, wireLength = -1, math.MaxUint16
	}
	return []any{false, int64(ordinal), column.Name, !column.NotNull, int64(system), t.String(), int64(length), int64(precision), int64(scale), collationName,
		nil, nil, nil, nil, nil, nil, nil, nil, nil, false, false, false, nil, nil, nil, nil, nil,
		false, nil, false, false, false, nil, nil, nil, int64(s.id), int64(wireLength), collationID, collationSort}, nil
}

// withFraction is how many letters a time has with its fraction.
func withFraction(letters int, scale uint8) int {
	if scale == 0 {
		return letters
	}
	return letters + 1 + int(scale)
}
