package workspace

import (
	"context"
	"maps"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// Source is a data source of a model, as Power BI describes one. Which of its details are set depends on Type.
type Source struct {
	Type             string `json:"type,omitempty"` // Power BI's datasourceType: Sql, PostgreSql, File, Web, OData, Extension …
	Server           string `json:"server,omitempty"`
	Database         string `json:"database,omitempty"`
	URL              string `json:"url,omitempty"`
	Path             string `json:"path,omitempty"`
	Kind             string `json:"kind,omitempty"` // of an Extension
	Account          string `json:"account,omitempty"`
	Domain           string `json:"domain,omitempty"`
	ConnectionString string `json:"connectionString,omitempty"` // without secrets
}

// String names a source in errors, without what may be secret.
func (s Source) String() string {
	s = s.shown()
	details := slices.DeleteFunc([]string{s.Kind, s.Server, s.Database, s.URL, s.Path, s.Account, s.Domain, s.ConnectionString}, func(detail string) bool { return detail == "" })
	return strings.TrimPrefix(s.Type+" '"+strings.Join(details, ";")+"'", " ")
}

// shown is a source as callers may see it.
func (s Source) shown() Source {
	s.ConnectionString = withoutSecrets(s.ConnectionString)
	return s
}

// matches tells whether a source is one that a selector means: what the selector leaves out may be anything.
func (s Source) matches(selector Source) bool {
	for _, pair := range [...][2]string{{selector.Type, s.Type}, {selector.Server, s.Server}, {selector.Database, s.Database}, {selector.URL, s.URL}, {selector.Path, s.Path},
		{selector.Kind, s.Kind}, {selector.Account, s.Account}, {selector.Domain, s.Domain}, {selector.ConnectionString, s.ConnectionString}} {
		if pair[0] != "" && !strings.EqualFold(pair[0], pair[1]) {
			return false
		}
	}
	return true
}

// Move gives data sources other details: those of To that are set. From means every source with its details; it may be empty when the model has
// one source.
type Move struct {
	From Source `json:"from"`
	To   Source `json:"to"`
}

// Text is an M text with its name.
type Text struct{ Name, Text string }

// Sources lists the data sources that a model's expressions name, with the parameters as they are set, and those that it defines by themselves.
func (s *Service) Sources(ctx context.Context, item Item) ([]Source, error) {
	definition, err := s.repository.Definition(ctx, item.ID, 0)
	if err != nil {
		return nil, err
	}
	read, err := definition.Model()
	if err != nil {
		return nil, err
	}
	sources, _, err := s.sources(read, nil, Source{})
	for i := range sources {
		sources[i] = sources[i].shown()
	}
	return sources, err
}

// MoveSources gives data sources of a model other details, all that are named or none, for the next refresh. It is Denied to others than the owner, Invalid for what no source of the
// model is, and where a detail stands in a parameter or is put together by an expression; a Conflict while a refresh is unfinished.
func (s *Service) MoveSources(ctx context.Context, caller Caller, item Item, moves []Move) error {
	if len(moves) == 0 {
		return fault.New(fault.Invalid, codeInvalid, "cannot update no data source").WithHint(`Send {"updateDetails":[{"datasourceSelector":{…},"connectionDetails":{…}}]}.`)
	}
	return s.override(ctx, caller, item.ID, func(definition Definition, _ *model.Model) (Overrides, error) {
		for _, move := range moves {
			next, err := s.moved(definition, move)
			if err != nil {
				return Overrides{}, err
			}
			definition.Overrides = next
		}
		return definition.Overrides, nil
	})
}

// moved are the overrides of a definition with one more move.
func (s *Service) moved(definition Definition, move Move) (Overrides, error) {
	files, err := definition.read()
	if err != nil {
		return Overrides{}, err
	}
	read, err := definition.Model()
	if err != nil {
		return Overrides{}, err
	}
	sources, _, err := s.sources(read, nil, Source{})
	if err != nil {
		return Overrides{}, err
	}
	if move.From == (Source{}) && len(sources) > 1 {
		return Overrides{}, fault.New(fault.Invalid, codeInvalid, "cannot tell which data source is meant: the model has %d", len(sources)).
			WithHint("Name it by a datasourceSelector. %s", listed("They are", sources, Source.String))
	}
	from := slices.DeleteFunc(slices.Clone(sources), func(source Source) bool { return !source.shown().matches(move.From) })
	if len(from) == 0 {
		return Overrides{}, fault.New(fault.Invalid, codeInvalid, "cannot find data source %s in the model", move.From).WithHint("%s", listed("It has", sources, Source.String))
	}
	to := move.To
	if to.Type != "" && !strings.EqualFold(to.Type, from[0].Type) {
		return Overrides{}, fault.New(fault.Invalid, codeInvalid, "cannot make a data source of type %s one of type %s: the type cannot be changed", from[0].Type, to.Type)
	}
	if to.Type = ""; to == (Source{}) {
		return Overrides{}, fault.New(fault.Invalid, codeInvalid, "cannot update data source %s: the request names no connectionDetails to set", from[0])
	}
	_, texts, err := s.sources(read, from, to)
	if err != nil {
		return Overrides{}, err
	}
	overrides := definition.Overrides
	overrides.Moves = append(slices.Clone(overrides.Moves), move)
	overrides.Texts = nil
	next := map[Place]string{}
	for _, t := range texts {
		next[t.Place] = t.text
	}
	Overrides{Parameters: overrides.Parameters}.apply(files)
	for _, t := range textsOf(files) {
		if changed, known := next[t.Place]; known && changed != t.text {
			overrides.Texts = append(overrides.Texts, Replaced{t.Place, changed})
		}
	}
	if len(overrides.Texts) == 0 {
		overrides.Moves = nil // everything is again as the files say
	}
	return overrides, nil
}

// queries are the texts of a model that are M: those that others may name, and those that make rows, each with the indexes that they have in texts.
func queries(m *model.Model, texts []text) (lists [2][]Text, origins [2][]int) {
	for i, t := range texts {
		at := 1
		switch t.What {
		case connectionText, addressText:
			continue
		case expressionText:
			at = 0
		}
		lists[at], origins[at] = append(lists[at], Text{t.name(), t.text}), append(origins[at], i)
	}
	for _, query := range m.Queries()[len(m.Expressions):] { // tables, which expressions may name
		lists[0] = append(lists[0], Text{query.Name, query.Text})
	}
	return lists, origins
}

// sources finds the data sources of a model, and changes what to has of those in from, in the texts that it returns.
func (s *Service) sources(m *model.Model, from []Source, to Source) (found []Source, texts []text, err error) {
	texts = textsOf(m)
	lists, origins := queries(m, texts)
	var moved [2][]Text
	if found, moved[0], moved[1], err = s.language.Sources(lists[0], lists[1], from, to); err != nil {
		return nil, nil, err
	}
	for at, list := range origins {
		for n, i := range list {
			texts[i].text = moved[at][n].Text
		}
	}
	for _, defined := range m.DataSources {
		source := describe(defined)
		if slices.Contains(from, source) {
			if err := moveDefined(defined, texts, to); err != nil {
				return nil, nil, err
			}
		}
		if !slices.Contains(found, source) {
			found = append(found, source)
		}
	}
	return found, texts, nil
}

// describe is a data source that a model defines by itself.
func describe(defined *model.DataSource) Source {
	kind, path, err := defined.Ref()
	switch {
	case err != nil && defined.Type == model.StructuredSource:
		return Source{Type: "Extension", Kind: defined.Protocol, Path: strings.Join(slices.Sorted(maps.Values(defined.Address)), ";")}
	case err != nil:
		return Source{Type: "OleDb", ConnectionString: defined.ConnectionString}
	}
	switch kind {
	case "SQL", "PostgreSQL", "MySQL":
		source := Source{Type: map[string]string{"SQL": "Sql", "PostgreSQL": "PostgreSql", "MySQL": "MySql"}[kind]}
		source.Server, source.Database, _ = strings.Cut(path, ";")
		return source
	case "File":
		return Source{Type: kind, Path: path}
	}
	return Source{Type: kind, URL: path}
}

// moveDefined changes the texts of a data source that a model defines by itself.
func moveDefined(defined *model.DataSource, texts []text, to Source) error {
	for _, change := range []struct {
		detail, value string
		settings      []string // of a connection string
	}{
		{"server", to.Server, []string{"data source", "server", "host", "address", "addr", "network address", "location"}},
		{"database", to.Database, []string{"initial catalog", "database"}},
		{"path", to.Path, nil},
		{"url", to.URL, nil},
		{"kind", to.Kind, nil},
		{"account", to.Account, nil},
		{"domain", to.Domain, nil},
		{"connectionString", to.ConnectionString, nil},
	} {
		if change.value == "" {
			continue
		}
		done := false
		for i, t := range texts {
			switch {
			case t.What == addressText && t.Owner == defined.Name && strings.EqualFold(t.Name, change.detail):
				texts[i].text, done = change.value, true
			case t.What != connectionText || t.Name != defined.Name:
			case change.detail == "connectionString":
				texts[i].text, done = withoutSecrets(change.value), true
			default:
				texts[i].text, done = withSetting(t.text, change.settings, change.value)
			}
		}
		if !done {
			return fault.New(fault.Invalid, codeInvalid, "cannot change the %s of data source '%s': it has none", change.detail, defined.Name).
				WithHint("Change the data source in the model, and deploy it.")
		}
	}
	return nil
}

// withSetting gives the settings of those names another value in a connection string; found tells whether it has one. A port by itself belongs to
// the server that is replaced.
func withSetting(connection string, names []string, value string) (changed string, found bool) {
	if strings.ContainsAny(value, `;"'{}`) {
		value = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
	}
	var kept strings.Builder
	for rest := connection; rest != ""; {
		setting := nextSetting(rest)
		rest = rest[len(setting):]
		name, _, _ := strings.Cut(setting, "=")
		switch trimmed := strings.ToLower(strings.TrimSpace(name)); {
		case slices.Contains(names, trimmed):
			found = true
			kept.WriteString(name + "=" + value)
			if strings.HasSuffix(setting, ";") {
				kept.WriteString(";")
			}
		case trimmed == "port" && slices.Contains(names, "server"):
		default:
			kept.WriteString(setting)
		}
	}
	return kept.String(), found
}
