package powerbi

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"testing"
)

// The requests and answers are those of Power BI's reference.
func TestDatasources(t *testing.T) {
	var asked, sent string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked, sent = r.Method+" "+r.URL.Path, string(body)
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{"value":[{"datasourceType":"AnalysisServices","connectionDetails":{"server":"My-As-Server","database":"My-As-Database"},` +
				`"datasourceId":"33cc5222-3fb9-44f7-b19d-ffbff18aaaf5","gatewayId":"0a2dafe6-0e93-4120-8d2c-fae123c111b1"},` +
				`{"datasourceType":"File","connectionDetails":{"path":"c:\\users\\username\\documents\\orders1.xlsx"}}]}`))
		}
	})
	ref := Ref{GroupID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", DatasetID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229"}
	got, err := client.Datasources(context.Background(), ref)
	want := []Datasource{{DatasourceType: "AnalysisServices", ConnectionDetails: ConnectionDetails{Server: "My-As-Server", Database: "My-As-Database"},
		DatasourceID: "33cc5222-3fb9-44f7-b19d-ffbff18aaaf5", GatewayID: "0a2dafe6-0e93-4120-8d2c-fae123c111b1"},
		{DatasourceType: "File", ConnectionDetails: ConnectionDetails{Path: `c:\users\username\documents\orders1.xlsx`}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	err = client.UpdateDatasources(context.Background(), ref, []DatasourceUpdate{{
		Selector:          &DatasourceSelector{"Sql", ConnectionDetails{Server: "My-Sql-Server", Database: "My-Sql-Database"}},
		ConnectionDetails: ConnectionDetails{Server: "New-Sql-Server", Database: "New-Sql-Database"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if asked != "POST /v1.0/myorg/groups/"+ref.GroupID+"/datasets/"+ref.DatasetID+"/Default.UpdateDatasources" ||
		sent != `{"updateDetails":[{"datasourceSelector":{"datasourceType":"Sql","connectionDetails":{"server":"My-Sql-Server","database":"My-Sql-Database"}},"connectionDetails":{"server":"New-Sql-Server","database":"New-Sql-Database"}}]}` {
		t.Errorf("%s %s", asked, sent)
	}
}
