package clients

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// TestPowerBICLI walks through the work of a day with the Power BI CLI of npm: as a service principal it signs in, finds workspace and model by
// name, starts a refresh, follows it in the history, cancels one, takes a model over and sets its schedule, and lists dataflows. R3, R4, R24, R28, R30, R37, C1
func TestPowerBICLI(t *testing.T) {
	client := os.Getenv("FRESHET_TEST_POWERBI_CLI")
	if client == "" {
		missing(t, "the Power BI CLI")
	}
	h, home := start(t), t.TempDir()
	cli := func(args ...string) string {
		t.Helper()
		out, err := h.run(t, home, client, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	decoded := func(into any, args ...string) {
		t.Helper()
		out := cli(args...)
		if err := json.Unmarshal([]byte(out), into); err != nil {
			t.Fatalf("pbicli %s printed %q: %v", strings.Join(args, " "), out, err)
		}
	}
	cli("login", "--service-principal", "-p", clientID, "-s", clientSecret, "-t", tenant)
	var groups []powerbi.Group
	if decoded(&groups, "workspace", "list"); len(groups) != 1 || groups[0].Name != "Sales" {
		t.Fatalf("workspaces %+v", groups)
	}
	var datasets []powerbi.Dataset
	if decoded(&datasets, "dataset", "list", "-w", "Sales"); len(datasets) != 2 || datasets[1].Name != "Orders" {
		t.Fatalf("datasets %+v", datasets)
	}

	cli("dataset", "refresh", "start", "-w", "Sales", "-d", "Orders", "--notify", "none")
	ended := h.ended(t, h.orders)
	var history []powerbi.Refresh
	decoded(&history, "dataset", "refresh", "history", "-w", "Sales", "-d", "Orders")
	if len(history) != 1 || history[0].RequestID != ended.RequestID || history[0].Status != powerbi.Completed || history[0].RefreshType != "ViaApi" {
		t.Fatalf("history %+v, ended %+v", history, ended)
	}

	// Its `rest` verb writes a body twice as JSON, so that the parameters of an enhanced refresh are beyond it; the rest of one's life is not.
	if _, err := h.Refresh(t.Context(), h.endless, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{}); err != nil {
		t.Fatal(err)
	}
	id := h.running(t, h.endless)
	if out, err := h.run(t, home, client, "dataset", "refresh", "start", "-w", "Sales", "-d", "Endless", "--notify", "none"); err == nil || !strings.Contains(err.Error(), "Another refresh request is already executing") {
		t.Fatalf("a second refresh: %s, %v", out, err)
	}
	cli("dataset", "refresh", "cancel", "-w", "Sales", "-d", "Endless", "--refresh", id)
	if ended := h.ended(t, h.endless); ended.Status != powerbi.Cancelled {
		t.Fatalf("cancelled: %+v", ended)
	}
	var detail powerbi.RefreshDetail // only now: it takes the 202 of a refresh that runs for an error, as it does with Power BI
	if decoded(&detail, "dataset", "refresh", "detail", "-w", "Sales", "-d", "Endless", "--refresh", id); detail.Status != powerbi.Cancelled || detail.Type != "Full" {
		t.Fatalf("detail %+v", detail)
	}

	var sources []powerbi.Datasource
	if decoded(&sources, "dataset", "datasource", "list", "-w", "Sales", "-d", "Orders"); len(sources) != 1 || sources[0].DatasourceType != "File" {
		t.Fatalf("data sources %+v", sources)
	}
	// The machine's owner has deployed the model, and only the owner of a model sets its schedule. The client has words of its own for every 403.
	weekly := []string{"dataset", "refresh", "update", "-w", "Sales", "-d", "Orders", "--refresh-schedule"}
	if out, err := h.run(t, home, client, append(weekly, `{"value":{"enabled":true}}`)...); err == nil || !strings.Contains(err.Error(), "Authorisation error") {
		t.Fatalf("a schedule of another's model: %s, %v", out, err)
	}
	cli("dataset", "set-owner", "-w", "Sales", "-d", "Orders")
	cli(append(weekly, `{"value":{"days":["Monday"],"times":["07:00"],"enabled":true,"localTimeZoneId":"Romance Standard Time"}}`)...)
	var schedule powerbi.RefreshSchedule
	decoded(&schedule, "dataset", "refresh", "show", "-w", "Sales", "-d", "Orders")
	if !schedule.Enabled || strings.Join(schedule.Days, " ") != "Monday" || strings.Join(schedule.Times, " ") != "07:00" || schedule.LocalTimeZoneID != "Romance Standard Time" {
		t.Fatalf("schedule %+v", schedule)
	}

	var dataflows []json.RawMessage
	if decoded(&dataflows, "dataflow", "list", "-w", "Sales"); len(dataflows) != 0 {
		t.Fatalf("dataflows %s", dataflows)
	}
	cli("logout")
}
