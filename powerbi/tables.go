package powerbi

import (
	"context"
	"net/http"
)

// Table is a table of a semantic model.
type Table struct {
	Name     string         `json:"name"`
	IsHidden bool           `json:"isHidden"`
	Columns  []TableColumn  `json:"columns"`
	Measures []TableMeasure `json:"measures"`
}

// TableColumn is a column of a table.
type TableColumn struct {
	Name         string `json:"name"`
	DataType     string `json:"dataType"` // String, Int64, Double, Decimal, DateTime, Boolean, Binary
	IsHidden     bool   `json:"isHidden"`
	SortByColumn string `json:"sortByColumn,omitempty"`
}

// TableMeasure is a measure of a table.
type TableMeasure struct {
	Name       string `json:"name"`
	Expression string `json:"expression"` // DAX
}

// Tables lists the tables of a semantic model. Power BI knows only those of push datasets, Freshet those of every model.
func (c *Client) Tables(ctx context.Context, ref Ref) ([]Table, error) {
	var list List[Table]
	_, err := c.call(ctx, http.MethodGet, ref.path("tables"), nil, nil, nil, &list)
	return list.Value, err
}
