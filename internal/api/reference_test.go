package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// TestReference compares openapi.json and doc/rest-api.md with the table of routes; with -rewrite it writes them.
func TestReference(t *testing.T) {
	served := served()
	d := newDescription(t)
	document, err := json.MarshalIndent(d.document(served), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{"openapi.json": append(document, '\n'), "../../doc/rest-api.md": d.page(served)} {
		if rewrite := flag.Lookup("rewrite"); rewrite.Value.String() == "true" {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the table of routes makes of it: run go generate ./internal/api (%v)", path, err)
		}
	}
}

// served lists the routes but those that answer 501.
func served() []route {
	return slices.DeleteFunc(routes(), func(r route) bool { return r.about.name == "" })
}

// inputs describe all that paths, queries and headers hold.
func inputs() map[string][3]string {
	return map[string][3]string{
		"groupId":         {"path", "guid", "The id of a workspace."},
		"datasetId":       {"path", "guid", "The id of a model."},
		"dataflowId":      {"path", "guid", "The id of a dataflow."},
		"transactionId":   {"path", "string", "The id of a transaction, as the list has it."},
		"refreshId":       {"path", "guid", "The requestId of a refresh or of a rollback."},
		"capacityId":      {"path", "guid", "The id of a capacity."},
		"refreshableId":   {"path", "guid", "The id of a model."},
		"$expand":         {"query", "string", "capacity, group, or both with a comma: what to tell of them."},
		"user":            {"path", "string", "The id or the email address of somebody with a role."},
		"userCode":        {"path", "string", "The code that a program shows."},
		"tenant":          {"path", "string", "A tenant: any text means the one that there is."},
		"subscriptionId":  {"path", "string", "A subscription: any text means this server."},
		"resourceGroup":   {"path", "string", "A resource group: any text means this server."},
		"capacityName":    {"path", "string", "The name of a capacity."},
		"location":        {"path", "string", "A place: any text means this server."},
		"operationId":     {"path", "string", "The id of an operation, from a Location."},
		"$filter":         {"query", "string", "Keeps what it holds for: PROPERTY eq 'TEXT', ne, contains(PROPERTY,'TEXT'), startswith, endswith, combined by and, or, not."},
		"$top":            {"query", "count", "The most entries to give."},
		"$skip":           {"query", "number", "How many entries to leave out at the beginning."},
		"workspaceV2":     {"query", "string", "Clients send True; it means nothing here."},
		"processType":     {"query", "string", "default or processFull; entities are loaded in full either way."},
		"table":           {"query", "string", "The name of a table."},
		"partition":       {"query", "string", "The name of a partition; left out: all of the table."},
		"api-version":     {"query", "string", "The version of Azure's interface; required."},
		"Idempotency-Key": {"header", "string", "The same key again answers with the same refresh instead of starting a second one. Freshet only."},
		"X-Freshet-Force": {"header", "string", "true: what the guards of the configuration refuse is committed nevertheless. Freshet only."},
		"Prefer":          {"header", "string", "wait=SECONDS, up to 15: the answer comes when the refresh has ended. Freshet only."},
	}
}

// description makes the document of the table.
type description struct {
	t        *testing.T
	comments map[string]string // by TYPE and TYPE.FIELD
	schemas  map[string]any
}

// newDescription reads the comments of the wire types.
func newDescription(t *testing.T) *description {
	d := &description{t: t, comments: map[string]string{}, schemas: map[string]any{}}
	for _, folder := range []string{"../../powerbi", "."} {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			d.read(file)
		}
	}
	return d
}

func (d *description) read(file *ast.File) {
	for _, declaration := range file.Decls {
		group, isGroup := declaration.(*ast.GenDecl)
		if !isGroup {
			continue
		}
		for _, spec := range group.Specs {
			named, isType := spec.(*ast.TypeSpec)
			if !isType {
				continue
			}
			name := schemaName(named.Name.Name)
			d.comments[name] = sentence(group.Doc.Text() + named.Doc.Text())
			structure, isStruct := named.Type.(*ast.StructType)
			if !isStruct {
				continue
			}
			for _, field := range structure.Fields.List {
				for _, its := range field.Names {
					d.comments[name+"."+its.Name] = sentence(field.Comment.Text())
				}
			}
		}
	}
}

// sentence is a comment on one line.
func sentence(text string) string {
	return strings.Join(strings.Fields(text), " ")
}

func schemaName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// object is a JSON object.
type object = map[string]any

func (d *description) document(table []route) object {
	paths := map[string]object{}
	for _, r := range table {
		path := paths[r.pattern]
		if path == nil {
			path = object{}
			paths[r.pattern] = path
		}
		path[strings.ToLower(r.method)] = d.operation(r)
	}
	scopes := object{}
	for _, r := range table {
		for _, scope := range r.scopes {
			scopes[scope] = "As in Power BI."
		}
	}
	failure := func(of any, says string) object {
		return object{"description": says, "content": object{"application/json": object{"schema": d.schema(reflect.TypeOf(of))}}}
	}
	return object{
		"openapi": "3.0.3",
		"info": object{"title": "Freshet", "version": "v1.0", "description": "Power BI's routes for workspaces, semantic models and refreshes, and Freshet's own under /v1.0/freshet. " +
			"A user's token needs one of an operation's scopes; an application's has none and needs none. x-freshet-role is the role in the workspace that either needs. " +
			"Every reply has a RequestId header. Readers must expect properties and statuses that this document does not name."},
		"servers": []object{{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas": d.schemas,
			"responses": object{
				"Error":      failure(errorBody{}, "An error. error.code is one of doc/errors.md; error.message says what is wrong and what to do."),
				"OAuthError": failure(oauthError{}, "An error in the form of Entra's sign-in."),
			},
			"securitySchemes": object{"oauth2": object{"type": "oauth2", "flows": object{"clientCredentials": object{"tokenUrl": "/organizations/oauth2/v2.0/token", "scopes": scopes}}}},
		},
	}
}

var inPath = regexp.MustCompile(`\{(\w+)\}`)

func (d *description) operation(r route) object {
	summary, differs := r.about.parts()
	operation := object{"operationId": r.about.name, "tags": []string{r.about.noun()}, "summary": summary, "responses": d.responses(r)}
	if differs != "" {
		operation["description"] = differs
	}
	if list := d.parametersOf(r); len(list) > 0 {
		operation["parameters"] = list
	}
	if r.about.takes != nil {
		kind, schema := d.content(r.about.takes)
		operation["requestBody"] = object{"content": object{kind: object{"schema": schema}}}
	}
	switch {
	case r.public:
		operation["security"] = []object{}
	case len(r.scopes) == 0:
		operation["security"] = []object{{"oauth2": []string{}}}
	default:
		any := []object{}
		for _, scope := range r.scopes {
			any = append(any, object{"oauth2": []string{scope}})
		}
		operation["security"] = any
	}
	if r.role != workspace.NoRole {
		operation["x-freshet-role"] = r.role.String()
	}
	return operation
}

// parts are the sentence that says what a route does, and where it differs from Power BI's.
func (a about) parts() (summary, differs string) {
	summary, differs, _ = strings.Cut(a.says, ". ")
	return strings.TrimSuffix(summary, ".") + ".", differs
}

// noun is what a route is about.
func (a about) noun() string {
	noun, _, _ := strings.Cut(a.name, "_")
	return noun
}

func (d *description) parametersOf(r route) []object {
	names := strings.Fields(r.about.params)
	for _, match := range inPath.FindAllStringSubmatch(r.pattern, -1) {
		names = append(names, match[1])
	}
	var list []object
	for _, name := range names {
		known, found := inputs()[name]
		if !found {
			d.t.Errorf("%s %s: the parameter %s is not described in inputs()", r.method, r.pattern, name)
		}
		schema := object{"type": "string"}
		switch known[1] {
		case "guid":
			schema["format"] = "uuid"
		case "count":
			schema = object{"type": "integer", "minimum": 1}
		case "number":
			schema = object{"type": "integer", "minimum": 0}
		}
		list = append(list, object{"name": name, "in": known[0], "required": known[0] == "path" || name == "api-version", "description": known[2], "schema": schema})
	}
	return list
}

// responses are those of the row, and those that follow of what the route is.
func (d *description) responses(r route) object {
	failures := []int{}
	add := func(when bool, code int) {
		if when {
			failures = append(failures, code)
		}
	}
	_, isForm := r.about.takes.(form)
	add(!r.public, http.StatusUnauthorized)
	add(!r.public, http.StatusForbidden)
	add(!r.public || isForm, http.StatusTooManyRequests)
	add(strings.Contains(r.pattern, "{") || isForm, http.StatusNotFound)
	add(r.about.takes != nil || r.about.params != "" || strings.Contains(r.pattern, "{refreshId}"), http.StatusBadRequest)
	add(r.about.takes != nil, http.StatusRequestTimeout)
	add(r.about.takes != nil, http.StatusRequestEntityTooLarge)
	all := object{"default": object{"$ref": "#/components/responses/Error"}}
	for _, code := range failures {
		all[strconv.Itoa(code)] = object{"$ref": "#/components/responses/Error"}
	}
	if isForm {
		all["400"] = object{"$ref": "#/components/responses/OAuthError"}
		all["401"] = object{"$ref": "#/components/responses/OAuthError"}
	}
	for _, code := range strings.Fields(r.about.answers) {
		if code[0] != '2' {
			all[code] = object{"$ref": "#/components/responses/Error"}
			continue
		}
		success := object{"description": map[string]string{"200": "Done.", "202": "Accepted, or not ended yet."}[code]}
		if r.about.gives != nil {
			kind, schema := d.content(r.about.gives)
			success["content"] = object{kind: object{"schema": schema}}
		}
		if code == "202" && r.about.gives == nil {
			success["headers"] = object{
				"Location":          object{"description": "Where to look for the end; absolute.", "schema": object{"type": "string", "format": "uri"}},
				"RequestId":         object{"description": "Of a refresh: its id, which x-ms-request-id has too.", "schema": object{"type": "string", "format": "uuid"}},
				"x-freshet-outcome": object{"description": "dropped: the refresh was accepted and never runs, because one waits already. Freshet only.", "schema": object{"type": "string"}},
			}
		}
		all[code] = success
	}
	return all
}

// content is the media type of a body and its schema.
func (d *description) content(body any) (kind string, schema object) {
	switch body := body.(type) {
	case form:
		fields := object{}
		for _, name := range strings.Fields(string(body)) {
			fields[name] = object{"type": "string"}
		}
		return "application/x-www-form-urlencoded", object{"type": "object", "properties": fields}
	case mediaType:
		return string(body), object{"type": "string"}
	}
	return "application/json", d.schema(reflect.TypeOf(body))
}

// schema describes a type by its JSON form.
func (d *description) schema(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[powerbi.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]():
		return object{"nullable": true}
	case reflect.TypeFor[[]byte]():
		return object{"type": "string", "format": "byte"}
	case reflect.TypeFor[powerbi.Status]():
		return object{"type": "string", "enum": []powerbi.Status{powerbi.Unknown, powerbi.NotStarted, powerbi.InProgress, powerbi.Completed, powerbi.Failed,
			powerbi.TimedOut, powerbi.Cancelled, powerbi.Disabled}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Struct:
		return d.structure(t)
	}
	d.t.Errorf("there is no schema for %v", t)
	return object{}
}

// structure describes a struct under components; one without a name in its place.
func (d *description) structure(t reflect.Type) object {
	name := schemaName(listName.ReplaceAllString(t.Name()+" ", "${1}List"))
	if t.Name() == "" {
		return d.properties(t, "")
	}
	name = strings.TrimSpace(name)
	if _, known := d.schemas[name]; !known {
		d.schemas[name] = object{} // ends a recursion
		described := d.properties(t, name)
		if text := d.comments[name]; text != "" {
			described["description"] = text
		}
		d.schemas[name] = described
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// listName finds the type in the name of a list of it.
var listName = regexp.MustCompile(`^List\[(?:.*\.)?(\w+)\]`)

func (d *description) properties(t reflect.Type, name string) object {
	properties, required := object{}, []string{}
	for _, field := range reflect.VisibleFields(t) {
		key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || key == "" {
			continue
		}
		schema := d.schema(field.Type)
		owner := name
		if len(field.Index) > 1 {
			owner = schemaName(t.FieldByIndex(field.Index[:len(field.Index)-1]).Name)
		}
		if text := d.comments[owner+"."+field.Name]; text != "" {
			if schema["$ref"] != nil {
				schema = object{"allOf": []object{schema}}
			}
			schema["description"] = text
		}
		properties[key] = schema
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			required = append(required, key)
		}
	}
	described := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		described["required"] = required
	}
	return described
}

// page is doc/rest-api.md.
func (d *description) page(table []route) []byte {
	var out bytes.Buffer
	out.WriteString(`# The REST API

Generated from the table of routes by ` + "`go generate ./internal/api`" + `; do not edit. The same for programs, with every property of every body: ` + "`/v1.0/freshet/openapi.json`" + ` of a server
([openapi.json](../internal/api/openapi.json)). Codes of errors: [errors.md](errors.md). Where the answers differ from Power BI's, in full: [powerbi-divergences.md](powerbi-divergences.md).

- **Right** is the scope that a user's token must have (one that reads and writes covers reading; an application's token has none and needs none), and the role in the workspace. "–" needs a token alone, "public" not even that.
- **[InGroup]** marks what Power BI has twice, under two names: below a workspace, which the first path names, and without one.
- **Replies** are the statuses of success with the body's type, then errors that only some routes have. Besides, routes answer 401 without a good token, 403 without the right, 404 for what is not there or hidden, 400 for what cannot be
  read, 408 and 413 for a body that is too slow or too long, 429 for too much, 500 and 503.
`)
	nouns, twins := map[string][]route{}, map[string]bool{}
	var order []string
	for _, r := range table {
		twins[r.about.name] = true
	}
	for _, r := range table {
		if twins[r.about.name+"InGroup"] { // one row tells of both
			continue
		}
		if base, in := strings.CutSuffix(r.about.name, "InGroup"); in && twins[base] {
			r.about.name, r.pattern = base+"[InGroup]", strings.Replace(r.pattern, "/groups/{groupId}", "[/groups/{groupId}]", 1)
		}
		noun := r.about.noun()
		if nouns[noun] == nil {
			order = append(order, noun)
		}
		nouns[noun] = append(nouns[noun], r)
	}
	for _, noun := range order {
		fmt.Fprintf(&out, "\n## %s\n\n| Operation | Method and path | Right | Takes | Replies | Does | Differs |\n|---|---|---|---|---|---|---|\n", noun)
		for _, r := range nouns[noun] {
			summary, differs := r.about.parts()
			_, name, _ := strings.Cut(r.about.name, "_")
			fmt.Fprintf(&out, "| %s | %s `%s` | %s | %s | %s | %s | %s |\n", name, r.method, r.pattern, right(r), takes(r), replies(r), summary, differs)
		}
	}
	out.WriteString("\n## Not served\n\nThese operations of Power BI's on models, dataflows, workspaces, gateways and capacities answer 501 with their name. Those of other things (reports, dashboards, imports …) are 404.\n\n")
	names := map[string]bool{}
	for _, row := range unservedRows() {
		names[strings.TrimSuffix(row[2], "InGroup")] = true
	}
	out.WriteString(strings.Join(slices.Sorted(maps.Keys(names)), ", ") + ".\n")
	return out.Bytes()
}

func right(r route) string {
	switch {
	case r.public:
		return "public"
	case len(r.scopes) == 0:
		return "–"
	}
	text := r.scopes[0]
	if r.role != workspace.NoRole {
		text += ", " + r.role.String()
	}
	return text
}

func takes(r route) string {
	var list []string
	for _, name := range strings.Fields(r.about.params) {
		list = append(list, "`"+name+"`")
	}
	switch body := r.about.takes.(type) {
	case nil:
	case form:
		list = append(list, "a form")
	default:
		list = append(list, typeName(body))
	}
	return strings.Join(list, " ")
}

func replies(r route) string {
	codes := strings.Fields(r.about.answers)
	failures := slices.IndexFunc(codes, func(code string) bool { return code[0] != '2' })
	if failures < 0 {
		failures = len(codes)
	}
	success := strings.Join(codes[:failures], ", ")
	switch body := r.about.gives.(type) {
	case nil:
		success += " empty"
	case mediaType:
		success += " " + string(body)
	default:
		success += " " + typeName(body)
	}
	return strings.Join(append([]string{success}, codes[failures:]...), "; ")
}

// typeName is a body's type: that of package powerbi, or any object.
func typeName(body any) string {
	t := reflect.TypeOf(body)
	switch {
	case t.Kind() == reflect.Map:
		return "an object"
	case listName.MatchString(t.Name()):
		return "list of " + listName.FindStringSubmatch(t.Name())[1]
	}
	return schemaName(t.Name())
}

// Each operation has a name of its own, in Power BI's words where Power BI has the route (its reference, as far as it is at hand).
func TestOperationNames(t *testing.T) {
	if named, all, without := len(served()), len(routes()), len(unserved()); named != all-without {
		t.Errorf("of %d routes %d are not served, and %d have a name", all, without, named)
	}
	seen := map[string]bool{}
	for _, r := range served() {
		if seen[r.about.name] {
			t.Errorf("%s is the name of two operations", r.about.name)
		}
		seen[r.about.name] = true
		if summary, _ := r.about.parts(); r.about.says == "" || summary != schemaName(summary) {
			t.Errorf("%s says %q: it needs a sentence", r.about.name, r.about.says)
		}
	}
	content, err := os.ReadFile("../../../shared/spec/powerbi-swagger.json")
	if err != nil {
		t.Skip("SKIPPED: Power BI's reference is not here: ", err)
	}
	var reference struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(content, &reference); err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for path, methods := range reference.Paths {
		for method, operation := range methods {
			var named struct{ OperationID string }
			if json.Unmarshal(operation, &named) == nil {
				known[strings.ToUpper(method)+" "+path] = named.OperationID
			}
		}
	}
	for _, r := range served() {
		if name, found := known[r.method+" "+r.pattern]; found && name != r.about.name {
			t.Errorf("%s %s is %s, Power BI's name is %s", r.method, r.pattern, r.about.name, name)
		}
	}
	if len(known) < 100 {
		t.Errorf("the reference has %d operations: %v", len(known), slices.Sorted(maps.Keys(known)))
	}
}
