package powerbi

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"testing"
)

// The requests and answers are those of Power BI's reference.
func TestParameters(t *testing.T) {
	var asked, sent string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked, sent = r.Method+" "+r.URL.Path, string(body)
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{"value":[{"name":"FromDate","type":"DateTime","isRequired":true,"currentValue":"2/8/2002 12:00:00 AM"},` +
				`{"name":"MaxId","type":"Number","isRequired":false,"currentValue":"77","suggestedValues":["77","78"]}]}`))
		}
	})
	ref := Ref{GroupID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", DatasetID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229"}
	got, err := client.Parameters(context.Background(), ref)
	want := []Parameter{{Name: "FromDate", Type: "DateTime", IsRequired: true, CurrentValue: "2/8/2002 12:00:00 AM"},
		{Name: "MaxId", Type: "Number", CurrentValue: "77", SuggestedValues: []string{"77", "78"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := client.UpdateParameters(context.Background(), ref, []ParameterUpdate{{"DatabaseName", "NewDB"}, {"MaxId", "5678"}}); err != nil {
		t.Fatal(err)
	}
	if asked != "POST /v1.0/myorg/groups/"+ref.GroupID+"/datasets/"+ref.DatasetID+"/Default.UpdateParameters" ||
		sent != `{"updateDetails":[{"name":"DatabaseName","newValue":"NewDB"},{"name":"MaxId","newValue":"5678"}]}` {
		t.Errorf("%s %s", asked, sent)
	}
}
