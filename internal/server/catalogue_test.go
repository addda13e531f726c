package server

import (
	"strings"
	"testing"
)

// C5: what clients ask of the catalog by statements: drivers, tools, and those who look around.
func TestC5CatalogStatements(t *testing.T) {
	t.Parallel()
	r := sqlServer(t, fakeService(), nil)
	r.flow(t, "Landing")
	db := r.sql(t, "etl", etlSecret, "Shop")
	for _, tt := range []struct{ text, want string }{
		// go-sqlcmd and those who look around
		{"SELECT name FROM sys.databases ORDER BY name", "name\nShop\nfreshet"},
		{"SELECT name, database_id FROM master.sys.databases WHERE name NOT IN ('master','model') AND HAS_DBACCESS(name) = 1 ORDER BY database_id", "name,database_id\nfreshet,5\nShop,6"},
		{"SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME LIKE 'refresh[_]data%' ORDER BY TABLE_NAME", "TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE\ndbo,refresh_dataflow,VIEW\ndbo,refresh_dataset,VIEW"},
		{"select COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH from [Shop].information_schema.columns where table_name = 'refresh_dataflow' order by ordinal_position",
			"COLUMN_NAME,DATA_TYPE,CHARACTER_MAXIMUM_LENGTH\nId,varchar,200\nRequestId,varchar,100\nRefreshType,nvarchar,50\nStartTime,datetime,<nil>\nEndTime,datetime,<nil>\nStatus,nvarchar,50\nHttpStatusCode,int,<nil>"},
		{"EXEC sp_tables @table_name = 'refresh\\_dataf%'", "TABLE_QUALIFIER,TABLE_OWNER,TABLE_NAME,TABLE_TYPE,REMARKS\nShop,dbo,refresh_dataflow,VIEW,Refreshes a dataflow and waits for its end. While it is refreshed already, joins that refresh."},
		{"SELECT OBJECT_ID('dbo.refresh_dataflow') - o.object_id AS d, OBJECTPROPERTY(o.object_id, 'IsView') AS v, SCHEMA_NAME(o.schema_id) AS s FROM sys.objects o WHERE o.name = 'refresh_dataflow' AND o.type = 'V '", "d,v,s\n0,1,dbo"},
		{"SELECT c.name, TYPE_NAME(c.user_type_id) AS t, c.max_length FROM sys.columns AS c INNER JOIN sys.views AS v ON v.object_id = c.object_id WHERE v.name = N'get_workspaces' ORDER BY c.column_id",
			"name,t,max_length\nId,nvarchar,72\nName,nvarchar,512\nIsReadOnly,bit,1\nIsOnDedicatedCapacity,bit,1\nCapacityId,nvarchar,72\nType,nvarchar,100"},
		{"SELECT COUNT(*) AS n FROM sys.indexes i LEFT JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id", "n\n0"},
		{"SELECT session_id - @@SPID AS own, login_name FROM sys.dm_exec_sessions WHERE session_id = @@SPID", "own,login_name\n0,etl"},
		{"SELECT ROUTINE_NAME FROM INFORMATION_SCHEMA.ROUTINES WHERE ROUTINE_TYPE = 'PROCEDURE' AND ROUTINE_NAME LIKE 'cancel%' ORDER BY 1", "ROUTINE_NAME\ncancel_dataflow_transaction\ncancel_dataset_refresh"},
		// GetSchema("Tables") of .NET, whose restrictions are NULL
		{"DECLARE @Catalog nvarchar(128) = NULL, @Owner nvarchar(128) = NULL, @Name nvarchar(128) = 'endpoints', @TableType nvarchar(128) = NULL; " +
			"select TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE from INFORMATION_SCHEMA.TABLES where (TABLE_CATALOG=@Catalog or (@Catalog is null)) and (TABLE_SCHEMA=@Owner or (@Owner is null)) " +
			"and (TABLE_NAME=@Name or (@Name is null)) and (TABLE_TYPE=@TableType or (@TableType is null))", "TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE\nShop,dbo,endpoints,VIEW"},
		{"IF OBJECT_ID('master..sysdatabases') IS NULL EXEC sp_executesql N'select name as database_name, dbid from sysdatabases where (name = @Name or (@Name is null))',N'@Name NVARCHAR(128)',@Name=NULL " +
			"ELSE EXEC sp_executesql N'select name as database_name, dbid from master..sysdatabases where (name = @Name or (@Name is null))',N'@Name NVARCHAR(128)',@Name=NULL", "database_name,dbid\nfreshet,5\nShop,6"},
		{"DECLARE @Name nvarchar(128); select uid, name as user_name from sysusers where (name = @Name or (@Name is null))", "uid,user_name\n1,dbo"},
		{"DECLARE @Catalog nvarchar(128), @Owner nvarchar(128), @Name nvarchar(128) = 'get_workspaces', @Parameter nvarchar(128); select SPECIFIC_NAME, ORDINAL_POSITION, PARAMETER_MODE, PARAMETER_NAME, " +
			"CASE WHEN DATA_TYPE IS NULL THEN USER_DEFINED_TYPE_NAME WHEN DATA_TYPE = 'table type' THEN USER_DEFINED_TYPE_NAME ELSE DATA_TYPE END as DATA_TYPE from INFORMATION_SCHEMA.PARAMETERS " +
			"where (SPECIFIC_CATALOG = @Catalog or (@Catalog is null)) and (SPECIFIC_SCHEMA = @Owner or (@Owner is null)) and (SPECIFIC_NAME = @Name or (@Name is null)) and " +
			"(PARAMETER_NAME = @Parameter or (@Parameter is null)) order by SPECIFIC_CATALOG, SPECIFIC_SCHEMA, SPECIFIC_NAME, PARAMETER_NAME",
			"SPECIFIC_NAME,ORDINAL_POSITION,PARAMETER_MODE,PARAMETER_NAME,DATA_TYPE\nget_workspaces,1,IN,@WorkspaceName,nvarchar"},
		{"select name TypeName, 30 ProviderDbType, max_length ColumnSize, null CreateFormat, is_nullable IsNullable from sys.types  where is_table_type = 1", "TypeName,ProviderDbType,ColumnSize,CreateFormat,IsNullable"},
		{"select types.assembly_class COLLATE database_default + ', ' + assemblies.name + ', Version=' + CONVERT(nvarchar(20), ASSEMBLYPROPERTY(assemblies.name, 'VersionMajor')) as TypeName, max_length ColumnSize " +
			"from sys.assemblies as assemblies join sys.assembly_types as types on assemblies.assembly_id = types.assembly_id", "TypeName,ColumnSize"},
		{"EXEC sys.sp_indexes_managed NULL, NULL, NULL, NULL", "constraint_catalog,constraint_schema,constraint_name,table_catalog,table_schema,table_name,index_name,type_desc"},
		// Power Query's navigator
		{"select t.[TABLE_CATALOG], t.[TABLE_SCHEMA], t.[TABLE_NAME], t.[TABLE_TYPE], cast(e.value as nvarchar(max)) [DESCRIPTION] from [INFORMATION_SCHEMA].[TABLES] t join sys.schemas s on s.name = t.[TABLE_SCHEMA] " +
			"join sys.objects tv on tv.name = t.[TABLE_NAME] and tv.schema_id = s.schema_id and tv.parent_object_id = 0 left outer join sys.extended_properties e on tv.object_id = e.major_id and e.minor_id = 0 " +
			"and e.class = 1 and e.name = 'MS_Description' where 1=1 and 1=1 and t.TABLE_NAME = 'endpoints'", "TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,DESCRIPTION\nShop,dbo,endpoints,VIEW,All endpoints."},
		{"select convert(nvarchar, fk.object_id) [FK_NAME], cast(fkc.constraint_column_id as bigint) [ORDINAL], s1.name [TABLE_SCHEMA_1], o1.name [TABLE_NAME_1], c1.name [PK_COLUMN_NAME_1] from sys.foreign_keys fk " +
			"join sys.foreign_key_columns fkc on fk.object_id = fkc.constraint_object_id join sys.objects o1 on o1.object_id = fkc.referenced_object_id join sys.schemas s1 on s1.schema_id = o1.schema_id " +
			"join sys.columns c1 on c1.object_id = o1.object_id and c1.column_id = fkc.referenced_column_id order by fk.object_id, fkc.constraint_column_id", "FK_NAME,ORDINAL,TABLE_SCHEMA_1,TABLE_NAME_1,PK_COLUMN_NAME_1"},
		{"select i.name [INDEX_NAME], cast(ic.[key_ordinal] as bigint) [ORDINAL_POSITION], i.is_primary_key [PRIMARY_KEY] from sys.objects o join sys.schemas s on s.schema_id = o.schema_id join sys.indexes as i " +
			"on i.object_id = o.object_id join sys.index_columns as ic on ic.object_id = i.object_id and ic.index_id = i.index_id where (i.is_primary_key = 1 or i.is_unique_constraint = 1 or i.is_unique = 1) " +
			"and o.type in ('U', 'V') and ic.key_ordinal <> 0 and s.name = 'dbo' order by i.name", "INDEX_NAME,ORDINAL_POSITION,PRIMARY_KEY"},
		// Management Studio's tree
		{"SELECT dtb.name AS [Name], 'Server[@Name=' + quotename(CAST(serverproperty(N'Servername') AS sysname),'''') + ']' + '/Database[@Name=' + quotename(dtb.name,'''') + ']' AS [Urn], " +
			"CAST(has_dbaccess(dtb.name) AS bit) AS [IsAccessible], CAST(case when dtb.name in ('master','model','msdb','tempdb') then 1 else dtb.is_distributor end AS bit) AS [IsSystemObject] " +
			"FROM master.sys.databases AS dtb WHERE (dtb.name=N'Shop') ORDER BY [Name] ASC", "Name,Urn,IsAccessible,IsSystemObject\nShop,Server[@Name='Freshet']/Database[@Name='Shop'],true,false"},
		{"SELECT v.name AS [Name], SCHEMA_NAME(v.schema_id) AS [Schema] FROM sys.all_views AS v WHERE (v.type = 'V ') and (CAST(case when v.is_ms_shipped = 1 then 1 when (select major_id from sys.extended_properties " +
			"where major_id = v.object_id and minor_id = 0 and class = 1 and name = N'microsoft_database_tools_support') is not null then 1 else 0 end AS bit)=0 and v.name LIKE N'endpoint[_]%') ORDER BY [Schema] ASC,[Name] ASC",
			"Name,Schema\nendpoint_columns,dbo\nendpoint_parameters,dbo"},
		{"SELECT clmns.name AS [Name], clmns.column_id AS [ID], ISNULL(ik.is_primary_key, 0) AS [InPrimaryKey], usrt.name AS [DataType], ISNULL(baset.name, N'') AS [SystemType], " +
			"CAST(CASE WHEN baset.name IN (N'nchar', N'nvarchar') AND clmns.max_length <> -1 THEN clmns.max_length/2 ELSE clmns.max_length END AS int) AS [Length] FROM sys.all_views AS v " +
			"INNER JOIN sys.all_columns AS clmns ON clmns.object_id=v.object_id LEFT OUTER JOIN sys.indexes AS ik ON ik.object_id = clmns.object_id and 1=ik.is_primary_key " +
			"LEFT OUTER JOIN sys.types AS usrt ON usrt.user_type_id = clmns.user_type_id LEFT OUTER JOIN sys.types AS baset ON (baset.user_type_id = clmns.system_type_id and baset.user_type_id = baset.system_type_id) " +
			"WHERE (v.type = 'V ')and(v.name=N'endpoints' and SCHEMA_NAME(v.schema_id)=N'dbo') ORDER BY [ID] ASC", "Name,ID,InPrimaryKey,DataType,SystemType,Length\nName,1,false,nvarchar,nvarchar,128\nIsAction,2,false,bit,bit,1\nDescription,3,false,nvarchar,nvarchar,-1"},
		{"select case when cfg.configuration_id = 124 then (select lcid from sys.syslanguages as sl where sl.langid = cfg.value) else cfg.value_in_use end as v from sys.configurations as cfg where cfg.configuration_id = 124", "v\n1033"},
		// what a linked server asks of SQLNCLI
		{"exec [Shop].[sys].sp_schemata_rowset", "CATALOG_NAME,SCHEMA_NAME,SCHEMA_OWNER,DEFAULT_CHARACTER_SET_CATALOG,DEFAULT_CHARACTER_SET_SCHEMA,DEFAULT_CHARACTER_SET_NAME\nShop,Landing,dbo,<nil>,<nil>,<nil>\nShop,dbo,dbo,<nil>,<nil>,<nil>"},
		{"exec [Shop].[sys].sp_tables_info_90_rowset_64 N'endpoints', N'dbo', NULL", "TABLE_CATALOG,TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,TABLE_GUID,BOOKMARKS,BOOKMARK_TYPE,BOOKMARK_DATATYPE,BOOKMARK_MAXIMUM_LENGTH," +
			"BOOKMARK_INFORMATION,TABLE_VERSION,CARDINALITY,DESCRIPTION,TABLE_PROPID,TABLE_FLAGS\nShop,dbo,endpoints,VIEW,<nil>,false,<nil>,<nil>,<nil>,<nil>,<nil>,<nil>,All endpoints.,<nil>,0"},
		{`SELECT "Tbl1002"."Name" "Col1004","Tbl1002"."IsAction" "Col1005" FROM "Shop"."dbo"."endpoints" "Tbl1002" WHERE "Tbl1002"."Name"=N'refresh_dataflow' COLLATE SQL_Latin1_General_CP1_CI_AS`, "Col1004,Col1005\nrefresh_dataflow,true"},
		// DBeaver
		{"SELECT db.* FROM sys.databases db WHERE db.name = 'nothing'", ""},
		{"SELECT s.name,ep.value as description FROM [Shop].sys.schemas s LEFT OUTER JOIN [Shop].sys.extended_properties ep ON ep.class=3 AND ep.major_id=s.schema_id AND ep.minor_id=0 AND ep.name='MS_Description' WHERE s.schema_id = 1 ORDER BY s.name", "name,description\ndbo,<nil>"},
		{"SELECT o.name,ep.value as description FROM [Shop].sys.all_objects o LEFT OUTER JOIN [Shop].sys.extended_properties ep ON ep.class=1 AND ep.major_id=o.object_id AND ep.minor_id=0 AND ep.name='MS_Description' " +
			"WHERE o.type IN ('U','S','V','TT') AND o.schema_id = 1 AND o.name = 'endpoints' ORDER BY o.name", "name,description\nendpoints,All endpoints."},
	} {
		got, err := ask(db, tt.text)
		if tt.want == "" {
			got = tt.want
		}
		if err != nil || strings.TrimRight(got, "\n") != tt.want {
			t.Errorf("%s\n%v\ngot\n%s\nwant\n%s", tt.text, err, got, tt.want)
		}
	}
	if _, err := ask(db, "EXEC sp_who2"); number(err) != 2812 {
		t.Errorf("a procedure that there is not: %v", err)
	}
	if _, err := ask(db, "EXEC sp_columns @table_name = 'endpoints', @table_qualifier = 'freshet'"); number(err) != 15250 {
		t.Errorf("a table of another database: %v", err)
	}
}
