package postgres

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"freshet.dev/internal/source"
)

// How a type of PostgreSQL arrives in Arrow:
//
//	boolean                                  bool
//	smallint, integer, bigint, oid           int16, int32, int64, int64
//	real, double precision                   float32, float64 (with NaN and infinities)
//	numeric(p,s) with p ≤ 38, 0 ≤ s ≤ p      decimal128(p,s); its NaN fails by column and row (cast it to double precision to keep it)
//	other numeric, money                     utf8, in PostgreSQL's decimal form: every digit, also NaN, Infinity, -Infinity
//	text, varchar, char(n), name, json, xml  utf8; char(n) with its blanks
//	jsonb, uuid                              utf8
//	bytea                                    binary
//	date                                     date32; infinity fails by column and row, or is DuckDB's (ReadOptions.InfiniteDates)
//	timestamp, timestamp with time zone      timestamp[µs] without zone, and with UTC; infinity likewise
//	time                                     time64[µs]; 24:00:00 is 86,400,000,000
//	any other                                utf8, as PostgreSQL casts it to text in the SELECT
type form uint8

const (
	formText form = iota // what is sent is the text
	formCast             // cast to text in the SELECT
	formBool
	formInt16
	formInt32
	formInt64
	formOID
	formFloat32
	formFloat64
	formDecimal
	formNumeric
	formMoney // cast to numeric in the SELECT
	formJSONB
	formUUID
	formBytes
	formDate
	formTimestamp
	formTime
)

// The object identifiers of the types that are decoded; they are part of PostgreSQL's stable catalog.
const (
	oidBool        = 16
	oidBytea       = 17
	oidChar        = 18
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidOID         = 26
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
	oidUnknown     = 705
	oidMoney       = 790
	oidBPChar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestampTZ = 1184
	oidNumeric     = 1700
	oidUUID        = 2950
	oidJSONB       = 3802
)

// field is a column of a statement.
type field struct {
	name     string
	oid      uint32
	modifier int32
	form     form
	arrow    arrow.DataType
	declared string // "" while it must be asked
	scale    int    // formDecimal
}

func sameColumn(a, b field) bool {
	return a.name == b.name && a.oid == b.oid && a.modifier == b.modifier
}

// metadataKey is where a schema's field keeps its declared type.
const metadataKey = "postgresql"

func schemaOf(fields []field) *arrow.Schema {
	columns := make([]arrow.Field, len(fields))
	for i, f := range fields {
		metadata := map[string]string{metadataKey: f.declared}
		if f.form == formNumeric || f.form == formMoney {
			metadata[source.NumberKey] = "decimal"
		}
		columns[i] = arrow.Field{Name: f.name, Type: f.arrow, Nullable: true, Metadata: arrow.MetadataFrom(metadata)}
	}
	return arrow.NewSchema(columns, nil)
}

// declared returns the type that a field of a Describe schema was declared with.
func declared(f arrow.Field) string {
	text, _ := f.Metadata.GetValue(metadataKey)
	return text
}

func decimalText(oid uint32) string { return strconv.FormatUint(uint64(oid), 10) }

func fieldOf(name string, oid uint32, modifier int32) field {
	f := field{name: name, oid: oid, modifier: modifier}
	set := func(form form, arrow arrow.DataType, declared string) field {
		f.form, f.arrow, f.declared = form, arrow, declared
		return f
	}
	precise := func(name, suffix string) string {
		if modifier < 0 {
			return name + suffix
		}
		return fmt.Sprintf("%s(%d)%s", name, modifier, suffix)
	}
	sized := func(name string) string {
		if modifier < 4 {
			return name
		}
		return fmt.Sprintf("%s(%d)", name, modifier-4)
	}
	text := arrow.BinaryTypes.String
	switch oid {
	case oidBool:
		return set(formBool, arrow.FixedWidthTypes.Boolean, "boolean")
	case oidInt2:
		return set(formInt16, arrow.PrimitiveTypes.Int16, "smallint")
	case oidInt4:
		return set(formInt32, arrow.PrimitiveTypes.Int32, "integer")
	case oidInt8:
		return set(formInt64, arrow.PrimitiveTypes.Int64, "bigint")
	case oidOID:
		return set(formOID, arrow.PrimitiveTypes.Int64, "oid")
	case oidFloat4:
		return set(formFloat32, arrow.PrimitiveTypes.Float32, "real")
	case oidFloat8:
		return set(formFloat64, arrow.PrimitiveTypes.Float64, "double precision")
	case oidNumeric:
		return numericField(f)
	case oidMoney:
		return set(formMoney, text, "money")
	case oidText, oidUnknown:
		return set(formText, text, "text")
	case oidChar:
		return set(formText, text, `"char"`)
	case oidName:
		return set(formText, text, "name")
	case oidJSON:
		return set(formText, text, "json")
	case oidVarchar:
		return set(formText, text, sized("character varying"))
	case oidBPChar:
		return set(formText, text, sized("character"))
	case oidJSONB:
		return set(formJSONB, text, "jsonb")
	case oidUUID:
		return set(formUUID, text, "uuid")
	case oidBytea:
		return set(formBytes, arrow.BinaryTypes.Binary, "bytea")
	case oidDate:
		return set(formDate, arrow.FixedWidthTypes.Date32, "date")
	case oidTimestamp:
		return set(formTimestamp, &arrow.TimestampType{Unit: arrow.Microsecond}, precise("timestamp", " without time zone"))
	case oidTimestampTZ:
		return set(formTimestamp, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, precise("timestamp", " with time zone"))
	case oidTime:
		return set(formTime, arrow.FixedWidthTypes.Time64us, precise("time", " without time zone"))
	}
	return set(formCast, text, "")
}

func numericField(f field) field {
	f.form, f.arrow, f.declared = formNumeric, arrow.BinaryTypes.String, "numeric"
	if f.modifier < 4 {
		return f
	}
	precision := (f.modifier - 4) >> 16
	scale := (f.modifier - 4) & 0x7ff
	if scale >= 0x400 {
		scale -= 0x800 // PostgreSQL 15 and later: numeric(5,-2)
	}
	f.declared = fmt.Sprintf("numeric(%d,%d)", precision, scale)
	if precision <= 38 && scale >= 0 && scale <= precision {
		f.form, f.scale = formDecimal, int(scale)
		f.arrow = &arrow.Decimal128Type{Precision: precision, Scale: scale}
	}
	return f
}

// selected returns the statement that is copied: the given one, within another one when types must be cast.
func selected(statement string, fields []field) string {
	casts := false
	for _, f := range fields {
		casts = casts || f.form == formCast || f.form == formMoney
	}
	if !casts {
		return statement
	}
	outputs, names := "", ""
	for i, f := range fields {
		if i > 0 {
			outputs, names = outputs+", ", names+", "
		}
		name := fmt.Sprintf("c%d", i)
		names += name
		switch f.form {
		case formCast:
			name += "::text"
		case formMoney:
			name += "::numeric"
		}
		outputs += name
	}
	return "SELECT " + outputs + " FROM (" + statement + "\n) AS q(" + names + ")"
}
