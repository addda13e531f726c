package tests

import (
	"testing"

	"freshet.dev/powerbi"
)

// TestTablesNameTables: a partition's M may name another table, which then stands for the rows of all its partitions, as in Power BI Desktop.
func TestTablesNameTables(t *testing.T) {
	r := start(t)
	ref := r.deploy(t, "Named", map[string][]byte{"model.bim": []byte(`{"name": "Named", "compatibilityLevel": 1567, "model": {"culture": "en-US", "tables": [
		{"name": "All Orders", "columns": [{"name": "Key", "dataType": "int64", "sourceColumn": "Key"}], "partitions": [
			{"name": "Low", "source": {"type": "m", "expression": "let\n    Source = #table(type table [Key = Int64.Type], {{1}, {2}}) // two\nin\n    Source // rows"}},
			{"name": "High", "source": {"type": "m", "expression": "#table(type table [Key = Int64.Type], {{30}})"}}]},
		{"name": "Big", "columns": [{"name": "Key", "dataType": "int64", "sourceColumn": "Key"}], "partitions": [
			{"name": "Big", "source": {"type": "m", "expression": "Table.SelectRows(#\"All Orders\", each [Key] > 1)"}}]},
		{"name": "Circle", "columns": [{"name": "Key", "dataType": "int64", "sourceColumn": "Key"}], "partitions": [
			{"name": "Circle", "source": {"type": "m", "expression": "Circle"}}]}
	]}}`)})
	detail := r.refresh(t, ref, powerbi.RefreshRequest{Type: "full", Objects: []powerbi.RefreshObject{{Table: "All Orders"}, {Table: "Big"}}})
	if detail.Status != powerbi.Completed {
		t.Fatalf("%s: %+v", detail.Status, detail.Messages)
	}
	if row := r.row(t, ref, `SELECT count(*)::VARCHAR, sum(Key)::VARCHAR FROM Big`); row[0] != "2" || row[1] != "32" {
		t.Errorf("Big has %s rows that sum to %s, not 2 and 32", row[0], row[1])
	}
	detail = r.refresh(t, ref, powerbi.RefreshRequest{Type: "full", Objects: []powerbi.RefreshObject{{Table: "Circle"}}})
	if detail.Status != powerbi.Failed {
		t.Errorf("a table that names itself ended as %s", detail.Status)
	}
}
