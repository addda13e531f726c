package api

import (
	"net/http"
	"strings"

	"freshet.dev/internal/model"
	"freshet.dev/powerbi"
)

// listTables tells of any model what Power BI tells of push datasets only.
func (c *call) listTables() (reply, error) {
	tables, err := c.Workspaces.Tables(c.r.Context(), c.item)
	if err != nil {
		return reply{}, err
	}
	list := make([]powerbi.Table, 0, len(tables))
	for _, t := range tables {
		list = append(list, asTable(t))
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Table]{Context: c.context("tables"), Value: list}}, nil
}

func asTable(t *model.Table) powerbi.Table {
	table := powerbi.Table{Name: t.Name, IsHidden: t.IsHidden, Columns: []powerbi.TableColumn{}, Measures: []powerbi.TableMeasure{}}
	for _, column := range t.Columns {
		if column.Type == model.RowNumberColumn {
			continue
		}
		name := string(column.DataType)
		if name != "" {
			name = strings.ToUpper(name[:1]) + name[1:] // String, Int64, DateTime …: Power BI begins them with a capital letter here
		}
		table.Columns = append(table.Columns, powerbi.TableColumn{Name: column.Name, DataType: name, IsHidden: column.IsHidden, SortByColumn: column.SortByColumn})
	}
	for _, measure := range t.Measures {
		table.Measures = append(table.Measures, powerbi.TableMeasure{Name: measure.Name, Expression: measure.Expression})
	}
	return table
}
