package mashup

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// arrowExpr is a column of record batches, or of a file, in DuckDB.
func arrowExpr(t arrow.DataType) *sqlExpr {
	switch t := t.(type) {
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType:
		return &sqlExpr{kind: sqlText}
	case *arrow.Int64Type, *arrow.Int32Type, *arrow.Int16Type, *arrow.Int8Type, *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type:
		return &sqlExpr{kind: sqlInt}
	case *arrow.Float64Type, *arrow.Float32Type:
		return &sqlExpr{kind: sqlDouble, nan: true}
	case *arrow.Decimal128Type:
		return &sqlExpr{kind: sqlDecimal, precision: t.Precision, scale: t.Scale}
	case *arrow.BooleanType:
		return &sqlExpr{kind: sqlLogical}
	case *arrow.Date32Type:
		return &sqlExpr{kind: sqlDate}
	case *arrow.TimestampType:
		if t.TimeZone == "" && t.Unit != arrow.Nanosecond {
			return &sqlExpr{kind: sqlDateTime}
		}
	case *arrow.BinaryType:
		return &sqlExpr{kind: sqlBinary}
	}
	return &sqlExpr{}
}

var postgresType = regexp.MustCompile(`^([a-z ]+?)(?:\((\d+)(?:,\s*(-?\d+))?\))?( without time zone)?$`)

// postgresExpr is a column by its declared type. Types that compare in ways of their own (char(n), citext, uuid, json …) are handed
// on as they are.
func postgresExpr(declared string) *sqlExpr {
	match := postgresType.FindStringSubmatch(strings.ToLower(declared))
	if match == nil {
		return &sqlExpr{}
	}
	switch match[1] {
	case "text", "character varying", "varchar":
		return &sqlExpr{kind: sqlText}
	case "smallint", "integer", "bigint", "int", "int2", "int4", "int8":
		return &sqlExpr{kind: sqlInt}
	case "double precision", "float8", "real", "float4":
		return &sqlExpr{kind: sqlDouble, nan: true}
	case "boolean", "bool":
		return &sqlExpr{kind: sqlLogical}
	case "date":
		return &sqlExpr{kind: sqlDate}
	case "timestamp":
		return &sqlExpr{kind: sqlDateTime}
	case "numeric", "decimal":
		if match[2] == "" {
			return &sqlExpr{}
		}
		precision, _ := strconv.Atoi(match[2])
		scale, _ := strconv.Atoi(match[3])
		if scale < 0 || precision > 38 {
			return &sqlExpr{}
		}
		return &sqlExpr{kind: sqlDecimal, precision: int32(precision), scale: int32(scale), nan: true}
	}
	return &sqlExpr{}
}

// convertExpr folds the conversion of a column.
func convertExpr(f *folding, q *query, e *sqlExpr, column string, typ *typeValue, culture string) (*sqlExpr, error) {
	name := converterName(typ)
	if name == "" {
		return e, nil
	}
	no := refuse("the conversion of column '%s' to %s has no exact form in SQL", column, columnTypeText(typ))
	switch e.kind {
	case sqlInt:
		if name == "Int64.From" || name == "Number.From" {
			return e, nil
		}
	case sqlDouble:
		if name == "Number.From" || name == "Double.From" {
			return e, nil
		}
	case sqlDecimal:
		if name == "Number.From" || name == "Decimal.From" {
			return e, nil
		}
	case sqlLogical:
		if name == "Logical.From" {
			return e, nil
		}
	case sqlDate, sqlDateTime:
		kind := map[string]sqlKind{"Date.From": sqlDate, "DateTime.From": sqlDateTime}[name]
		switch {
		case kind == e.kind:
			return e, nil
		case kind == sqlDate:
			return &sqlExpr{kind: kind, form: "CAST({0} AS DATE)", args: []*sqlExpr{e}, raises: e.raises, strict: e.strict, nonNull: e.nonNull}, nil
		case kind == sqlDateTime:
			return &sqlExpr{kind: kind, form: "CAST({0} AS TIMESTAMP)", args: []*sqlExpr{e}, raises: e.raises, strict: e.strict, nonNull: e.nonNull}, nil
		}
	case sqlBinary:
		if name == "Binary.From" {
			return e, nil
		}
	case sqlText:
		if name == "Text.From" {
			return e, nil
		}
		if q.postgres() || e.raises || e.column == "" {
			return nil, no
		}
		return convertText(e, column, name, culture, no)
	}
	return nil, no
}

// convertText folds the conversion of texts: by a function that takes the cells in the plain form of the type at once, and gives all
// others to the conversion of the library. DuckDB's own casts take more than the language does ('1_000', '0x10', '1.6' as a whole number),
// so that each would have to be checked by writing its result back, which costs more than the function.
func convertText(e *sqlExpr, column, name, culture string, no error) (*sqlExpr, error) {
	made := &sqlExpr{raises: true, strict: true}
	form := convertFunction(name) + "({0}, {1}, {2})"
	switch name {
	case "Int64.From":
		made.kind = sqlInt
	case "Number.From", "Double.From":
		made.kind, made.nan = sqlDouble, true
	case "Currency.From":
		made.kind, made.precision, made.scale, made.fits = sqlDecimal, 19, 4, true
	case "Logical.From":
		made.kind = sqlLogical
	case "Date.From":
		made.kind, form = sqlDate, "CAST("+form+" AS DATE)"
	case "DateTime.From":
		made.kind = sqlDateTime
	default:
		return nil, no
	}
	if culture == "" {
		culture = "en-US"
	}
	if decimalMark(culture) == 0 && (made.kind == sqlDouble || made.kind == sqlDecimal) {
		return nil, no
	}
	col, _ := literalExpr(text(column))
	how, _ := literalExpr(text(culture))
	made.form, made.args = form, []*sqlExpr{e, col, how}
	return made, nil
}

// convertFunction is the name in SQL of a conversion of the library.
func convertFunction(name string) string {
	return "freshet_" + strings.ToLower(strings.ReplaceAll(name, ".", "_"))
}

// decimalMark is the decimal separator of the cultures whose numbers fold; 0 for others.
func decimalMark(culture string) byte {
	switch strings.ToLower(strings.SplitN(culture, "-", 2)[0]) {
	case "", "en":
		if c := strings.ToLower(culture); c == "" || c == "en-us" || c == "en-gb" {
			return '.'
		}
	case "de", "pt", "es", "it", "nl":
		switch strings.ToLower(culture) {
		case "de-de", "pt-br", "es-es", "it-it", "nl-nl":
			return ','
		}
	}
	return 0
}
