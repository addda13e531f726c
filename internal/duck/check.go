//go:build duckdb_arrow

package duck

import (
	_ "embed"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"

	"freshet.dev/internal/fault"
)

//go:embed functions.txt
var functionList string

// listed reads functionList: true is allowed, false is refused.
func listed() map[string]bool {
	functions := map[string]bool{}
	for line := range strings.Lines(functionList) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		allowed := words[0] != "!"
		if !allowed {
			words = words[1:]
		}
		for _, word := range words {
			functions[strings.ToLower(word)] = allowed
		}
	}
	return functions
}

// tableFunctions may stand in FROM: they read nothing.
var tableFunctions = []string{"range", "generate_series", "unnest", "repeat", "json_each", "json_tree"}

const allowedHint = "A query is exactly one SELECT (also WITH, VALUES, FROM first) over the model's tables."

func refused(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, codeRefused, "cannot run this query: "+format, args...).WithHint(allowedHint)
}

// checker reads the tree of a query and refuses what it must not name.
type checker struct {
	tables    *Select
	functions map[string]bool
	touched   []*Table
	columns   []string
	queries   int
	repeated  float64
}

// maxQueries bounds the SELECTs within one: DuckDB plans thousands of them in minutes, during which no interrupt reaches it.
const maxQueries = 500

// node is an object of the tree. Its keys are DuckDB's: nothing that a user writes becomes one.
type node = map[string]any

func (c *checker) statement(tree, sql string) error {
	var answer struct {
		Error      bool
		ErrorType  string `json:"error_type"`
		Message    string `json:"error_message"`
		Statements []node
	}
	if err := json.Unmarshal([]byte(tree), &answer); err != nil {
		return fault.New(fault.Invalid, codeSQL, "cannot run a query that nests this deep")
	}
	switch {
	case answer.Error && answer.ErrorType == "not implemented":
		return refused("%s is not a SELECT", firstWord(sql))
	case answer.Error:
		return fault.New(fault.Invalid, codeSQL, "cannot parse the query: %s", answer.Message)
	case len(answer.Statements) != 1:
		return refused("it holds %d statements", len(answer.Statements))
	}
	c.functions = listed()
	return c.walk(answer.Statements[0], nil)
}

// firstWord names the kind of a statement that is not a SELECT.
func firstWord(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f\v(;")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
			continue
		case strings.HasPrefix(sql, "/*"):
			_, sql, _ = strings.Cut(sql, "*/")
			continue
		}
		word := strings.FieldsFunc(sql, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' })
		if len(word) == 0 {
			return "this"
		}
		return strings.ToUpper(word[0])
	}
}

// scope is the common table expressions that a part of a query can name.
type scope map[string]bool

func (c *checker) walk(tree any, in scope) error {
	switch tree := tree.(type) {
	case []any:
		for _, child := range tree {
			if err := c.walk(child, in); err != nil {
				return err
			}
		}
	case node:
		return c.node(tree, in)
	}
	return nil
}

func (c *checker) node(n node, in scope) error {
	class, _ := n["class"].(string)
	kind, _ := n["type"].(string)
	switch class {
	case "":
		in, err := c.expressions(n, in)
		if err != nil {
			return err
		}
		return c.relation(n, kind, in)
	case "CONSTANT":
		return nil
	case "PARAMETER":
		return refused("it has a parameter, and parameters are not bound here")
	case "COLUMN_REF":
		if names, ok := n["column_names"].([]any); ok && len(names) > 0 {
			name, _ := names[len(names)-1].(string)
			c.columns = append(c.columns, strings.ToLower(name))
		}
		return nil
	}
	if name, ok := n["function_name"].(string); ok {
		if err := c.function(n, name); err != nil {
			return err
		}
	}
	return c.children(n, in)
}

func (c *checker) children(n node, in scope) error {
	for _, key := range slices.Sorted(maps.Keys(n)) {
		if key == "cte_map" {
			continue // expressions has been there
		}
		if err := c.walk(n[key], in); err != nil {
			return err
		}
	}
	return nil
}

// expressions checks the common table expressions of a query and returns the scope with their names. An expression can name those
// before it, and itself only when it is recursive: else its own name means a table, or a file.
func (c *checker) expressions(n node, in scope) (scope, error) {
	list, _ := n["cte_map"].(node)
	entries, _ := list["map"].([]any)
	if len(entries) == 0 {
		return in, nil
	}
	next := maps.Clone(in)
	if next == nil {
		next = scope{}
	}
	for _, entry := range entries {
		pair, _ := entry.(node)
		name, _ := pair["key"].(string)
		value, _ := pair["value"].(node)
		query, _ := value["query"].(node)
		body, _ := query["node"].(node)
		within := next
		if body["type"] == "RECURSIVE_CTE_NODE" {
			within = maps.Clone(next)
			within[strings.ToLower(name)] = true
		}
		if err := c.walk(value, within); err != nil {
			return nil, err
		}
		next[strings.ToLower(name)] = true
	}
	return next, nil
}

// relation checks objects without a class: what stands in FROM, queries, and parts of them.
func (c *checker) relation(n node, kind string, in scope) error {
	switch kind {
	case "BASE_TABLE":
		return c.table(n, in)
	case "TABLE_FUNCTION":
		function, _ := n["function"].(node)
		name, _ := function["function_name"].(string)
		if schema, _ := function["schema"].(string); !slices.Contains(tableFunctions, strings.ToLower(name)) || schema != "" && schema != "main" {
			return refused("it reads from %s(…), and of table functions only %s are allowed", name, strings.Join(tableFunctions, ", "))
		}
		return c.walk(function["children"], in)
	case "SHOW_REF":
		return refused("DESCRIBE, SHOW and SUMMARIZE are not SELECTs")
	case "SELECT_NODE":
		if c.queries++; c.queries > maxQueries {
			return refused("it holds more than %d SELECTs", maxQueries)
		}
	case "DELIM_GET", "COLUMN_DATA", "BOUND_TABLE_REF", "CTE":
		return refused("it has a part that is DuckDB's own (%s)", kind)
	}
	return c.children(n, in)
}

func (c *checker) table(n node, in scope) error {
	name, _ := n["table_name"].(string)
	schema, _ := n["schema_name"].(string)
	catalog, _ := n["catalog_name"].(string)
	key := strings.ToLower(name)
	if n["at_clause"] != nil {
		return refused("AT is not supported")
	}
	if catalog == "" && schema == "" && in[key] {
		return nil
	}
	table := c.tables.tables[key]
	if catalog != "" || schema != "" && !strings.EqualFold(schema, "main") || table == nil {
		for _, outer := range []string{schema, catalog} {
			if outer != "" {
				name = outer + "." + name
			}
		}
		err := refused("the model has no table '%s'", name)
		if near := fault.Nearest(name, c.tables.names); near != "" {
			return err.WithHint("Did you mean '%s'?", near)
		}
		return err
	}
	if table.Refused != nil {
		return table.Refused
	}
	if len(table.Columns) == 0 {
		return refused("table '%s' has no columns", table.Name)
	}
	c.touched = append(c.touched, table)
	return nil
}

func (c *checker) function(n node, name string) error {
	schema, _ := n["schema"].(string)
	catalog, _ := n["catalog"].(string)
	if !c.functions[strings.ToLower(name)] || schema != "" && schema != "main" || catalog != "" && catalog != "system" {
		return refused("the function %s is not allowed", name)
	}
	if n["export_state"] == true {
		return refused("EXPORT_STATE is not allowed")
	}
	return c.size(n, strings.ToLower(name))
}

// DuckDB's memory limit does not hold for what a function makes of its arguments, and no interrupt reaches into one. So functions whose
// result is as long as an argument says take that argument as a number in the text, and not a large one: it is made for up to 2048 rows at a time.
const (
	maxLength = 10_000
	maxWidth  = 1_000
)

// sizeArgument is which argument says the length of the result.
func sizeArgument(function string) (argument int, ok bool) {
	switch function {
	case "repeat", "lpad", "rpad", "list_resize", "array_resize", "bitstring":
		return 1, true
	}
	return 0, false
}

func (c *checker) size(n node, name string) error {
	args, _ := n["children"].([]any)
	if i, ok := sizeArgument(name); ok && i < len(args) {
		length, constant := number(args[i])
		if name == "repeat" && constant && length > 0 {
			c.repeated = max(c.repeated, 1) * length // one repetition may repeat the result of another
			length = c.repeated
		}
		if !constant || length > maxLength {
			return refused("the length that %s is given must be a number of up to %d", name, maxLength)
		}
	}
	switch name {
	case "range", "generate_series":
		for _, arg := range args {
			if length, constant := number(arg); !constant || length > maxLength {
				return refused("%s takes numbers of up to %d as an expression; in FROM it takes any", name, maxLength)
			}
		}
	case "printf", "format":
		if len(args) == 0 {
			return nil
		}
		if text, constant := constant(args[0]).(string); !constant || !narrow(text) {
			return refused("%s takes its format as text whose widths are below %d", name, maxWidth)
		}
	}
	return nil
}

// narrow tells whether a format has neither a large width nor one that an argument says.
func narrow(format string) bool {
	digits, open := 0, 0
	for _, r := range format {
		switch {
		case r >= '0' && r <= '9':
			if digits++; digits > 3 {
				return false
			}
			continue
		case r == '*':
			return false
		case r == '{':
			if open++; open > 1 {
				return false
			}
		case r == '}':
			open = 0
		}
		digits = 0
	}
	return true
}

// constant returns the value of a literal, or nil.
func constant(tree any) any {
	n, _ := tree.(node)
	if n["class"] != "CONSTANT" {
		return nil
	}
	value, _ := n["value"].(node)
	return value["value"]
}

// number returns the value of a number, also of one with a sign.
func number(tree any) (value float64, ok bool) {
	n, _ := tree.(node)
	if args, _ := n["children"].([]any); n["function_name"] == "-" && len(args) == 1 {
		value, ok = number(args[0])
		return -value, ok
	}
	value, ok = constant(tree).(float64)
	return value, ok
}

// explain returns the reason why a column cannot be read in place of DuckDB's error that there is none.
func (c *checker) explain(err error) error {
	var engine *Error
	if !errors.As(err, &engine) || engine.Class != "Binder" {
		return err
	}
	for _, table := range c.touched {
		for name, why := range table.RefusedColumns {
			if slices.Contains(c.columns, strings.ToLower(name)) {
				return why
			}
		}
	}
	return err
}
