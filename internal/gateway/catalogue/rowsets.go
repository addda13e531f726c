package catalogue

import (
	"strings"

	"freshet.dev/internal/gateway"
)

// oledbProcedures are those of OLE DB, which linked servers and Excel come with: the schema rowsets of the OLE DB Programmer's Reference ("Appendix B: Schema
// Rowsets"), with the columns that SQL Server adds ("Schema Rowset Support" of its OLE DB driver). A ;2 takes the parameters of a rowset2.
func oledbProcedures() []procedure {
	const (
		table = "TABLE_CATALOG sysname, TABLE_SCHEMA sysname, TABLE_NAME sysname, "
		dates = "DATE_CREATED datetime, DATE_MODIFIED datetime"
		info  = table + `TABLE_TYPE nvarchar(30), TABLE_GUID uniqueidentifier, BOOKMARKS bit=0, BOOKMARK_TYPE int, BOOKMARK_DATATYPE smallint, BOOKMARK_MAXIMUM_LENGTH int,
			BOOKMARK_INFORMATION int, TABLE_VERSION bigint, CARDINALITY int, DESCRIPTION nvarchar(1000), TABLE_PROPID int`
		collection = `SS_XML_SCHEMACOLLECTION_CATALOGNAME sysname, SS_XML_SCHEMACOLLECTION_SCHEMANAME sysname, SS_XML_SCHEMACOLLECTIONNAME sysname, SS_UDT_CATALOGNAME sysname,
			SS_UDT_SCHEMANAME sysname, SS_UDT_NAME sysname, SS_UDT_ASSEMBLY_TYPENAME nvarchar(4000)`
		described = table + `COLUMN_NAME sysname, COLUMN_GUID uniqueidentifier, COLUMN_PROPID int, ORDINAL_POSITION int, COLUMN_HASDEFAULT bit=0, COLUMN_DEFAULT nvarchar(2000), COLUMN_FLAGS int,
			IS_NULLABLE bit, DATA_TYPE smallint, TYPE_GUID uniqueidentifier, CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int, NUMERIC_PRECISION smallint, NUMERIC_SCALE smallint,
			DATETIME_PRECISION int, CHARACTER_SET_CATALOG sysname, CHARACTER_SET_SCHEMA sysname, CHARACTER_SET_NAME sysname, COLLATION_CATALOG sysname, COLLATION_SCHEMA sysname,
			COLLATION_NAME sysname, DOMAIN_CATALOG sysname, DOMAIN_SCHEMA sysname, DOMAIN_NAME sysname, DESCRIPTION nvarchar(1000), COLUMN_LCID int, COLUMN_COMPFLAGS int, COLUMN_SORTID int,
			COLUMN_TDSCOLLATION binary(5), IS_COMPUTED bit=0`
		parameters = `PROCEDURE_CATALOG sysname, PROCEDURE_SCHEMA sysname, PROCEDURE_NAME nvarchar(134), PARAMETER_NAME sysname, ORDINAL_POSITION smallint, PARAMETER_TYPE smallint,
			PARAMETER_HASDEFAULT tinyint=0, PARAMETER_DEFAULT nvarchar(255), IS_NULLABLE bit=1, DATA_TYPE smallint, CHARACTER_MAXIMUM_LENGTH int, CHARACTER_OCTET_LENGTH int,
			NUMERIC_PRECISION smallint, NUMERIC_SCALE smallint, DESCRIPTION nvarchar(1000), TYPE_NAME sysname, LOCAL_TYPE_NAME sysname`
		foreign = `PK_TABLE_CATALOG sysname, PK_TABLE_SCHEMA sysname, PK_TABLE_NAME sysname, PK_COLUMN_NAME sysname, PK_COLUMN_GUID uniqueidentifier, PK_COLUMN_PROPID int,
			FK_TABLE_CATALOG sysname, FK_TABLE_SCHEMA sysname, FK_TABLE_NAME sysname, FK_COLUMN_NAME sysname, FK_COLUMN_GUID uniqueidentifier, FK_COLUMN_PROPID int, ORDINAL int,
			UPDATE_RULE nvarchar(11), DELETE_RULE nvarchar(11), PK_NAME sysname, FK_NAME sysname, DEFERRABILITY smallint`
		indexes = table + `INDEX_CATALOG sysname, INDEX_SCHEMA sysname, INDEX_NAME sysname, PRIMARY_KEY bit, UNIQUE bit, CLUSTERED bit, TYPE smallint, FILL_FACTOR int, INITIAL_SIZE int,
			NULLS int, SORT_BOOKMARKS bit, AUTO_UPDATE bit, NULL_COLLATION int, ORDINAL_POSITION int, COLUMN_NAME sysname, COLUMN_GUID uniqueidentifier, COLUMN_PROPID int,
			COLLATION smallint, CARDINALITY int, PAGES int, FILTER_CONDITION nvarchar(max), INTEGRATED bit, STATUS int`
		types = `TYPE_NAME sysname, DATA_TYPE smallint, COLUMN_SIZE int, LITERAL_PREFIX nvarchar(32), LITERAL_SUFFIX nvarchar(32), CREATE_PARAMS nvarchar(32), IS_NULLABLE bit=1,
			CASE_SENSITIVE bit=0, SEARCHABLE int, UNSIGNED_ATTRIBUTE bit, FIXED_PREC_SCALE bit=0, AUTO_UNIQUE_VALUE bit, LOCAL_TYPE_NAME sysname, MINIMUM_SCALE smallint,
			MAXIMUM_SCALE smallint, GUID uniqueidentifier, TYPELIB nvarchar(1), VERSION nvarchar(1), IS_LONG bit=0, BEST_MATCH bit, IS_FIXEDLENGTH bit`
	)
	list := []procedure{
		{"sp_tables_rowset", "table_name table_schema table_type", columns(table + "TABLE_TYPE nvarchar(30), TABLE_GUID uniqueidentifier, DESCRIPTION nvarchar(1000), TABLE_PROPID int, " + dates), tablesRowset},
		{"sp_tables_info_rowset sp_tables_info_rowset_64", "table_name table_schema table_type", columns(info), infoRowset},
		{"sp_tables_info_90_rowset sp_tables_info_90_rowset_64", "table_name table_schema table_type", columns(info + ", TABLE_FLAGS int=0"), infoRowset},
		{"sp_columns_rowset", "table_name table_schema column_name", columns(described), columnsRowset},
		{"sp_columns_90_rowset", "table_name table_schema column_name", columns(described + ", " + collection), columnsRowset},
		{"sp_columns_100_rowset", "table_name table_schema column_name", columns(described + ", " + collection + ", SS_IS_SPARSE bit=0, SS_IS_COLUMN_SET bit=0"), columnsRowset},
		{"sp_indexes_rowset sp_indexes_90_rowset sp_indexes_100_rowset", "table_name index_name table_schema type", columns(indexes), none},
		{"sp_primary_keys_rowset", "table_name table_schema", columns(table + "COLUMN_NAME sysname, COLUMN_GUID uniqueidentifier, COLUMN_PROPID int, ORDINAL int, PK_NAME sysname"), none},
		{"sp_foreign_keys_rowset", "pk_table_name pk_table_schema foreignkey_tab_name foreignkey_tab_schema foreignkey_tab_catalog", columns(foreign), none},
		{"sp_foreign_keys_rowset;3 sp_foreign_keys_rowset3 sp_foreign_keys_rowset;5", "pk_table_schema pk_table_catalog foreignkey_tab_schema foreignkey_tab_catalog", columns(foreign), none},
		{"sp_check_constbytable_rowset", "table_name table_schema constraint_name constraint_schema",
			columns("CONSTRAINT_CATALOG sysname, CONSTRAINT_SCHEMA sysname, CONSTRAINT_NAME sysname, " + table + "CHECK_CLAUSE nvarchar(4000), DESCRIPTION nvarchar(1000)"), none},
		{"sp_check_constraints_rowset", "constraint_name constraint_schema",
			columns("CONSTRAINT_CATALOG sysname, CONSTRAINT_SCHEMA sysname, CONSTRAINT_NAME sysname, CHECK_CLAUSE nvarchar(4000), DESCRIPTION nvarchar(1000)"), none},
		{"sp_table_constraints_rowset", "table_name table_schema table_catalog constraint_name constraint_schema constraint_catalog constraint_type",
			columns("CONSTRAINT_CATALOG sysname, CONSTRAINT_SCHEMA sysname, CONSTRAINT_NAME sysname, " + table + "CONSTRAINT_TYPE nvarchar(20), IS_DEFERRABLE bit, INITIALLY_DEFERRED bit, DESCRIPTION nvarchar(1000)"), none},
		{"sp_table_statistics_rowset sp_table_statistics2_rowset", "table_name_in table_schema_in table_catalog_in stats_name_in",
			columns(table + `STATISTICS_CATALOG sysname, STATISTICS_SCHEMA sysname, STATISTICS_NAME sysname, STATISTICS_TYPE smallint, COLUMN_NAME sysname, COLUMN_GUID uniqueidentifier,
				COLUMN_PROPID int, ORDINAL_POSITION int, SAMPLE_PERCENT smallint, LAST_UPDATE_TIME datetime, NO_OF_RANGES int, COLUMN_CARDINALITY bigint, TUPLE_CARDINALITY bigint,
				TABLE_CARDINALITY bigint, AVG_COLUMN_LENGTH smallint`), none},
		{"sp_statistics_rowset", "table_name table_schema", columns(table + "CARDINALITY int"), statisticsRowset},
		{"sp_catalogs_rowset", "catalog_name", columns("CATALOG_NAME sysname, DESCRIPTION nvarchar(1000)"), catalogsRowset},
		{"sp_schemata_rowset sp_schemata_rowset;3", "schema_name schema_owner",
			columns(`CATALOG_NAME sysname, SCHEMA_NAME sysname, SCHEMA_OWNER sysname=dbo, DEFAULT_CHARACTER_SET_CATALOG sysname, DEFAULT_CHARACTER_SET_SCHEMA sysname,
				DEFAULT_CHARACTER_SET_NAME sysname`), schemataRowset},
		{"sp_views_rowset", "view_name view_schema",
			columns(table + "VIEW_DEFINITION nvarchar(4000), CHECK_OPTION bit=0, IS_UPDATABLE bit=0, DESCRIPTION nvarchar(1000), " + dates), viewsRowset},
		{"sp_provider_types_rowset sp_provider_types_90_rowset sp_provider_types_100_rowset", "data_type best_match", columns(types), typesRowset},
		{"sp_procedures_rowset", "procedure_name procedure_schema",
			columns("PROCEDURE_CATALOG sysname, PROCEDURE_SCHEMA sysname, PROCEDURE_NAME nvarchar(134), PROCEDURE_TYPE smallint, PROCEDURE_DEFINITION nvarchar(4000), DESCRIPTION nvarchar(1000), " + dates), proceduresRowset},
		{"sp_procedure_params_rowset", "procedure_name procedure_schema parameter_name", columns(parameters), parametersRowset},
		{"sp_procedure_params_90_rowset", "procedure_name procedure_schema parameter_name", columns(parameters + ", " + collection), parametersRowset},
		{"sp_procedure_params_100_rowset", "procedure_name procedure_schema parameter_name",
			columns(parameters + ", " + collection + ", SS_TYPE_CATALOG_NAME sysname, SS_TYPE_SCHEMANAME sysname, SS_DATETIME_PRECISION int"), parametersRowset},
		{"sp_table_privileges_rowset", "table_name table_schema grantor grantee",
			columns("GRANTOR sysname=dbo, GRANTEE sysname, " + table + "PRIVILEGE_TYPE nvarchar(30)=SELECT, IS_GRANTABLE bit=0"), privilegesRowset},
		{"sp_column_privileges_rowset", "table_name table_schema column_name grantor grantee",
			columns("GRANTOR sysname=dbo, GRANTEE sysname, " + table + "COLUMN_NAME sysname, COLUMN_GUID uniqueidentifier, COLUMN_PROPID int, PRIVILEGE_TYPE nvarchar(30)=SELECT, IS_GRANTABLE bit=0"), columnPrivilegesRowset},
	}
	for i, p := range list {
		var more []string // the forms that do not begin with the object's name, and those of catalogs and schemas, which take the same
		first, rest, _ := strings.Cut(p.takes, " ")
		if strings.HasSuffix(first, "_name") && rest != "" && !strings.HasPrefix(p.names, "sp_schemata") {
			for _, name := range strings.Fields(p.names) {
				plain, wide := strings.CutSuffix(name, "_64")
				if strings.HasSuffix(plain, "_rowset") && wide {
					more = append(more, plain+"2_64", plain+"_64;2")
				} else if strings.HasSuffix(plain, "_rowset") {
					more = append(more, plain+"2", plain+";2")
				}
			}
			list = append(list, procedure{strings.Join(more, " "), rest, p.layout, p.rows})
			continue
		}
		for _, name := range strings.Fields(p.names) {
			more = append(more, name, name+"2", name+";2")
		}
		list[i].names = strings.Join(more, " ")
	}
	return append(list,
		// What distributed queries ask before they read a table: whether the database is read only, and as whom; and a lock of its schema, which there is no need of.
		procedure{"sp_oledb_ro_usrname", "", columns("READONLY varchar(1)=Y, USERNAME sysname"), func(asked) []row { return []row{{"USERNAME": dbo}} }},
		procedure{names: "sp_getschemalock sp_releaseschemalock", rows: none},
	)
}

func tablesRowset(a asked) (rows []row) {
	for _, e := range a.relations() {
		if a.is("table_schema", e.Schema) && a.is("table_name", e.Name) && a.types(e.kind()) {
			rows = append(rows, row{"TABLE_CATALOG": a.Name, "TABLE_SCHEMA": e.Schema, "TABLE_NAME": e.Name, "TABLE_TYPE": e.kind(), "DESCRIPTION": text(e.About),
				"DATE_CREATED": a.Since, "DATE_MODIFIED": a.Since})
		}
	}
	return rows
}

func infoRowset(a asked) (rows []row) {
	for _, r := range tablesRowset(a) {
		delete(r, "DATE_CREATED")
		delete(r, "DATE_MODIFIED")
		rows = append(rows, r)
	}
	return rows
}

// typed is a type as the COLUMNS and PROCEDURE_PARAMETERS rowsets give it.
func typed(t gateway.Type) row {
	f := factsOf(t, true)
	r := row{"DATA_TYPE": f.oledb, "CHARACTER_MAXIMUM_LENGTH": f.letters, "CHARACTER_OCTET_LENGTH": f.octets}
	if f.letters == int64(-1) { // without bounds
		r.with(row{"CHARACTER_MAXIMUM_LENGTH": int64(0), "CHARACTER_OCTET_LENGTH": int64(0)})
	}
	if f.isNumber() {
		r["NUMERIC_PRECISION"] = f.digits
		if f.oledb == 131 { // of DBTYPE_NUMERIC alone, the reference says
			r["NUMERIC_SCALE"] = f.places
		}
	}
	return r
}

func columnsRowset(a asked) (rows []row) {
	const fixedLength, isNullable, mayBeNull, isLong = 0x10, 0x20, 0x40, 0x80 // DBCOLUMNFLAGS
	for _, e := range a.relations() {
		if !a.is("table_schema", e.Schema) || !a.is("table_name", e.Name) {
			continue
		}
		for i, c := range e.Columns {
			if !a.is("column_name", c.Name) {
				continue
			}
			f := factsOf(c.Type, true)
			flags := int64(0)
			if f.fixed {
				flags |= fixedLength
			}
			if f.bytes < 0 {
				flags |= isLong
			}
			if !c.NotNull {
				flags |= isNullable | mayBeNull
			}
			r := typed(c.Type).with(row{"TABLE_CATALOG": a.Name, "TABLE_SCHEMA": e.Schema, "TABLE_NAME": e.Name, "COLUMN_NAME": c.Name, "ORDINAL_POSITION": int64(i + 1),
				"COLUMN_FLAGS": flags, "IS_NULLABLE": !c.NotNull, "DATETIME_PRECISION": f.moment, "DESCRIPTION": text(c.About)})
			if f.isText() {
				r.with(row{"COLLATION_NAME": Collation, "CHARACTER_SET_NAME": standard(c.Type)["CHARACTER_SET_NAME"], "COLUMN_LCID": int64(1033), "COLUMN_COMPFLAGS": int64(196609),
					"COLUMN_SORTID": int64(52), "COLUMN_TDSCOLLATION": []byte{0x09, 0x04, 0xD0, 0x00, 0x34}})
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func statisticsRowset(a asked) (rows []row) {
	for _, e := range a.relations() {
		if a.is("table_schema", e.Schema) && a.is("table_name", e.Name) {
			rows = append(rows, row{"TABLE_CATALOG": a.Name, "TABLE_SCHEMA": e.Schema, "TABLE_NAME": e.Name}) // how many rows there are is not known
		}
	}
	return rows
}

func catalogsRowset(a asked) (rows []row) {
	for _, r := range databases(a) {
		if name := r["DATABASE_NAME"].(string); a.is("catalog_name", name) {
			rows = append(rows, row{"CATALOG_NAME": name})
		}
	}
	return rows
}

func schemataRowset(a asked) (rows []row) {
	for _, name := range a.names() {
		if a.is("schema_name", name) && a.is("schema_owner", dbo) {
			rows = append(rows, row{"CATALOG_NAME": a.Name, "SCHEMA_NAME": name})
		}
	}
	return rows
}

func viewsRowset(a asked) (rows []row) {
	for _, e := range a.relations() {
		if e.Kind == View && a.is("view_schema", e.Schema) && a.is("view_name", e.Name) {
			rows = append(rows, row{"TABLE_CATALOG": a.Name, "TABLE_SCHEMA": e.Schema, "TABLE_NAME": e.Name, "DESCRIPTION": text(e.About), "DATE_CREATED": a.Since, "DATE_MODIFIED": a.Since})
		}
	}
	return rows
}

func typesRowset(a asked) (rows []row) {
	seen := map[int64]bool{}
	for _, t := range offered() {
		f := factsOf(t, true)
		best := !seen[f.oledb] // the first of a DBTYPE
		seen[f.oledb] = true
		if wanted := a.whole("data_type", 0); wanted != 0 && wanted != f.oledb {
			continue
		}
		if wanted := a.text("best_match"); wanted != "" && (wanted == "true" || wanted == "1") != best {
			continue
		}
		prefix, suffix, declared, search := literals(t)
		r := row{"TYPE_NAME": f.name, "DATA_TYPE": f.oledb, "COLUMN_SIZE": f.precision, "LITERAL_PREFIX": prefix, "LITERAL_SUFFIX": suffix, "CREATE_PARAMS": declared,
			"SEARCHABLE": search + 1, "LOCAL_TYPE_NAME": f.name, "BEST_MATCH": best, "IS_FIXEDLENGTH": f.fixed, "FIXED_PREC_SCALE": f.isNumber() && f.radix == int64(10) && f.oledb != 131}
		if f.isNumber() {
			r.with(row{"UNSIGNED_ATTRIBUTE": t.Kind == gateway.TinyInt, "AUTO_UNIQUE_VALUE": false})
		}
		if f.oledb == 131 {
			r.with(row{"MINIMUM_SCALE": int64(0), "MAXIMUM_SCALE": f.places})
		}
		rows = append(rows, r)
	}
	return rows
}

func proceduresRowset(a asked) (rows []row) {
	const returnsValue = int64(3) // DB_PT_FUNCTION: each returns a status
	for _, e := range a.procedures() {
		if a.is("procedure_schema", e.Schema) && (a.is("procedure_name", e.Name) || a.is("procedure_name", numbered(e.Name))) {
			rows = append(rows, row{"PROCEDURE_CATALOG": a.Name, "PROCEDURE_SCHEMA": e.Schema, "PROCEDURE_NAME": numbered(e.Name), "PROCEDURE_TYPE": returnsValue,
				"DESCRIPTION": text(e.About), "DATE_CREATED": a.Since, "DATE_MODIFIED": a.Since})
		}
	}
	return rows
}

func parametersRowset(a asked) (rows []row) {
	const input, returned = int64(1), int64(4) // DBPARAMTYPE
	for _, e := range a.procedures() {
		if !a.is("procedure_schema", e.Schema) || !a.is("procedure_name", e.Name) && !a.is("procedure_name", numbered(e.Name)) {
			continue
		}
		add := func(name string, at int64, kind int64, t gateway.Type, more row) {
			if a.is("parameter_name", name) {
				word := factsOf(t, true).name
				rows = append(rows, typed(t).with(row{"PROCEDURE_CATALOG": a.Name, "PROCEDURE_SCHEMA": e.Schema, "PROCEDURE_NAME": numbered(e.Name), "PARAMETER_NAME": name,
					"ORDINAL_POSITION": at, "PARAMETER_TYPE": kind, "TYPE_NAME": word, "LOCAL_TYPE_NAME": word}).with(more))
			}
		}
		add("@RETURN_VALUE", 0, returned, gateway.Type{Kind: gateway.Int}, row{"IS_NULLABLE": false})
		for i, p := range e.Parameters {
			add(p.Name, int64(i+1), input, p.Type, row{"PARAMETER_HASDEFAULT": number(p.Default != ""), "PARAMETER_DEFAULT": text(p.Default), "DESCRIPTION": text(p.About)})
		}
	}
	return rows
}

func privilegesRowset(a asked) (rows []row) {
	for _, r := range tablesRowset(a) {
		rows = append(rows, row{"TABLE_CATALOG": a.Name, "TABLE_SCHEMA": r["TABLE_SCHEMA"], "TABLE_NAME": r["TABLE_NAME"], "GRANTEE": a.Login})
	}
	return rows
}

func columnPrivilegesRowset(a asked) (rows []row) {
	for _, r := range columnsRowset(a) {
		rows = append(rows, row{"TABLE_CATALOG": a.Name, "TABLE_SCHEMA": r["TABLE_SCHEMA"], "TABLE_NAME": r["TABLE_NAME"], "COLUMN_NAME": r["COLUMN_NAME"], "GRANTEE": a.Login})
	}
	return rows
}
