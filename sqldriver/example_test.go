package sqldriver_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http/httptest"

	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
	"freshet.dev/sqldriver"
)

// service starts a stand-in for Power BI with a workspace Sales, a model Orders and a dataflow Landing in it.
func service() (*powerbitest.Service, *httptest.Server) {
	s := &powerbitest.Service{Groups: []*powerbitest.Group{{ID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", Name: "Sales",
		Models:    []powerbitest.Model{{ID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229", Name: "Orders"}},
		Dataflows: []powerbitest.Model{{ID: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Name: "Landing"}}}}}
	return s, httptest.NewServer(s)
}

// Refresh a model and wait for it.
func Example() {
	_, server := service() // stands for powerbi.DefaultHost
	defer server.Close()
	client := &powerbi.Client{Host: server.URL} // yours signs in: freshet.dev/powerbi/entra
	db := sql.OpenDB(sqldriver.New(sqldriver.Options{Client: client, Workspace: "Sales"}))
	defer db.Close()

	var status string
	var code int
	err := db.QueryRow("SELECT Status, HttpStatusCode FROM refresh_dataset WHERE DatasetName = ? WITH (Type='Full', InitialWaitMs=0)", "Orders").Scan(&status, &code)
	var failed *sqldriver.Error
	switch {
	case errors.As(err, &failed) && failed.Code == sqldriver.CodeRefreshFailed:
		fmt.Println("the refresh failed:", failed)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(status, code)
	}
	// Output: Completed 202
}

// A program that is configured by a data source name.
func ExampleDriver() {
	_, server := service()
	defer server.Close()
	sql.Register("freshet", sqldriver.Driver{})
	db, err := sql.Open("freshet", server.URL+"?workspace=Sales&token=a-token")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO refresh_dataflow (DataflowName, InitialWaitMs) VALUES (@flow, 0)", sql.Named("flow", "Landing")); err != nil {
		fmt.Println(err)
		return
	}
	var name, status string
	err = db.QueryRow("SELECT f.Name, t.Status FROM get_dataflows f JOIN get_dataflow_transactions t ON t.DataflowId = f.Id").Scan(&name, &status)
	fmt.Println(name, status, err)
	// Output: Landing Success <nil>
}
