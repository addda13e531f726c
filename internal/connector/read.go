package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// below makes a path of escaped segments, so that no id can leave its place.
func below(segments ...string) string {
	var out strings.Builder
	for _, segment := range segments {
		out.WriteString("/" + url.PathEscape(segment))
	}
	return out.String()
}

// within is below a workspace; "" is My workspace.
func within(group string, segments ...string) string {
	if group == "" {
		return below(segments...)
	}
	return below(append([]string{"groups", group}, segments...)...)
}

// decode reads JSON with its numbers as they are written.
func decode(body []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errValue
	}
	return value, nil
}

// get reads the records of a list, or the one record that is the whole answer where rows is "$".
func (in *invocation) get(ctx context.Context, path, rows string) ([]record, error) {
	return in.ask(ctx, http.MethodGet, path, nil, rows)
}

func (in *invocation) ask(ctx context.Context, method, path string, body []byte, rows string) ([]record, error) {
	raw, err := in.run.connector.client.Raw(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	value, err := decode(raw.Body)
	if err != nil {
		return nil, in.fail(codeAnswer, "its answer is no JSON: %s", shorten(string(raw.Body)))
	}
	found, err := parsePath(rows)
	if err != nil {
		return nil, err
	}
	var records []record
	for _, item := range found.all(value) {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, in.fail(codeAnswer, "its answer has no rows at %s", rows)
		}
		records = append(records, object)
	}
	return records, nil
}

// with sets a value of every record.
func with(records []record, name string, value any) []record {
	for _, r := range records {
		r[name] = value
	}
	return records
}

// orNull is a text of a record; "" is null.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// workspace finds the workspace of a call; "" is My workspace.
func (in *invocation) workspace(ctx context.Context) (string, error) {
	name := in.value("WorkspaceName")
	if id := in.value("WorkspaceId"); id != "" {
		return id, nil
	}
	if name == "" {
		name = in.run.connector.workspace
	}
	if name == "" || isGUID(name) {
		return name, nil
	}
	groups, err := in.run.connector.client.Groups(ctx, powerbi.NameFilter(name))
	if err != nil {
		return "", err
	}
	named := make([]bearer, len(groups))
	for i, group := range groups {
		named[i] = bearer{group.Name, group.ID}
	}
	return in.one("workspace", name, named, "SELECT * FROM get_workspaces lists them; the caller must have a role in it.")
}

// bearer is what has a name.
type bearer struct{ name, id string }

// one is the id of what has a name.
func (in *invocation) one(what, name string, all []bearer, hint string) (string, error) {
	var ids, names []string
	for _, i := range all {
		if names = append(names, i.name); strings.EqualFold(i.name, name) {
			ids = append(ids, i.id)
		}
	}
	switch len(ids) {
	case 1:
		return ids[0], nil
	case 0:
		if near := fault.Nearest(name, names); near != "" {
			hint = "Did you mean '" + near + "'? " + hint
		}
		e := in.fail(codeUnknown, "there is no %s '%s'", what, name).hint("%s", hint)
		e.Fault.Kind = fault.NotFound
		return "", e
	}
	return "", in.fail(codeParameter, "several have the name '%s' of a %s", name, what).hint("Give the id of one: %s.", strings.Join(ids, ", "))
}

// isGUID tells whether a text has the form of a GUID.
func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range strings.ToLower(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdef", c) {
			return false
		}
	}
	return true
}

// dataset finds the semantic model that the parameter id names, or DatasetName. Without either its id is "".
func (in *invocation) dataset(ctx context.Context, id string) (powerbi.Ref, error) {
	group, err := in.workspace(ctx)
	ref := powerbi.Ref{GroupID: group, DatasetID: in.value(id)}
	name := in.value("DatasetName")
	if err != nil || ref.DatasetID != "" || name == "" {
		return ref, err
	}
	datasets, err := in.run.connector.client.Datasets(ctx, group)
	if err != nil {
		return ref, err
	}
	named := make([]bearer, len(datasets))
	for i, dataset := range datasets {
		named[i] = bearer{dataset.Name, dataset.ID}
	}
	ref.DatasetID, err = in.one("semantic model", name, named, "SELECT * FROM get_datasets lists those of the workspace.")
	return ref, err
}

// dataflow finds the workspace of a dataflow, and the dataflow that the parameter id or DataflowName names, if any.
func (in *invocation) dataflow(ctx context.Context, id string) (group, dataflow string, err error) {
	if group, err = in.dataflowWorkspace(ctx); err != nil {
		return "", "", err
	}
	name := in.value("DataflowName")
	if dataflow = in.value(id); dataflow != "" || name == "" {
		return group, dataflow, nil
	}
	dataflows, err := in.run.connector.client.Dataflows(ctx, group)
	if err != nil {
		return "", "", err
	}
	named := make([]bearer, len(dataflows))
	for i, d := range dataflows {
		named[i] = bearer{d.Name, d.ObjectID}
	}
	dataflow, err = in.one("dataflow", name, named, "SELECT * FROM get_dataflows lists those of the workspace.")
	return group, dataflow, err
}

// dataflowWorkspace refuses My workspace, which has no dataflows.
func (in *invocation) dataflowWorkspace(ctx context.Context) (string, error) {
	group, err := in.workspace(ctx)
	if err == nil && group == "" {
		err = in.fail(codeParameter, "it expects the parameter '@WorkspaceId', which was not supplied: My workspace has no dataflows").
			hint("Write WorkspaceId = '…' or WorkspaceName = '…', or set a default workspace for the connection.")
	}
	return group, err
}

func getWorkspaces(ctx context.Context, in *invocation) ([]record, error) {
	query := ""
	if name := in.value("WorkspaceName"); name != "" {
		query = "?$filter=" + url.QueryEscape(powerbi.NameFilter(name))
	}
	return in.get(ctx, "/groups"+query, "$.value[*]")
}

func getDatasets(ctx context.Context, in *invocation) ([]record, error) {
	group, err := in.workspace(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := in.get(ctx, within(group, "datasets"), "$.value[*]")
	return with(rows, "workspaceId", orNull(group)), err
}

func getDataflows(ctx context.Context, in *invocation) ([]record, error) {
	group, err := in.dataflowWorkspace(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := in.get(ctx, within(group, "dataflows"), "$.value[*]")
	return with(rows, "workspaceId", group), err
}

func getDatasetRefreshes(ctx context.Context, in *invocation) ([]record, error) {
	ref, err := in.dataset(ctx, "DatasetId")
	if err != nil {
		return nil, err
	}
	ids := []string{ref.DatasetID}
	if ref.DatasetID == "" {
		datasets, err := in.run.connector.client.Datasets(ctx, ref.GroupID)
		if err != nil {
			return nil, err
		}
		ids = nil
		for _, dataset := range datasets {
			if dataset.IsRefreshable {
				ids = append(ids, dataset.ID)
			}
		}
	}
	query := ""
	if top := in.count("Top"); top > 0 {
		query = "?$top=" + strconv.FormatInt(top, 10)
	}
	var all []record
	for _, id := range ids {
		rows, err := in.get(ctx, within(ref.GroupID, "datasets", id, "refreshes")+query, "$.value[*]")
		if err != nil {
			return nil, err
		}
		all = append(all, with(rows, "datasetId", id)...)
	}
	return all, nil
}

func getDatasetRefreshDetails(ctx context.Context, in *invocation) ([]record, error) {
	ref, err := in.dataset(ctx, "DatasetId")
	if err != nil {
		return nil, err
	}
	request := in.value("RequestId")
	rows, err := in.get(ctx, within(ref.GroupID, "datasets", ref.DatasetID, "refreshes", request), "$")
	if err != nil {
		return nil, err
	}
	detail := with(with(rows, "datasetId", ref.DatasetID), "requestId", request)[0]
	objects, _ := detail["objects"].([]any)
	if len(objects) == 0 {
		return rows, nil
	}
	rows = nil
	for _, object := range objects {
		row := record{}
		for name, value := range detail {
			row[name] = value
		}
		row["object"] = object
		rows = append(rows, row)
	}
	return rows, nil
}

func getDataflowTransactions(ctx context.Context, in *invocation) ([]record, error) {
	group, dataflow, err := in.dataflow(ctx, "DataflowId")
	if err != nil {
		return nil, err
	}
	ids := []string{dataflow}
	if dataflow == "" {
		dataflows, err := in.run.connector.client.Dataflows(ctx, group)
		if err != nil {
			return nil, err
		}
		ids = nil
		for _, d := range dataflows {
			ids = append(ids, d.ObjectID)
		}
	}
	var all []record
	for _, id := range ids {
		rows, err := in.get(ctx, within(group, "dataflows", id, "transactions"), "$.value[*]")
		if err != nil {
			return nil, err
		}
		all = append(all, with(rows, "dataflowId", id)...)
	}
	return all, nil
}

func getRefreshSchedule(ctx context.Context, in *invocation) ([]record, error) {
	ref, err := in.dataset(ctx, "DatasetId")
	if err != nil {
		return nil, err
	}
	rows, err := in.get(ctx, within(ref.GroupID, "datasets", ref.DatasetID, "refreshSchedule"), "$")
	return with(rows, "datasetId", ref.DatasetID), err
}

func getDatasetTables(ctx context.Context, in *invocation) ([]record, error) {
	ref, err := in.dataset(ctx, "DatasetId")
	if err != nil {
		return nil, err
	}
	body := []byte(`{"queries":[{"query":"EVALUATE INFO.TABLES()"}],"serializerSettings":{"includeNulls":true}}`)
	rows, err := in.ask(ctx, http.MethodPost, within(ref.GroupID, "datasets", ref.DatasetID, "executeQueries"), body, "$.results[0].tables[0].rows[*]")
	var refusal *powerbi.Error
	if errors.As(err, &refusal) && refusal.Status == http.StatusNotImplemented { // Freshet, which lists the tables of every model and not only of push datasets
		rows, err = in.get(ctx, within(ref.GroupID, "datasets", ref.DatasetID, "tables"), "$.value[*]")
		for _, row := range rows {
			row["[Name]"], row["[IsHidden]"] = row["name"], row["isHidden"]
		}
	}
	return with(rows, "datasetId", ref.DatasetID), err
}

func cancelDatasetRefresh(ctx context.Context, in *invocation) ([]record, error) {
	ref, err := in.dataset(ctx, "Id")
	if err != nil {
		return nil, err
	}
	request := in.value("RequestId")
	raw, err := in.run.connector.client.Raw(ctx, http.MethodDelete, within(ref.GroupID, "datasets", ref.DatasetID, "refreshes", request), nil)
	return []record{{"id": ref.DatasetID, "requestId": request, "httpStatusCode": raw.Status}}, err
}

func cancelDataflowTransaction(ctx context.Context, in *invocation) ([]record, error) {
	group, err := in.dataflowWorkspace(ctx)
	if err != nil {
		return nil, err
	}
	path := within(group, "dataflows", "transactions", in.value("TransactionId"), "cancel")
	raw, err := in.run.connector.client.Raw(ctx, http.MethodPost, path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := decode(raw.Body)
	if err != nil {
		return nil, in.fail(codeAnswer, "its answer (HTTP status %d) is no JSON", raw.Status)
	}
	return []record{{"transactionId": in.value("TransactionId"), "answer": answer, "httpStatusCode": raw.Status}}, nil
}
