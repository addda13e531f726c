package connector

import (
	"strconv"
	"strings"
)

// macro is a function of T-SQL that is written in T-SQL over the catalog's views, which a session has. @1, @2 … are its arguments, NULL where they are not given.
type macro struct {
	least, most int
	text        string
}

// macros are by name, in capitals. What is asked of permissions is granted, and what of roles denied: who may do what is the service's business.
func macros() map[string]macro {
	const object = "(SELECT %s FROM sys.all_objects WHERE object_id = @1)"
	property := macro{2, 2, `(SELECT CASE LOWER(@2) WHEN 'ismsshipped' THEN IIF(o.is_ms_shipped = 1, 1, 0) WHEN 'isusertable' THEN IIF(o.type = 'U', 1, 0)
		WHEN 'istable' THEN IIF(o.type = 'U', 1, 0) WHEN 'isview' THEN IIF(o.type = 'V', 1, 0) WHEN 'isprocedure' THEN IIF(o.type = 'P', 1, 0)
		WHEN 'ownerid' THEN 1 WHEN 'schemaid' THEN o.schema_id WHEN 'execisquotedidenton' THEN 1 WHEN 'execisansinullson' THEN 1 ELSE 0 END
		FROM sys.all_objects o WHERE o.object_id = @1)`}
	name := func(of string) string { return strings.Replace(object, "%s", of, 1) }
	return map[string]macro{
		"SCHEMA_NAME":        {1, 1, "(SELECT name FROM sys.schemas WHERE schema_id = @1)"},
		"SCHEMA_ID":          {1, 1, "(SELECT schema_id FROM sys.schemas WHERE LOWER(name) = LOWER(@1))"},
		"OBJECT_NAME":        {1, 2, name("name")},
		"OBJECT_SCHEMA_NAME": {1, 2, name("SCHEMA_NAME(schema_id)")},
		"OBJECT_ID": {1, 2, `(SELECT MIN(o.object_id) FROM sys.all_objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
			WHERE (@2 IS NULL OR o.type = RTRIM(@2)) AND LOWER(REPLACE(REPLACE(REPLACE(@1, '[', ''), ']', ''), '"', ''))
			IN (LOWER(s.name + '.' + o.name), LOWER(DB_NAME() + '.' + s.name + '.' + o.name), IIF(s.name = 'dbo', LOWER(o.name), NULL), IIF(s.name = 'dbo', LOWER(DB_NAME() + '..' + o.name), NULL)))`},
		"OBJECTPROPERTY":    property,
		"OBJECTPROPERTYEX":  property,
		"OBJECT_DEFINITION": {1, 1, "CAST(NULL AS NVARCHAR(MAX))"},
		"COL_NAME":          {2, 2, "(SELECT name FROM sys.all_columns WHERE object_id = @1 AND column_id = @2)"},
		"COL_LENGTH":        {2, 2, "(SELECT max_length FROM sys.all_columns WHERE object_id = OBJECT_ID(@1) AND LOWER(name) = LOWER(@2))"},
		"COLUMNPROPERTY": {3, 3, `(SELECT CASE LOWER(@3) WHEN 'allowsnull' THEN IIF(is_nullable = 1, 1, 0) WHEN 'columnid' THEN column_id WHEN 'ordinal' THEN column_id
			WHEN 'precision' THEN precision WHEN 'scale' THEN scale WHEN 'octetmaxlen' THEN max_length
			WHEN 'charmaxlen' THEN IIF(max_length > 0 AND system_type_id IN (231, 239), max_length / 2, max_length) ELSE 0 END FROM sys.all_columns WHERE object_id = @1 AND LOWER(name) = LOWER(@2))`},
		"INDEXPROPERTY": {3, 3, "CAST(NULL AS INT)"},
		"INDEX_COL":     {3, 3, "CAST(NULL AS NVARCHAR(128))"},
		"TYPE_NAME":     {1, 1, "(SELECT name FROM sys.types WHERE user_type_id = @1)"},
		"TYPE_ID":       {1, 1, "(SELECT user_type_id FROM sys.types WHERE LOWER(name) = LOWER(REPLACE(@1, 'sys.', '')))"},
		"TYPEPROPERTY":  {2, 2, "(SELECT CASE LOWER(@2) WHEN 'precision' THEN precision WHEN 'scale' THEN scale WHEN 'allowsnull' THEN 1 ELSE 0 END FROM sys.types WHERE LOWER(name) = LOWER(@1))"},
		"DB_NAME":       {1, 1, "(SELECT name FROM sys.databases WHERE database_id = @1)"},
		"DB_ID":         {0, 1, "(SELECT database_id FROM sys.databases WHERE LOWER(name) = LOWER(ISNULL(@1, DB_NAME())))"},
		"HAS_DBACCESS":  {1, 1, "(SELECT 1 FROM sys.databases WHERE LOWER(name) = LOWER(@1))"},
		"DATABASEPROPERTYEX": {2, 2, `(SELECT CASE LOWER(@2) WHEN 'collation' THEN collation_name WHEN 'status' THEN state_desc WHEN 'recovery' THEN recovery_model_desc
			WHEN 'updateability' THEN 'READ_ONLY' WHEN 'useraccess' THEN user_access_desc ELSE NULL END FROM sys.databases WHERE LOWER(name) = LOWER(@1))`},
		"USER_NAME":             {1, 1, "(SELECT name FROM sys.database_principals WHERE principal_id = @1)"},
		"DATABASE_PRINCIPAL_ID": {0, 1, "(SELECT principal_id FROM sys.database_principals WHERE LOWER(name) = LOWER(ISNULL(@1, 'dbo')))"},
		"HAS_PERMS_BY_NAME":     {3, 5, "1"},
		"IS_MEMBER":             {1, 1, "0"},
		"IS_ROLEMEMBER":         {1, 2, "0"},
		"IS_SRVROLEMEMBER":      {1, 2, "0"},
		"QUOTENAME": {1, 2, `(CASE @2 WHEN '''' THEN '''' + REPLACE(@1, '''', '''''') + '''' WHEN '"' THEN '"' + REPLACE(@1, '"', '""') + '"'
			WHEN '(' THEN '(' + REPLACE(@1, ')', '))') + ')' ELSE '[' + REPLACE(@1, ']', ']]') + ']' END)`},
		"ODBCSCALE":         {2, 2, "(@2)"},
		"COLLATIONPROPERTY": {2, 2, "(CASE LOWER(@2) WHEN 'codepage' THEN 1252 WHEN 'lcid' THEN 1033 WHEN 'comparisonstyle' THEN 196609 WHEN 'version' THEN 0 ELSE NULL END)"},
		"ASSEMBLYPROPERTY":  {2, 2, "CAST(NULL AS NVARCHAR(128))"},
	}
}

// parseMacro reads a macro with its arguments, and tells the views that it names.
func parseMacro(m macro, args []expression) (expression, []objectName, error) {
	tokens, err := scan(m.text)
	if err != nil {
		return nil, nil, err
	}
	p := &parser{text: m.text, tokens: tokens, variables: map[string]expression{}, session: true}
	for i := range m.most {
		p.variables[strconv.Itoa(i+1)] = literalNull{}
		if i < len(args) {
			p.variables[strconv.Itoa(i+1)] = args[i]
		}
	}
	e, err := p.expression()
	return e, p.named, err
}

// macro binds a function that is one; false: it is none. Its arguments are bound where it stands, so that no column of a view is taken for one of theirs.
func (b *binder) macro(e call, in *scope) (bound, bool, error) {
	m, known := macros()[strings.ToUpper(e.function)]
	if !known || b.session == nil || e.star || e.distinct || len(e.args) < m.least || len(e.args) > m.most {
		return bound{}, false, nil
	}
	args := make([]expression, len(e.args))
	for i, arg := range e.args {
		value, err := b.ready(arg, in)
		if err != nil {
			return bound{}, true, err
		}
		args[i] = value
	}
	text, _, err := parseMacro(m, args)
	if err != nil {
		return bound{}, true, err
	}
	value, err := b.expression(text, in)
	return value, true, err
}
