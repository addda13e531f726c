package catalogue

import "freshet.dev/internal/gateway"

// facts are what catalogs tell of a type: ODBC's words and those of OLE DB, of INFORMATION_SCHEMA and of sys.types.
type facts struct {
	name      string
	odbc      int64 // SQL_… of ODBC 3
	odbc2     int64 // of ODBC 2; as a rule the same
	precision int64 // COLUMN_SIZE: digits or letters
	length    int64 // in bytes, as ODBC's buffers need it
	scale     any
	radix     any
	verbose   int64 // SQL_DATA_TYPE
	sub       any   // SQL_DATETIME_SUB
	octets    any   // of text and binaries
	letters   any   // CHARACTER_MAXIMUM_LENGTH
	legacy    int64 // SS_DATA_TYPE of DB-Library: the type that may be NULL
	id        int64 // in sys.types
	bytes     int64 // max_length there; -1 is max
	digits    int64 // precision there
	places    int64 // scale there
	oledb     int64 // DBTYPE_…
	fixed     bool  // in length
	moment    any   // DATETIME_PRECISION
}

// factsOf tells a type as sp_columns does ("Appendix D: Data Types" of the ODBC reference, sys.types, "Data Type Mappings" of OLE DB). modern is the form for
// clients that know the types of SQL Server 2008, which sp_columns_100 is for; others take long text for ntext, and dates for text.
func factsOf(t gateway.Type, modern bool) facts {
	whole := func(name string, odbc, digits, bytes, legacy, id, oledb int64) facts {
		return facts{name: name, odbc: odbc, precision: digits, length: bytes, scale: int64(0), radix: int64(10), legacy: legacy, id: id, bytes: bytes, digits: digits, oledb: oledb, fixed: true}
	}
	float := func(name string, odbc, bits, bytes, legacy, id, oledb int64) facts {
		return facts{name: name, odbc: odbc, precision: bits, length: bytes, radix: int64(2), legacy: legacy, id: id, bytes: bytes, digits: bits, oledb: oledb, fixed: true}
	}
	exact := func(name string, digits, places, length, legacy, id, bytes, oledb int64) facts {
		return facts{name: name, odbc: 3, precision: digits, length: length, scale: places, radix: int64(10), legacy: legacy, id: id, bytes: bytes, digits: digits, places: places, oledb: oledb, fixed: true}
	}
	scale := int64(t.Scale)
	f := facts{}
	switch t.Kind {
	case gateway.Bit:
		f = facts{name: "bit", odbc: -7, precision: 1, length: 1, legacy: 50, id: 104, bytes: 1, digits: 1, oledb: 11, fixed: true}
	case gateway.TinyInt:
		f = whole("tinyint", -6, 3, 1, 38, 48, 17)
	case gateway.SmallInt:
		f = whole("smallint", 5, 5, 2, 38, 52, 2)
	case gateway.Int:
		f = whole("int", 4, 10, 4, 38, 56, 3)
	case gateway.BigInt:
		f = whole("bigint", -5, 19, 8, 108, 127, 20)
	case gateway.Real:
		f = float("real", 7, 24, 4, 109, 59, 4)
	case gateway.Float:
		f = float("float", 6, 53, 8, 109, 62, 5)
	case gateway.Decimal:
		bytes := int64(5)
		for _, most := range []uint8{9, 19, 28} {
			if t.Precision > most {
				bytes += 4
			}
		}
		f = exact("decimal", int64(t.Precision), scale, int64(t.Precision)+2, 106, 106, bytes, 131)
	case gateway.Money:
		f = exact("money", 19, 4, 21, 110, 60, 8, 6)
	case gateway.SmallMoney:
		f = exact("smallmoney", 10, 4, 12, 110, 122, 4, 6)
	case gateway.Char:
		f = sized("char", 1, -1, int64(t.Length), 1, 39, 175, 129, modern)
	case gateway.NChar:
		f = sized("nchar", -8, -10, int64(t.Length), 2, 39, 239, 130, modern)
	case gateway.Varchar:
		f = sized("varchar", 12, -1, int64(t.Length), 1, 39, 167, 129, modern)
	case gateway.Binary:
		f = sized("binary", -2, -4, int64(t.Length), 1, 37, 173, 128, modern)
	case gateway.Varbinary:
		f = sized("varbinary", -3, -4, int64(t.Length), 1, 37, 165, 128, modern)
	case gateway.Unique:
		f = facts{name: "uniqueidentifier", odbc: -11, precision: 36, length: 16, legacy: 37, id: 36, bytes: 16, oledb: 72, fixed: true}
	case gateway.DateTime:
		f = facts{name: "datetime", odbc: 93, precision: 23, length: 16, scale: int64(3), sub: int64(3), legacy: 111, id: 61, bytes: 8, digits: 23, places: 3, oledb: 135, fixed: true, moment: int64(3)}
	case gateway.SmallDateTime:
		f = facts{name: "smalldatetime", odbc: 93, precision: 16, length: 16, scale: int64(0), sub: int64(3), legacy: 111, id: 58, bytes: 4, digits: 16, oledb: 135, fixed: true, moment: int64(0)}
	case gateway.Date:
		f = facts{name: "date", odbc: 91, precision: 10, length: 6, scale: int64(0), sub: int64(1), legacy: 0, id: 40, bytes: 3, digits: 10, oledb: 133, fixed: true, moment: int64(0)}
	case gateway.Time:
		f = facts{name: "time", odbc: -154, precision: fraction(8, scale), length: 12, scale: scale, id: 41, bytes: 5, digits: fraction(8, scale), places: scale, oledb: 145, fixed: true, moment: scale}
	case gateway.DateTime2:
		f = facts{name: "datetime2", odbc: 93, precision: fraction(19, scale), length: 16, scale: scale, sub: int64(3), id: 42, bytes: 8, digits: fraction(19, scale), places: scale, oledb: 135, fixed: true, moment: scale}
	case gateway.DateTimeOffset:
		f = facts{name: "datetimeoffset", odbc: -155, precision: fraction(26, scale), length: 20, scale: scale, id: 43, bytes: 10, digits: fraction(26, scale), places: scale, oledb: 146, fixed: true, moment: scale}
	default: // NVarchar, and what has no type yet
		f = sized("nvarchar", -9, -10, int64(t.Length), 2, 39, 231, 130, modern)
	}
	f.verbose, f.odbc2 = f.odbc, f.odbc
	switch {
	case f.legacy == 0 && !modern: // a type of 2008 for a client from before it
		f.odbc, f.odbc2, f.verbose, f.sub, f.scale = -9, -9, -9, nil, nil
		f.length, f.legacy = 2*f.precision, 39
		f.octets = f.length
	case f.sub != nil:
		f.verbose = 9
		if f.odbc == 93 {
			f.odbc2 = 11
		} else {
			f.odbc2 = 9
		}
	}
	return f
}

// sized is a type of text or binaries; length 0 is max, whose ODBC type long is for clients that do not know it.
func sized(name string, odbc, long, length, width, legacy, id, oledb int64, modern bool) facts {
	f := facts{name: name, odbc: odbc, precision: length, length: length * width, octets: length * width, letters: length, legacy: legacy, id: id, bytes: length * width, oledb: oledb}
	if length > 0 {
		return f
	}
	f.letters, f.bytes = int64(-1), -1
	if modern {
		return f // 0 in every place, which means without bounds (SQL_SS_LENGTH_UNLIMITED)
	}
	const most = 1<<31 - 1
	f.odbc, f.precision, f.length, f.octets = long, most/width, most/width*width, most/width*width
	f.name, f.legacy = map[int64]string{-1: "text", -10: "ntext", -4: "image"}[long], map[int64]int64{-1: 35, -10: 35, -4: 34}[long]
	return f
}

// fraction is how many letters a time has with its fraction.
func fraction(letters, scale int64) int64 {
	if scale == 0 {
		return letters
	}
	return letters + 1 + scale
}

// isText tells whether values are of letters.
func (f facts) isText() bool { return f.oledb == 129 || f.oledb == 130 }

// isNumber tells whether values are numbers.
func (f facts) isNumber() bool { return f.radix != nil }

// offered are the types that columns and parameters here can have, as the lists of types give them, by their ODBC type.
func offered() []gateway.Type {
	return []gateway.Type{
		{Kind: gateway.DateTimeOffset, Scale: 7}, {Kind: gateway.Time, Scale: 7}, {Kind: gateway.Unique}, {Kind: gateway.NVarchar, Length: 4000}, {Kind: gateway.NChar, Length: 4000},
		{Kind: gateway.Bit}, {Kind: gateway.TinyInt}, {Kind: gateway.BigInt}, {Kind: gateway.Varbinary, Length: 8000}, {Kind: gateway.Binary, Length: 8000}, {Kind: gateway.Char, Length: 8000},
		{Kind: gateway.Decimal, Precision: 38, Scale: 38}, {Kind: gateway.Money}, {Kind: gateway.SmallMoney}, {Kind: gateway.Int}, {Kind: gateway.SmallInt}, {Kind: gateway.Float}, {Kind: gateway.Real},
		{Kind: gateway.Varchar, Length: 8000}, {Kind: gateway.Date}, {Kind: gateway.DateTime2, Scale: 7}, {Kind: gateway.DateTime}, {Kind: gateway.SmallDateTime},
	}
}
