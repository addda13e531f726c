// Package sqldriver is a driver of database/sql over the connector: SQL that refreshes semantic models and dataflows of Power BI, or of Freshet, waits
// for them, and reads what the REST API lists. doc/connector.md is the reference of the statements.
//
//	db := sql.OpenDB(sqldriver.New(sqldriver.Options{Client: credential.Client(powerbi.DefaultHost), Workspace: "Sales"}))
//	defer db.Close()
//	row := db.QueryRowContext(ctx, "SELECT Status FROM refresh_dataset WHERE DatasetName = ? WITH (MaxWaitSec='3600')", "Orders")
//
// # Data source names
//
// Programs that are configured by a name register the driver once, under a name of their choice:
//
//	sql.Register("freshet", sqldriver.Driver{})
//	db, err := sql.Open("freshet", "https://api.powerbi.com?workspace=Sales&credential=azure-cli")
//
// A data source name is the address of the host, http or https, with these keys in its query:
//
//	workspace      the default workspace, by name or GUID; without it My workspace
//	credential     service-principal, managed-identity or azure-cli; without it the token
//	tenant         of the service principal
//	clientId       of the service principal, or of a managed identity that is not the machine's own
//	clientSecret   of the service principal
//	authority      where to sign in, if not at Microsoft's public cloud
//	scope          what the token is for, if not Power BI's public cloud
//	token          a bearer token, in place of a credential; it is not renewed
//
// A key that there is not is an error. Percent-encode values as in any URL.
//
// # Statements
//
// Parameters are ? in their order, or @name with [database/sql.Named]. A batch of several statements gives several result sets; it has been run to its end when
// Query returns. Exec runs one too; RowsAffected counts the rows of the last statement, which for INSERT INTO an endpoint are the calls.
//
// Prepare reads a statement and calls nothing. There are no transactions: what a service was asked for cannot be undone.
//
// The end of the context ends the wait for a refresh. The refresh goes on, unless the statement says CancelOnAbort='True'. A deadline shorter than
// MaxWaitSec (2 hours) ends the wait first, with the context's error.
//
// # Values
//
// int and bigint are int64, float is float64, bit is bool, datetime is a time.Time in UTC, decimal is a text of all its digits, anything else is a text.
// [database/sql.ColumnType] tells the types as SQL Server names them, with the lengths of texts.
//
// # Errors
//
// A statement that fails is an [*Error], with its code (CodeRefreshFailed, CodeWaitLimit, or one of doc/errors.md), the place in the statement, and the status
// of HTTP if a service has answered.
package sqldriver
