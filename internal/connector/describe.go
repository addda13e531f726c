package connector

// Endpoint is what a name of the schema dbo offers: rows in FROM, and a procedure for EXEC.
type Endpoint struct {
	Name, About string
	Columns     []EndpointColumn
	Parameters  []EndpointParameter
}

// EndpointColumn is a column of an endpoint.
type EndpointColumn struct {
	Column
	About string
}

// EndpointParameter is a parameter of an endpoint, in the order of EXEC without names.
type EndpointParameter struct {
	Name    string
	Type    Type   // that its values are taken in; every one is taken as text, too
	Default string // "": none
	About   string
}

// Endpoints are all endpoints.
func (c *Connector) Endpoints() []Endpoint {
	list := make([]Endpoint, len(c.endpoints))
	for i, e := range c.endpoints {
		list[i] = Endpoint{Name: e.name, About: e.about}
		for _, f := range e.columns {
			list[i].Columns = append(list[i].Columns, EndpointColumn{Column{f.name, f.typ}, f.about})
		}
		for _, a := range e.parameters {
			typ := Type{Nvarchar, 4000}
			switch a.kind {
			case boolArgument:
				typ = Type{Kind: Bit}
			case countArgument:
				typ = Type{Kind: Int}
			}
			list[i].Parameters = append(list[i].Parameters, EndpointParameter{a.name, typ, a.initial, a.about})
		}
	}
	return list
}
