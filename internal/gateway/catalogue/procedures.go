package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"freshet.dev/internal/gateway"
)

// procedure is a catalog procedure, or several that answer alike.
type procedure struct {
	names  string // with spaces between
	takes  string // its parameters in their order, without @
	layout layout
	rows   func(asked) []row // sorted as the documentation says
}

// asked is a call of a procedure.
type asked struct {
	*Database
	name   string
	values map[string]any // by the parameter's name in small letters; without NULL
}

// numberQualifier is SQL Server's error for a qualifier that is not the session's database.
const numberQualifier = 15250

// Procedure answers a catalog procedure, whose name is without database and schema; false: there is none of that name. Results without columns are of
// procedures that answer with nothing. Parameters come by name or by position.
func (d *Database) Procedure(name string, params []gateway.Param) (Rows, bool, error) {
	name = strings.ToLower(name)
	for _, p := range slices.Concat(odbcProcedures(), oledbProcedures()) {
		if !slices.Contains(strings.Fields(p.names), name) {
			continue
		}
		a := asked{Database: d, name: name, values: map[string]any{}}
		takes := strings.Fields(p.takes)
		for i, param := range params {
			key := strings.ToLower(strings.TrimPrefix(param.Name, "@"))
			if key == "" && i < len(takes) {
				key = takes[i]
			}
			if param.Value != nil {
				a.values[key] = param.Value
			}
		}
		if err := a.qualified(); err != nil {
			return Rows{}, true, err
		}
		return Rows{p.layout.columns(), p.layout.fill(p.rows(a))}, true, nil
	}
	return Rows{}, false, nil
}

// qualified refuses the name of another database, as SQL Server does.
func (a asked) qualified() error {
	if strings.HasPrefix(a.name, "sp_tables") {
		return nil // where it may be a pattern
	}
	for _, name := range []string{"table_qualifier", "procedure_qualifier", "sp_qualifier", "pktable_qualifier", "fktable_qualifier"} {
		if q := a.text(name); q != "" && !strings.EqualFold(q, a.Name) {
			return &gateway.Error{Message: gateway.Message{Number: numberQualifier, State: 1, Class: 16,
				Text: fmt.Sprintf("cannot run %s for the database '%s' from '%s': USE [%s] comes first", a.name, q, a.Name, q)}}
		}
	}
	return nil
}

// text is a parameter; "" where it is not given.
func (a asked) text(name string) string {
	value, given := a.values[name]
	if !given {
		return ""
	}
	return fmt.Sprint(value)
}

func (a asked) whole(name string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(strings.TrimSpace(a.text(name)), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// fits tells whether a name is what a parameter asks for. A parameter that is not given, or empty, asks for all.
func (a asked) fits(parameter, name string) bool {
	wanted := a.text(parameter)
	switch {
	case wanted == "":
		return true
	case a.whole("fusepattern", 1) == 0:
		return strings.EqualFold(wanted, name)
	}
	return like(name, wanted)
}

// is tells whether a name is what a parameter asks for, without patterns.
func (a asked) is(parameter, name string) bool {
	wanted := a.text(parameter)
	return wanted == "" || strings.EqualFold(wanted, name)
}

// types reads a list of kinds, each perhaps in quotes: 'TABLE','VIEW'. None is all.
func (a asked) types(kind string) bool {
	list := a.text("table_type")
	if list == "" || allTypes(list) {
		return true
	}
	for word := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(word, " '\""), kind) {
			return true
		}
	}
	return false
}

// allTypes tells whether a list of kinds asks for each. FreeTDS puts the % in quotes as it does every kind.
func allTypes(list string) bool { return strings.Trim(list, " '") == "%" }

// none answers procedures about what there is not here, such as keys.
func none(asked) []row { return nil }

// odbcProcedures are those of ODBC, JDBC and DB-Library.
func odbcProcedures() []procedure {
	describing := `TABLE_QUALIFIER sysname, TABLE_OWNER sysname, TABLE_NAME sysname, COLUMN_NAME sysname, DATA_TYPE smallint, TYPE_NAME sysname, PRECISION int, LENGTH int,
		SCALE smallint, RADIX smallint, NULLABLE smallint, REMARKS varchar(254), COLUMN_DEF nvarchar(4000), SQL_DATA_TYPE smallint, SQL_DATETIME_SUB smallint,
		CHAR_OCTET_LENGTH int, ORDINAL_POSITION int, IS_NULLABLE varchar(254), `
	const extended = `SS_UDT_CATALOG_NAME sysname, SS_UDT_SCHEMA_NAME sysname, SS_UDT_ASSEMBLY_TYPE_NAME nvarchar(4000), SS_XML_SCHEMACOLLECTION_CATALOG_NAME sysname,
		SS_XML_SCHEMACOLLECTION_SCHEMA_NAME sysname, SS_XML_SCHEMACOLLECTION_NAME sysname, SS_DATA_TYPE tinyint`
	parameters := `PROCEDURE_QUALIFIER sysname, PROCEDURE_OWNER sysname, PROCEDURE_NAME nvarchar(134), COLUMN_NAME sysname, COLUMN_TYPE smallint, DATA_TYPE smallint, TYPE_NAME sysname,
		PRECISION int, LENGTH int, SCALE smallint, RADIX smallint, NULLABLE smallint=1, REMARKS varchar(254), COLUMN_DEF nvarchar(4000), SQL_DATA_TYPE smallint, SQL_DATETIME_SUB smallint,
		CHAR_OCTET_LENGTH int, ORDINAL_POSITION int, IS_NULLABLE varchar(254)=YES, `
	const special = "table_name table_owner table_qualifier col_type scope nullable odbcver"
	return []procedure{
		// sp_tables (Transact-SQL). sp_tableswc is what FreeTDS asks for when the database's name is a pattern.
		{"sp_tables sp_tableswc", "table_name table_owner table_qualifier table_type fusepattern",
			columns("TABLE_QUALIFIER sysname, TABLE_OWNER sysname, TABLE_NAME sysname, TABLE_TYPE varchar(32), REMARKS varchar(254)"), tables},

		// sp_columns (Transact-SQL); what _90 and _100 add is in SQLColumns of the SQL Server Native Client's reference.
		{"sp_columns", "table_name table_owner table_qualifier column_name odbcver", columns(describing + "SS_DATA_TYPE tinyint"), columnsOf},
		{"sp_columns_90", "table_name table_owner table_qualifier column_name odbcver fusepattern", columns(describing + extended), columnsOf},
		{"sp_columns_100", "table_name table_owner table_qualifier column_name namescope odbcver fusepattern",
			columns(describing + "SS_IS_SPARSE smallint=0, SS_IS_COLUMN_SET smallint=0, SS_IS_COMPUTED smallint=0, SS_IS_IDENTITY smallint=0, " + extended), columnsOf},

		// GetSchema("Columns") of .NET ("SQL Server Schema Collections"), which calls it.
		{"sp_columns_managed", "catalog owner table column schematype",
			columns(`TABLE_CATALOG sysname, TABLE_SCHEMA sysname, TABLE_NAME sysname, COLUMN_NAME sysname, ORDINAL_POSITION int, COLUMN_DEFAULT nvarchar(4000), IS_NULLABLE varchar(3),
				DATA_TYPE sysname, CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int, NUMERIC_PRECISION tinyint, NUMERIC_PRECISION_RADIX smallint, NUMERIC_SCALE int,
				DATETIME_PRECISION smallint, CHARACTER_SET_CATALOG sysname, CHARACTER_SET_SCHEMA sysname, CHARACTER_SET_NAME sysname, COLLATION_CATALOG sysname,
				IS_SPARSE bit=0, IS_COLUMN_SET bit=0, IS_FILESTREAM bit=0`), managed},

		// GetSchema("Indexes") and ("IndexColumns").
		{"sp_indexes_managed", "catalog owner table name",
			columns(`constraint_catalog sysname, constraint_schema sysname, constraint_name sysname, table_catalog sysname, table_schema sysname, table_name sysname, index_name sysname,
				type_desc nvarchar(60)`), none},
		{"sp_indexcolumns_managed", "catalog owner table constraintname column",
			columns(`constraint_catalog sysname, constraint_schema sysname, constraint_name sysname, table_catalog sysname, table_schema sysname, table_name sysname, column_name sysname,
				ordinal_position int, KeyType tinyint, index_name sysname`), none},

		// sp_statistics (Transact-SQL).
		{"sp_statistics sp_statistics_100", "table_name table_owner table_qualifier index_name is_unique accuracy",
			columns(`TABLE_QUALIFIER sysname, TABLE_OWNER sysname, TABLE_NAME sysname, NON_UNIQUE smallint, INDEX_QUALIFIER sysname, INDEX_NAME sysname, TYPE smallint, SEQ_IN_INDEX smallint,
				COLUMN_NAME sysname, COLLATION char(1), CARDINALITY int, PAGES int, FILTER_CONDITION varchar(128)`), statistics},

		// sp_pkeys, sp_fkeys and sp_special_columns (Transact-SQL): there are no keys.
		{"sp_pkeys", "table_name table_owner table_qualifier",
			columns("TABLE_QUALIFIER sysname, TABLE_OWNER sysname, TABLE_NAME sysname, COLUMN_NAME sysname, KEY_SEQ smallint, PK_NAME sysname"), none},
		{"sp_fkeys", "pktable_name pktable_owner pktable_qualifier fktable_name fktable_owner fktable_qualifier",
			columns(`PKTABLE_QUALIFIER sysname, PKTABLE_OWNER sysname, PKTABLE_NAME sysname, PKCOLUMN_NAME sysname, FKTABLE_QUALIFIER sysname, FKTABLE_OWNER sysname, FKTABLE_NAME sysname,
				FKCOLUMN_NAME sysname, KEY_SEQ smallint, UPDATE_RULE smallint, DELETE_RULE smallint, FK_NAME sysname, PK_NAME sysname, DEFERRABILITY smallint`), none},
		{"sp_special_columns sp_special_columns_90 sp_special_columns_100", special,
			columns("SCOPE smallint, COLUMN_NAME sysname, DATA_TYPE smallint, TYPE_NAME sysname, PRECISION int, LENGTH int, SCALE smallint, PSEUDO_COLUMN smallint"), none},

		// sp_stored_procedures and sp_sproc_columns (Transact-SQL).
		{"sp_stored_procedures", "sp_name sp_owner sp_qualifier fusepattern",
			columns(`PROCEDURE_QUALIFIER sysname, PROCEDURE_OWNER sysname, PROCEDURE_NAME nvarchar(134), NUM_INPUT_PARAMS int=-1, NUM_OUTPUT_PARAMS int=-1, NUM_RESULT_SETS int=-1,
				REMARKS varchar(254), PROCEDURE_TYPE smallint=2`), storedProcedures},
		{"sp_sproc_columns", "procedure_name procedure_owner procedure_qualifier column_name odbcver fusepattern", columns(parameters + "SS_DATA_TYPE tinyint"), parametersOf},
		{"sp_sproc_columns_90 sp_sproc_columns_100", "procedure_name procedure_owner procedure_qualifier column_name odbcver fusepattern",
			columns(parameters + `SS_TYPE_CATALOG_NAME sysname, SS_TYPE_SCHEMA_NAME sysname, SS_UDT_CATALOG_NAME sysname, SS_UDT_SCHEMA_NAME sysname, SS_UDT_ASSEMBLY_TYPE_NAME nvarchar(4000),
				SS_XML_SCHEMACOLLECTION_CATALOG_NAME sysname, SS_XML_SCHEMACOLLECTION_SCHEMA_NAME sysname, SS_XML_SCHEMACOLLECTION_NAME sysname, SS_DATA_TYPE tinyint`), parametersOf},

		// sp_datatype_info (Transact-SQL).
		{"sp_datatype_info sp_datatype_info_90 sp_datatype_info_100", "data_type odbcver",
			columns(`TYPE_NAME sysname, DATA_TYPE smallint, PRECISION int, LITERAL_PREFIX varchar(32), LITERAL_SUFFIX varchar(32), CREATE_PARAMS varchar(32), NULLABLE smallint=1,
				CASE_SENSITIVE smallint=0, SEARCHABLE smallint=2, UNSIGNED_ATTRIBUTE smallint, MONEY smallint=0, AUTO_INCREMENT smallint, LOCAL_TYPE_NAME sysname, MINIMUM_SCALE smallint,
				MAXIMUM_SCALE smallint, SQL_DATA_TYPE smallint, SQL_DATETIME_SUB smallint, NUM_PREC_RADIX int, INTERVAL_PRECISION smallint, USERTYPE smallint=0`), dataTypes},

		// sp_databases, sp_server_info, sp_table_privileges and sp_column_privileges (Transact-SQL). Everything may be read, as far as the service allows it.
		{"sp_databases", "", columns("DATABASE_NAME sysname, DATABASE_SIZE int, REMARKS varchar(254)"), databases},
		{"sp_server_info", "attribute_id", columns("ATTRIBUTE_ID int, ATTRIBUTE_NAME varchar(60), ATTRIBUTE_VALUE varchar(255)"), serverInfo},
		{"sp_table_privileges", "table_name table_owner table_qualifier fusepattern",
			columns("TABLE_QUALIFIER sysname, TABLE_OWNER sysname, TABLE_NAME sysname, GRANTOR sysname=dbo, GRANTEE sysname, PRIVILEGE varchar(32)=SELECT, IS_GRANTABLE varchar(3)=NO"), tablePrivileges},
		{"sp_column_privileges", "table_name table_owner table_qualifier column_name",
			columns("TABLE_QUALIFIER sysname, TABLE_OWNER sysname, TABLE_NAME sysname, COLUMN_NAME sysname, GRANTOR sysname=dbo, GRANTEE sysname, PRIVILEGE varchar(32)=SELECT, IS_GRANTABLE varchar(3)=NO"), columnPrivileges},
	}
}

// tables answers sp_tables, and the three questions that SQLTables of ODBC puts by a % alone: which databases, schemas and kinds of tables there are.
func tables(a asked) (rows []row) {
	name, owner, qualifier := a.text("table_name"), a.text("table_owner"), a.text("table_qualifier")
	_, named := a.values["table_name"]
	_, owned := a.values["table_owner"]
	switch {
	case qualifier == "%" && named && name == "" && owned && owner == "":
		for _, db := range slices.Sorted(slices.Values(a.Databases)) {
			rows = append(rows, row{"TABLE_QUALIFIER": db})
		}
		return rows
	case owner == "%" && named && name == "" && qualifier == "":
		for _, s := range a.names() {
			rows = append(rows, row{"TABLE_OWNER": s})
		}
		return rows
	case allTypes(a.text("table_type")) && name == "" && owner == "" && qualifier == "":
		return []row{{"TABLE_TYPE": "TABLE"}, {"TABLE_TYPE": "VIEW"}}
	}
	if !a.fits("table_qualifier", a.Name) {
		return nil
	}
	for _, kind := range []string{"TABLE", "VIEW"} { // sorted by the kind first
		for _, e := range a.relations() {
			if e.kind() == kind && a.types(kind) && a.fits("table_owner", e.Schema) && a.fits("table_name", e.Name) {
				rows = append(rows, row{"TABLE_QUALIFIER": a.Name, "TABLE_OWNER": e.Schema, "TABLE_NAME": e.Name, "TABLE_TYPE": kind, "REMARKS": remark(e.About)})
			}
		}
	}
	return rows
}

// remark cuts a text to what remarks hold.
func remark(s string) any {
	const most = 254
	if letters := []rune(s); len(letters) > most {
		return string(letters[:most])
	}
	return text(s)
}

func nullable(c gateway.Column) int64 { return number(!c.NotNull) }

// described is a type as sp_columns and sp_sproc_columns give it.
func (a asked) described(t gateway.Type) row {
	version := a.whole("odbcver", 2)
	f := factsOf(t, strings.HasSuffix(a.name, "0"))
	kind := f.odbc
	if version < 3 {
		kind = f.odbc2
	}
	return row{"DATA_TYPE": kind, "TYPE_NAME": f.name, "PRECISION": f.precision, "LENGTH": f.length, "SCALE": f.scale, "RADIX": f.radix, "SQL_DATA_TYPE": f.verbose,
		"SQL_DATETIME_SUB": f.sub, "CHAR_OCTET_LENGTH": f.octets, "SS_DATA_TYPE": f.legacy}
}

// with adds values to a row.
func (r row) with(more row) row {
	for name, value := range more {
		r[name] = value
	}
	return r
}

func columnsOf(a asked) (rows []row) {
	for _, e := range a.relations() {
		if !a.fits("table_owner", e.Schema) || !a.fits("table_name", e.Name) {
			continue
		}
		for i, c := range e.Columns {
			if a.fits("column_name", c.Name) {
				rows = append(rows, a.described(c.Type).with(row{"TABLE_QUALIFIER": a.Name, "TABLE_OWNER": e.Schema, "TABLE_NAME": e.Name, "COLUMN_NAME": c.Name,
					"NULLABLE": nullable(c.Column), "REMARKS": remark(c.About), "ORDINAL_POSITION": int64(i + 1), "IS_NULLABLE": yes(!c.NotNull)}))
			}
		}
	}
	return rows
}

func managed(a asked) (rows []row) {
	if !a.fits("catalog", a.Name) {
		return nil
	}
	for _, e := range a.relations() {
		if !a.fits("owner", e.Schema) || !a.fits("table", e.Name) {
			continue
		}
		for i, c := range e.Columns {
			if a.fits("column", c.Name) {
				rows = append(rows, standard(c.Type).with(row{"TABLE_CATALOG": a.Name, "TABLE_SCHEMA": e.Schema, "TABLE_NAME": e.Name, "COLUMN_NAME": c.Name,
					"ORDINAL_POSITION": int64(i + 1), "IS_NULLABLE": yes(!c.NotNull)}))
			}
		}
	}
	return rows
}

// standard is a type as INFORMATION_SCHEMA gives it.
func standard(t gateway.Type) row {
	f := factsOf(t, true)
	r := row{"DATA_TYPE": f.name, "CHARACTER_MAXIMUM_LENGTH": f.letters, "CHARACTER_OCTET_LENGTH": f.octets, "DATETIME_PRECISION": f.moment}
	if f.letters == int64(-1) {
		r["CHARACTER_OCTET_LENGTH"] = int64(-1)
	}
	if f.isNumber() {
		r.with(row{"NUMERIC_PRECISION": f.digits, "NUMERIC_PRECISION_RADIX": f.radix, "NUMERIC_SCALE": f.scale})
	}
	switch f.oledb {
	case 129:
		r["CHARACTER_SET_NAME"] = "iso_1"
	case 130:
		r["CHARACTER_SET_NAME"] = "UNICODE"
	}
	return r
}

// statistics tells of each table that it has no index, in the row of its own statistics.
func statistics(a asked) (rows []row) {
	const ofTheTable = int64(0)
	for _, e := range a.relations() {
		if a.is("table_owner", e.Schema) && a.is("table_name", e.Name) && a.text("is_unique") != "Y" {
			rows = append(rows, row{"TABLE_QUALIFIER": a.Name, "TABLE_OWNER": e.Schema, "TABLE_NAME": e.Name, "TYPE": ofTheTable})
		}
	}
	return rows
}

// numbered is a procedure's name as lists of procedures have it.
func numbered(name string) string { return name + ";1" }

func storedProcedures(a asked) (rows []row) {
	for _, e := range a.procedures() {
		if a.fits("sp_owner", e.Schema) && (a.fits("sp_name", e.Name) || a.fits("sp_name", numbered(e.Name))) {
			rows = append(rows, row{"PROCEDURE_QUALIFIER": a.Name, "PROCEDURE_OWNER": e.Schema, "PROCEDURE_NAME": numbered(e.Name), "REMARKS": remark(e.About)})
		}
	}
	return rows
}

// parametersOf are those of procedures, behind the status that each returns.
func parametersOf(a asked) (rows []row) {
	const input, returned = int64(1), int64(5)
	for _, e := range a.procedures() {
		if !a.fits("procedure_owner", e.Schema) || !a.fits("procedure_name", e.Name) && !a.fits("procedure_name", numbered(e.Name)) {
			continue
		}
		of := row{"PROCEDURE_QUALIFIER": a.Name, "PROCEDURE_OWNER": e.Schema, "PROCEDURE_NAME": numbered(e.Name)}
		if a.fits("column_name", "@RETURN_VALUE") {
			rows = append(rows, a.described(gateway.Type{Kind: gateway.Int}).with(of).with(row{"COLUMN_NAME": "@RETURN_VALUE", "COLUMN_TYPE": returned, "NULLABLE": int64(0),
				"ORDINAL_POSITION": int64(0), "IS_NULLABLE": "NO", "SS_DATA_TYPE": int64(56)}))
		}
		for i, p := range e.Parameters {
			if a.fits("column_name", p.Name) {
				rows = append(rows, a.described(p.Type).with(of).with(row{"COLUMN_NAME": p.Name, "COLUMN_TYPE": input, "REMARKS": remark(p.About), "COLUMN_DEF": text(p.Default),
					"ORDINAL_POSITION": int64(i + 1)}))
			}
		}
	}
	return rows
}

// literals are how the values of a type are written, what of it is declared, and how it can be searched.
func literals(t gateway.Type) (prefix, suffix, declared any, search int64) {
	const compared, matched = int64(2), int64(3)
	switch t.Kind {
	case gateway.Char, gateway.Varchar:
		return "'", "'", "max length", matched
	case gateway.NChar, gateway.NVarchar:
		return "N'", "'", "max length", matched
	case gateway.Binary, gateway.Varbinary:
		return "0x", nil, "max length", compared
	case gateway.Unique, gateway.Date, gateway.DateTime, gateway.SmallDateTime:
		return "'", "'", nil, compared
	case gateway.Time, gateway.DateTime2, gateway.DateTimeOffset:
		return "'", "'", "scale", compared
	case gateway.Money, gateway.SmallMoney:
		return "$", nil, nil, compared
	case gateway.Decimal:
		return nil, nil, "precision,scale", compared
	}
	return nil, nil, nil, compared
}

func dataTypes(a asked) (rows []row) {
	wanted := a.whole("data_type", 0)
	for _, t := range offered() {
		f := factsOf(t, strings.HasSuffix(a.name, "0"))
		kind := f.odbc
		if a.whole("odbcver", 2) < 3 {
			kind = f.odbc2
		}
		if wanted != 0 && wanted != kind {
			continue
		}
		prefix, suffix, declared, search := literals(t)
		r := row{"TYPE_NAME": f.name, "DATA_TYPE": kind, "PRECISION": f.precision, "LITERAL_PREFIX": prefix, "LITERAL_SUFFIX": suffix, "CREATE_PARAMS": declared,
			"SEARCHABLE": search, "LOCAL_TYPE_NAME": f.name, "SQL_DATA_TYPE": f.verbose, "SQL_DATETIME_SUB": f.sub, "NUM_PREC_RADIX": f.radix, "MINIMUM_SCALE": f.scale, "MAXIMUM_SCALE": f.scale}
		if f.isNumber() {
			r.with(row{"UNSIGNED_ATTRIBUTE": number(t.Kind == gateway.TinyInt), "AUTO_INCREMENT": int64(0), "MONEY": number(t.Kind == gateway.Money || t.Kind == gateway.SmallMoney)})
		}
		if declared == "scale" || declared == "precision,scale" {
			r["MINIMUM_SCALE"] = int64(0)
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(x, y row) int { return int(x["DATA_TYPE"].(int64) - y["DATA_TYPE"].(int64)) })
	return rows
}

func databases(a asked) (rows []row) {
	for _, db := range slices.Sorted(slices.Values(a.Databases)) {
		rows = append(rows, row{"DATABASE_NAME": db})
	}
	return rows
}

// serverInfo are the attributes of sp_server_info (Transact-SQL), as they are here.
func serverInfo(a asked) (rows []row) {
	wanted := a.whole("attribute_id", 0)
	for _, one := range []struct {
		id          int64
		name, value string
	}{
		{1, "DBMS_NAME", "Microsoft SQL Server"}, {2, "DBMS_VER", "Microsoft SQL Server - " + a.Version}, {10, "OWNER_TERM", "owner"}, {11, "TABLE_TERM", "table"},
		{12, "MAX_OWNER_NAME_LENGTH", "128"}, {13, "TABLE_LENGTH", "128"}, {14, "MAX_QUAL_LENGTH", "128"}, {15, "COLUMN_LENGTH", "128"}, {16, "IDENTIFIER_CASE", "MIXED"},
		{17, "TX_ISOLATION", "2"}, {18, "COLLATION_SEQ", "charset=iso_1 collation=" + Collation}, {19, "SAVEPOINT_SUPPORT", "N"}, {20, "MULTI_RESULT_SETS", "Y"},
		{22, "ACCESSIBLE_TABLES", "Y"}, {100, "USERID_LENGTH", "128"}, {101, "QUALIFIER_TERM", "database"}, {102, "NAMED_TRANSACTIONS", "N"}, {103, "SPROC_AS_LANGUAGE", "N"},
		{104, "ACCESSIBLE_SPROC", "Y"}, {105, "MAX_INDEX_COLS", "0"}, {106, "RENAME_TABLE", "N"}, {107, "RENAME_COLUMN", "N"}, {108, "DROP_COLUMN", "N"},
		{109, "INCREASE_COLUMN_LENGTH", "N"}, {110, "DDL_IN_TRANSACTION", "N"}, {111, "DESCENDING_INDEXES", "N"}, {112, "SP_RENAME", "N"}, {113, "REMOTE_SPROC", "Y"},
		{500, "SYS_SPROC_VERSION", a.Version},
	} {
		if wanted == 0 || wanted == one.id {
			rows = append(rows, row{"ATTRIBUTE_ID": one.id, "ATTRIBUTE_NAME": one.name, "ATTRIBUTE_VALUE": one.value})
		}
	}
	return rows
}

func tablePrivileges(a asked) (rows []row) {
	for _, e := range a.relations() {
		if a.fits("table_owner", e.Schema) && a.fits("table_name", e.Name) {
			rows = append(rows, row{"TABLE_QUALIFIER": a.Name, "TABLE_OWNER": e.Schema, "TABLE_NAME": e.Name, "GRANTEE": a.Login})
		}
	}
	return rows
}

func columnPrivileges(a asked) (rows []row) {
	for _, e := range a.relations() {
		if !a.is("table_owner", e.Schema) || !a.is("table_name", e.Name) {
			continue
		}
		for _, c := range e.Columns {
			if a.fits("column_name", c.Name) {
				rows = append(rows, row{"TABLE_QUALIFIER": a.Name, "TABLE_OWNER": e.Schema, "TABLE_NAME": e.Name, "COLUMN_NAME": c.Name, "GRANTEE": a.Login})
			}
		}
	}
	return rows
}
