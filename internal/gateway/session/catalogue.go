package session

import (
	"database/sql/driver"
	"strings"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/gateway"
	"freshet.dev/internal/gateway/catalogue"
)

// catalogue is what the catalog of a database tells.
func (s *Session) catalogue(db database) *catalogue.Database {
	d := &catalogue.Database{Name: db.name, Databases: s.names, Server: serverName, Version: version, Login: s.identity.Name, Since: s.began,
		Session: catalogue.Session{ID: int64(s.login.Number), Host: s.login.Host, Program: s.login.Application, Since: s.began}}
	for _, e := range s.connector.Endpoints() {
		view := catalogue.Object{Schema: "dbo", Name: e.Name, Kind: catalogue.View, About: e.About}
		procedure := catalogue.Object{Schema: "dbo", Name: e.Name, Kind: catalogue.Procedure, About: e.About}
		for _, c := range e.Columns {
			view.Columns = append(view.Columns, catalogue.Column{Column: gateway.Column{Name: c.Name, Type: typeOf(c.Type)}, About: c.About})
		}
		for _, p := range e.Parameters {
			procedure.Parameters = append(procedure.Parameters, catalogue.Parameter{Name: "@" + p.Name, Type: typeOf(p.Type), Default: p.Default, About: p.About})
		}
		d.Objects = append(d.Objects, view, procedure)
	}
	return d
}

// views are the catalog's views of a schema; nil: it has none.
func (s *Session) views(db database, schema string) (tables []connector.Table) {
	for _, relation := range s.catalogue(db).Relations(schema) {
		t := connector.Table{Name: relation.Name, Rows: func() [][]driver.Value {
			rows := relation.Rows()
			values := make([][]driver.Value, len(rows))
			for i, row := range rows {
				values[i] = make([]driver.Value, len(row))
				for at, value := range row {
					values[i][at] = value
				}
			}
			return values
		}}
		for _, c := range relation.Columns {
			t.Columns = append(t.Columns, connector.Column{Name: c.Name, Type: nearest(c.Type)})
		}
		tables = append(tables, t)
	}
	return tables
}

// nearest is the connector's type that holds the values of a column of the catalog.
func nearest(t gateway.Type) connector.Type {
	switch t.Kind {
	case gateway.Bit:
		return connector.Type{Kind: connector.Bit}
	case gateway.TinyInt, gateway.SmallInt, gateway.Int:
		return connector.Type{Kind: connector.Int}
	case gateway.BigInt:
		return connector.Type{Kind: connector.Bigint}
	case gateway.DateTime:
		return connector.Type{Kind: connector.Datetime}
	case gateway.Char, gateway.Varchar:
		return connector.Type{Kind: connector.Varchar, Length: t.Length}
	}
	return connector.Type{Kind: connector.Nvarchar, Length: t.Length}
}

// ask runs a procedure of the catalog; false: the name is none's.
func (s *Session) ask(name string, params []gateway.Param, results gateway.Results) (bool, error) {
	if !strings.HasPrefix(strings.ToLower(name), "sp_") {
		return false, nil
	}
	answer, known, err := s.catalogue(s.database).Procedure(name, params)
	if err != nil || !known {
		return known, err
	}
	if len(answer.Columns) == 0 {
		return true, results.Done(-1)
	}
	if err := results.Columns(answer.Columns); err != nil {
		return true, err
	}
	for _, row := range answer.Rows {
		if err := results.Row(row); err != nil {
			return true, err
		}
	}
	s.rows = int64(len(answer.Rows))
	return true, results.Done(s.rows)
}
