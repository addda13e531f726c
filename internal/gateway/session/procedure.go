package session

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/gateway"
)

// procedure runs a procedure: one of the session's own, or an endpoint.
func (s *Session) procedure(ctx context.Context, name string, params []gateway.Param, results gateway.Results) error {
	switch strings.ToLower(name) {
	case "sp_reset_connection":
		return s.reset(ctx, results)
	case "sp_executesql":
		text, err := textParam(name, params, 0, "@stmt")
		if err != nil {
			return err
		}
		return s.batch(ctx, text, argumentsOf(declared(params)), results)
	case "sp_describe_first_result_set":
		text, err := textParam(name, params, 0, "@tsql")
		if err != nil {
			return err
		}
		columns, err := s.Describe(ctx, gateway.Request{Text: text})
		if err != nil {
			return err
		}
		return results.Described(columns)
	case "sp_describe_undeclared_parameters":
		return s.undeclared(ctx, params, results)
	}
	answer, known, err := s.listed(ctx, name, params)
	if err != nil {
		return err
	}
	if known {
		return s.give(answer, results)
	}
	text, arguments := called(name, params)
	statements, err := s.connector.PrepareIn(ctx, surroundings{s}, text)
	if err != nil {
		return err
	}
	if control, err := statements[0].Control(arguments); err != nil || control != nil {
		return failed(numberProcedure, classStatement, "cannot find the procedure '%s': SELECT * FROM endpoints lists those that there are", name)
	}
	if err := s.incomplete(statements); err != nil {
		return err
	}
	return s.run(ctx, statements, arguments, results)
}

// called writes a call as EXEC, with the values as arguments of it.
func called(name string, params []gateway.Param) (string, []connector.Argument) {
	text := "EXEC [" + strings.ReplaceAll(name, "]", "]]") + "] "
	arguments := argumentsOf(params)
	for i := range arguments {
		if i > 0 {
			text += ", "
		}
		if arguments[i].Name != "" {
			text += "@" + arguments[i].Name + " = "
		}
		arguments[i].Name = fmt.Sprintf("value%d", i+1)
		text += "@" + arguments[i].Name
	}
	return text, arguments
}

// reset brings the session back to what it was after the login.
func (s *Session) reset(ctx context.Context, results gateway.Results) error {
	s.settings = settings{}
	if err := s.enter(ctx, s.first); err != nil {
		return err
	}
	return results.Database(s.first.name)
}

// textParam is the parameter at a place, which has to be text.
func textParam(procedure string, params []gateway.Param, at int, name string) (string, error) {
	if at < len(params) {
		if text, ok := params[at].Value.(string); ok {
			return text, nil
		}
	}
	return "", failed(numberParameter, classStatement, "cannot run %s: it expects the parameter '%s', which was not supplied", procedure, name)
}

// declared are the parameters behind the statement and its declaration, those by position with the names of the declaration.
func declared(params []gateway.Param) []gateway.Param {
	if len(params) < 3 {
		return nil
	}
	declaration, _ := params[1].Value.(string)
	values := slices.Clone(params[2:])
	for i, text := range strings.Split(declaration, "@")[1:] { // types hold no @
		if i < len(values) && values[i].Name == "" {
			values[i].Name, _, _ = strings.Cut(strings.TrimSpace(text), " ")
		}
	}
	return values
}

// undeclared lists the parameters that a statement takes, as sp_describe_undeclared_parameters does. Each may be any text: it becomes the type that it is compared with.
func (s *Session) undeclared(ctx context.Context, params []gateway.Param, results gateway.Results) error {
	text, err := textParam("sp_describe_undeclared_parameters", params, 0, "@tsql")
	if err != nil {
		return err
	}
	statements, err := s.connector.PrepareIn(ctx, surroundings{s}, text)
	if err != nil {
		return err
	}
	number, tiny, bit := gateway.Type{Kind: gateway.Int}, gateway.Type{Kind: gateway.TinyInt}, gateway.Type{Kind: gateway.Bit}
	name := gateway.Type{Kind: gateway.NVarchar, Length: 128}
	columns := []gateway.Column{
		{Name: "parameter_ordinal", Type: number, NotNull: true}, {Name: "name", Type: name, NotNull: true}, {Name: "suggested_system_type_id", Type: number, NotNull: true},
		{Name: "suggested_system_type_name", Type: gateway.Type{Kind: gateway.NVarchar, Length: 256}}, {Name: "suggested_max_length", Type: gateway.Type{Kind: gateway.SmallInt}, NotNull: true},
		{Name: "suggested_precision", Type: tiny, NotNull: true}, {Name: "suggested_scale", Type: tiny, NotNull: true}, {Name: "suggested_user_type_id", Type: number},
		{Name: "suggested_user_type_database", Type: name}, {Name: "suggested_user_type_schema", Type: name}, {Name: "suggested_user_type_name", Type: name},
		{Name: "suggested_assembly_qualified_type_name", Type: gateway.Type{Kind: gateway.NVarchar, Length: 4000}}, {Name: "suggested_xml_collection_id", Type: number},
		{Name: "suggested_xml_collection_database", Type: name}, {Name: "suggested_xml_collection_schema", Type: name}, {Name: "suggested_xml_collection_name", Type: name},
		{Name: "suggested_is_xml_document", Type: bit, NotNull: true}, {Name: "suggested_is_case_sensitive", Type: bit, NotNull: true},
		{Name: "suggested_is_fixed_length_clr_type", Type: bit, NotNull: true}, {Name: "suggested_is_input", Type: bit, NotNull: true}, {Name: "suggested_is_output", Type: bit, NotNull: true},
		{Name: "formal_parameter_name", Type: name}, {Name: "suggested_tds_type_id", Type: number, NotNull: true}, {Name: "suggested_tds_length", Type: number, NotNull: true},
	}
	if err := results.Columns(columns); err != nil {
		return err
	}
	var seen []string
	for _, statement := range statements {
		for _, parameter := range statement.Parameters() {
			if slices.ContainsFunc(seen, func(other string) bool { return strings.EqualFold(other, parameter) }) {
				continue
			}
			seen = append(seen, parameter)
			const nvarchar, bytes = int64(231), int64(8000)
			if err := results.Row([]any{int64(len(seen)), "@" + parameter, nvarchar, "nvarchar(4000)", bytes, int64(0), int64(0), nil, nil, nil, nil, nil, nil, nil, nil, nil,
				false, false, false, true, false, nil, nvarchar, bytes}); err != nil {
				return err
			}
		}
	}
	return results.Done(-1)
}
