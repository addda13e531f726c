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
		// what a linked server asks of SQLNCLI
		{"exec [Shop].[sys].sp_schemata_rowset", "CATALOG_NAME,SCHEMA_NAME,SCHEMA_OWNER,DEFAULT_CHARACTER_SET_CATALOG,DEFAULT_CHARACTER_SET_SCHEMA,DEFAULT_CHARACTER_SET_NAME\nShop,dbo,dbo,<nil>,<nil>,<nil>"},
		// DBeaver
		{"SELECT db.* FROM sys.databases db WHERE db.name = 'nothing'", ""},
		{"SELECT s.name,ep.value as description FROM [Shop].sys.schemas s LEFT OUTER JOIN [Shop].sys.extended_properties ep ON ep.class=3 AND ep.major_id=s.schema_id AND ep.minor_id=0 AND ep.name='MS_Description' WHERE s.schema_id = 1 ORDER BY s.name", "name,description\ndbo,<nil>"},
		{"SELECT o.name,ep.value as description FROM [Shop].sys.all_objects o LEFT OUTER JOIN [Shop].sys.extended_properties ep ON ep.class=1 AND ep.major_id=o.object_id AND ep.minor_id=0 AND ep.name='MS_Description' " +
			"WHERE o.type IN ('U ','S ','V ','TT') AND o.schema_id = 1 AND o.name = 'endpoints' ORDER BY o.name", "name,description\nendpoints,All endpoints."},
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
