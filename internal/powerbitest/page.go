package powerbitest

// PageDataflow is the dataflow of the statements of Page.
const PageDataflow = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

// PageStatement is a statement of the connector's page.
type PageStatement struct {
	Name  string
	Text  string
	Waits bool // for the end of the refresh
}

// Page are the six statements of the page about refresh_dataflow, byte for byte: three for programs of ODBC, three for SQL Server.
func Page() []PageStatement {
	const more = `
-- More info on refreshing a Dataflow:
-- https://learn.microsoft.com/en-us/rest/api/power-bi/dataflows/refresh-dataflow`
	return []PageStatement{
		{"ODBC", `SELECT *
FROM refresh_dataflow
WHERE Id = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'`, true},
		{"ODBC, waiting", `SELECT *
FROM refresh_dataflow
WHERE Id = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
WITH (WaitForCompletion='True')` + more, true},
		{"ODBC, not waiting", `SELECT *
FROM refresh_dataflow
WHERE Id = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
WITH (WaitForCompletion='False')` + more, false},
		{"SQL Server", `DECLARE @MyQuery NVARCHAR(MAX) = 'SELECT *
FROM refresh_dataflow
WHERE Id = ''aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee''';
EXEC (@MyQuery) AT [LS_TO_POWER_BI_IN_GATEWAY];`, true},
		{"SQL Server, waiting", `DECLARE @MyQuery NVARCHAR(MAX) = 'SELECT *
FROM refresh_dataflow
WHERE Id = ''aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee''
WITH (WaitForCompletion=''True'')` + more + `';
EXEC (@MyQuery) AT [LS_TO_POWER_BI_IN_GATEWAY];`, true},
		{"SQL Server, not waiting", `DECLARE @MyQuery NVARCHAR(MAX) = 'SELECT *
FROM refresh_dataflow
WHERE Id = ''aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee''
WITH (WaitForCompletion=''False'')` + more + `';
EXEC (@MyQuery) AT [LS_TO_POWER_BI_IN_GATEWAY];`, false},
	}
}
