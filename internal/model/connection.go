package model

import (
	"cmp"
	"strings"

	"freshet.dev/internal/fault"
)

// Ref says what a data source reaches, in the words of the configuration: its kind ("PostgreSQL", "SQL", "MySQL", "File", "Web",
// "OData") and path ("host:5432;sales", "/srv/exports"). It never holds a secret.
func (d *DataSource) Ref() (kind, path string, err error) {
	if d.Type == StructuredSource {
		return d.structuredRef()
	}
	settings := connectionSettings(d.ConnectionString)
	first := func(names ...string) string {
		for _, name := range names {
			if value := settings[name]; value != "" {
				return value
			}
		}
		return ""
	}
	// The bridges System.Data.OleDb and System.Data.Odbc say nothing: the connection string's own provider or driver does.
	for _, name := range []string{first("provider"), first("driver"), d.Provider} {
		if kind = kindOfProvider(name); kind != "" {
			break
		}
	}
	server := first("data source", "server", "host", "address", "addr", "network address", "location")
	database := first("initial catalog", "database")
	switch {
	case kind == "":
		named := cmp.Or(first("provider"), first("driver"), d.Provider)
		if named == "" {
			return "", "", d.fail("it names no provider", "Set its provider, for example Npgsql, or the connection string's Provider or Driver")
		}
		return "", "", d.fail("its provider '"+named+"' is not supported", "Use one for PostgreSQL, or read the source with M")
	case server == "":
		return "", "", d.fail("its connection string names no server", "Add Server=… or Data Source=… to the connection string")
	case database == "":
		return "", "", d.fail("its connection string names no database", "Add Database=… or Initial Catalog=… to the connection string")
	}
	if port := first("port"); port != "" && !strings.Contains(server, ":") {
		server += ":" + port
	}
	return kind, server + ";" + database, nil
}

func (d *DataSource) fail(why, hint string) error {
	return fault.New(fault.Invalid, fault.CodeSourceUnsupported, "cannot tell what data source '%s' reaches: %s", d.Name, why).WithHint("%s", hint)
}

func (d *DataSource) structuredRef() (kind, path string, err error) {
	address := func(name string) string {
		for key, value := range d.Address {
			if strings.EqualFold(key, name) {
				return value
			}
		}
		return ""
	}
	databases := map[string]string{"tds": "SQL", "postgresql": "PostgreSQL", "mysql": "MySQL"}
	files := map[string]string{"file": "File", "folder": "File"}
	pages := map[string]string{"http": "Web", "odata": "OData"}
	protocol := strings.ToLower(d.Protocol)
	switch {
	case databases[protocol] != "":
		if address("server") == "" {
			return "", "", d.fail("its address names no server", "Add connectionDetails.address.server")
		}
		path = address("server")
		if port := address("port"); port != "" && !strings.Contains(path, ":") {
			path += ":" + port
		}
		if database := address("database"); database != "" {
			path += ";" + database
		}
		return databases[protocol], path, nil
	case files[protocol] != "" && address("path") != "":
		return files[protocol], address("path"), nil
	case pages[protocol] != "" && address("url") != "":
		return pages[protocol], address("url"), nil
	case files[protocol] != "" || pages[protocol] != "":
		return "", "", d.fail("its address is empty", "Add connectionDetails.address.path or .url")
	case protocol == "":
		return "", "", d.fail("it has no connection details", "Add connectionDetails with protocol and address")
	}
	return "", "", d.fail("its protocol '"+d.Protocol+"' is not supported", "Read the source with an M partition that does not use it")
}

func kindOfProvider(name string) string {
	name = strings.ToLower(name)
	for _, known := range []struct{ part, kind string }{
		{"npgsql", "PostgreSQL"},
		{"postgres", "PostgreSQL"},
		{"psqlodbc", "PostgreSQL"},
		{"mysql", "MySQL"},
		{"mariadb", "MySQL"},
		{"sqlncli", "SQL"},
		{"msoledbsql", "SQL"},
		{"sqloledb", "SQL"},
		{"sqlclient", "SQL"},
		{"sql server", "SQL"},
	} {
		if strings.Contains(name, known.part) {
			return known.kind
		}
	}
	return ""
}

// connectionSettings reads `key=value;…`, as OLE DB, ODBC and ADO.NET write it: values may stand in quotes or braces. Keys are in lower case.
func connectionSettings(text string) map[string]string {
	settings := map[string]string{}
	for text != "" {
		key, rest, found := strings.Cut(text, "=")
		if before, after, more := strings.Cut(key, ";"); more { // an empty part
			_, text = before, after+text[len(key):]
			continue
		}
		if !found {
			break
		}
		rest = strings.TrimLeft(rest, " ")
		var value string
		if closing := closingOf(rest); closing != "" {
			value, rest, _ = strings.Cut(rest[1:], closing)
			_, text, _ = strings.Cut(rest, ";")
		} else {
			value, text, _ = strings.Cut(rest, ";")
		}
		settings[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	return settings
}

func closingOf(value string) string {
	switch {
	case strings.HasPrefix(value, "{"):
		return "}"
	case strings.HasPrefix(value, `"`), strings.HasPrefix(value, "'"):
		return value[:1]
	}
	return ""
}
