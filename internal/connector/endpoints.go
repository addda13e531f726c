package connector

import (
	"context"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
)

// The types that columns of endpoints have.
var (
	guid    = Type{Nvarchar, 36}
	word    = Type{Nvarchar, 50}
	title   = Type{Nvarchar, 256}
	address = Type{Nvarchar, 2000}
	long    = Type{Nvarchar, 0}
	instant = Type{Kind: Datetime}
	integer = Type{Kind: Int}
	boolean = Type{Kind: Bit}
)

// endpoints are all endpoints, in the order in which they are listed. A new one is a row here.
func endpoints() []*endpoint {
	list := []*endpoint{
		{
			name: "refresh_dataflow", action: true, call: refreshDataflow,
			about: "Refreshes a dataflow and waits for its end. While it is refreshed already, joins that refresh.",
			parameters: slices.Concat([]argument{
				{name: "Id", also: "DataflowId", required: true, instead: "DataflowName", about: "the dataflow's GUID"},
				workspaceID, waitForCompletion,
				{name: "DataflowName", about: "in place of Id"},
				workspaceName,
			}, waiting("is currently in progress"), []argument{notifyOption("NoNotification", "NoNotification", "MailOnFailure"), parallel}),
			columns: refreshColumns,
		},
		{
			name: "refresh_dataset", action: true, call: refreshDataset,
			about: "Refreshes a semantic model and waits for its end. Any parameter from Type to Timeout makes it an enhanced refresh.",
			parameters: slices.Concat([]argument{
				{name: "Id", also: "DatasetId", required: true, instead: "DatasetName", about: "the semantic model's GUID"},
				workspaceID, waitForCompletion,
				{name: "DatasetName", about: "in place of Id"},
				workspaceName,
				{name: "Type", words: []string{"Full", "ClearValues", "Calculate", "DataOnly", "Automatic", "Defragment"}, about: "what is done"},
				{name: "CommitMode", words: []string{"Transactional", "PartialBatch"}, about: "all at once, or each object by itself"},
				{name: "MaxParallelism", kind: countArgument, about: "how many objects at the same time"},
				{name: "RetryCount", kind: countArgument, about: "how often the whole is tried again"},
				{name: "Objects", check: checkObjects, about: `TABLE or TABLE/PARTITION, several with commas between; or JSON: [{"table":"…","partition":"…"}]`},
				{name: "ApplyRefreshPolicy", kind: boolArgument, about: "apply incremental refresh policies"},
				{name: "EffectiveDate", about: "the day that policies take for today, such as 2026-03-01"},
				{name: "Timeout", check: checkTimeout, about: "of one attempt, hh:mm:ss"},
			}, waiting("Another refresh request is already executing"), []argument{notifyOption("", "NoNotification", "MailOnFailure", "MailOnCompletion"), parallel}),
			columns: refreshColumns,
		},
		{
			name: "cancel_dataset_refresh", action: true, call: cancelDatasetRefresh,
			about: "Cancels an enhanced refresh of a semantic model.",
			parameters: []argument{
				{name: "Id", also: "DatasetId", required: true, instead: "DatasetName", about: "the semantic model's GUID"},
				{name: "RequestId", required: true, about: "of the refresh"},
				{name: "DatasetName", about: "in place of Id"},
				workspaceID, workspaceName, parallel,
			},
			columns: []field{
				{"Id", guid, "$.id", "the semantic model"}, {"RequestId", Type{Varchar, 100}, "$.requestId", "the refresh"},
				{"HttpStatusCode", integer, "$.httpStatusCode", "of the answer"},
			},
		},
		{
			name: "cancel_dataflow_transaction", action: true, call: cancelDataflowTransaction,
			about: "Asks to cancel a refresh of a dataflow.",
			parameters: []argument{
				{name: "TransactionId", required: true, about: "as get_dataflow_transactions lists it"},
				workspaceID, workspaceName, parallel,
			},
			columns: []field{
				{"TransactionId", Type{Varchar, 200}, "$.transactionId", ""},
				{"Status", word, "$.answer.status", "SuccessfullyMarked, AlreadyConcluded, NotFound, Invalid"},
				{"HttpStatusCode", integer, "$.httpStatusCode", "of the answer"},
			},
		},
		{
			name: "get_workspaces", call: getWorkspaces,
			about:      "The workspaces that the caller sees.",
			parameters: []argument{{name: "WorkspaceName", about: "only those of this name"}},
			columns: []field{
				{"Id", guid, "$.id", ""}, {"Name", title, "$.name", ""}, {"IsReadOnly", boolean, "$.isReadOnly", ""},
				{"IsOnDedicatedCapacity", boolean, "$.isOnDedicatedCapacity", ""}, {"CapacityId", guid, "$.capacityId", ""}, {"Type", word, "$.type", ""},
			},
		},
		{
			name: "get_datasets", call: getDatasets,
			about:      "The semantic models of a workspace.",
			parameters: []argument{workspaceID, workspaceName},
			columns: []field{
				{"Id", guid, "$.id", ""}, {"Name", title, "$.name", ""}, {"WorkspaceId", guid, "$.workspaceId", "null in My workspace"},
				{"ConfiguredBy", title, "$.configuredBy", ""}, {"IsRefreshable", boolean, "$.isRefreshable", ""}, {"TargetStorageMode", word, "$.targetStorageMode", ""},
				{"CreatedDate", instant, "$.createdDate", ""}, {"WebUrl", address, "$.webUrl", ""}, {"Description", long, "$.description", ""},
			},
		},
		{
			name: "get_dataflows", call: getDataflows,
			about:      "The dataflows of a workspace.",
			parameters: []argument{workspaceID, workspaceName},
			columns: []field{
				{"Id", guid, "$.objectId", ""}, {"Name", title, "$.name", ""}, {"WorkspaceId", guid, "$.workspaceId", ""}, {"Description", long, "$.description", ""},
				{"ConfiguredBy", title, "$.configuredBy", ""}, {"ModelUrl", address, "$.modelUrl", ""}, {"Generation", integer, "$.generation", ""},
			},
		},
		{
			name: "get_dataset_refreshes", call: getDatasetRefreshes,
			about: "The refreshes of a semantic model, newest first; without a model those of all refreshable ones of the workspace.",
			parameters: []argument{
				{name: "DatasetId", instead: "DatasetName", about: "the semantic model's GUID"}, workspaceID,
				{name: "Top", kind: countArgument, about: "how many of each model; the service's own number is 60"},
				{name: "DatasetName", about: "in place of DatasetId"}, workspaceName,
			},
			columns: []field{
				{"DatasetId", guid, "$.datasetId", ""}, {"RequestId", Type{Varchar, 100}, "$.requestId", ""}, {"RefreshType", word, "$.refreshType", ""},
				{"StartTime", instant, "$.startTime", ""}, {"EndTime", instant, "$.endTime", ""}, {"Status", word, "$.status", "Unknown is one that waits or runs"},
				{"ExtendedStatus", word, "$.extendedStatus", ""}, {"ServiceExceptionJson", long, "$.serviceExceptionJson", "why it failed"},
			},
		},
		{
			name: "get_dataset_refresh_details", call: getDatasetRefreshDetails,
			about: "A row for each object of an enhanced refresh; one row without an object where it has none.",
			parameters: []argument{
				{name: "DatasetId", required: true, instead: "DatasetName", about: "the semantic model's GUID"},
				{name: "RequestId", required: true, about: "of the refresh"},
				workspaceID, {name: "DatasetName", about: "in place of DatasetId"}, workspaceName,
			},
			columns: []field{
				{"DatasetId", guid, "$.datasetId", ""}, {"RequestId", Type{Varchar, 100}, "$.requestId", ""}, {"Type", word, "$.type", ""},
				{"CommitMode", word, "$.commitMode", ""}, {"StartTime", instant, "$.startTime", ""}, {"EndTime", instant, "$.endTime", ""},
				{"Status", word, "$.status", ""}, {"ExtendedStatus", word, "$.extendedStatus", ""}, {"NumberOfAttempts", integer, "$.numberOfAttempts", ""},
				{"TableName", title, "$.object.table", ""}, {"PartitionName", title, "$.object.partition", ""}, {"ObjectStatus", word, "$.object.status", ""},
				{"Messages", long, "$.messages", "JSON"},
			},
		},
		{
			name: "get_dataflow_transactions", call: getDataflowTransactions,
			about: "The refreshes of a dataflow; without a dataflow those of all of the workspace.",
			parameters: []argument{
				{name: "DataflowId", instead: "DataflowName", about: "the dataflow's GUID"}, workspaceID, {name: "DataflowName", about: "in place of DataflowId"}, workspaceName,
			},
			columns: []field{
				{"DataflowId", guid, "$.dataflowId", ""}, {"TransactionId", Type{Varchar, 200}, "$.id", ""}, {"RefreshType", word, "$.refreshType", ""},
				{"StartTime", instant, "$.startTime", ""}, {"EndTime", instant, "$.endTime", ""}, {"Status", word, "$.status", ""},
			},
		},
		{
			name: "get_refresh_schedule", call: getRefreshSchedule,
			about: "When a semantic model is refreshed by itself.",
			parameters: []argument{
				{name: "DatasetId", required: true, instead: "DatasetName", about: "the semantic model's GUID"}, workspaceID,
				{name: "DatasetName", about: "in place of DatasetId"}, workspaceName,
			},
			columns: []field{
				{"DatasetId", guid, "$.datasetId", ""}, {"Enabled", boolean, "$.enabled", ""}, {"Days", Type{Nvarchar, 200}, "$.days", "JSON"},
				{"Times", Type{Nvarchar, 1000}, "$.times", "JSON"}, {"LocalTimeZoneId", Type{Nvarchar, 100}, "$.localTimeZoneId", ""}, {"NotifyOption", word, "$.notifyOption", ""},
			},
		},
		{
			name: "get_dataset_tables", call: getDatasetTables,
			about: "The tables of a semantic model, by the DAX query EVALUATE INFO.TABLES(), or with Freshet by its list of tables.",
			parameters: []argument{
				{name: "DatasetId", required: true, instead: "DatasetName", about: "the semantic model's GUID"}, workspaceID,
				{name: "DatasetName", about: "in place of DatasetId"}, workspaceName,
			},
			columns: []field{
				{"DatasetId", guid, "$.datasetId", ""}, {"Name", title, "$['[Name]']", ""}, {"Description", long, "$['[Description]']", "null with Freshet"},
				{"IsHidden", boolean, "$['[IsHidden]']", ""}, {"ModifiedTime", instant, "$['[ModifiedTime]']", "null with Freshet"},
			},
		},
		{
			name: "generic_request", action: true, call: genericRequest, shape: genericShape,
			about: "Any call of the same host's API. Filter finds the rows in the answer, Columns take them apart.",
			parameters: []argument{
				{name: "Url", required: true, about: "such as /groups, below /v1.0/myorg; or one that begins with /v1.0/ or with the host itself"},
				{name: "Method", initial: "GET", words: []string{"GET", "POST", "PUT", "PATCH", "DELETE"}, about: "of HTTP"},
				{name: "Body", check: checkJSON, about: "JSON"},
				{name: "Filter", check: checkPath, about: "the path of the rows, such as $.value[*]; without it the answer is one row"},
				{name: "Columns", about: "names, types and paths, such as Id nvarchar(36) $.id; Name nvarchar(256) $.name"},
				rawOutput, parallel,
			},
			columns: []field{{"HttpStatusCode", integer, "$.httpStatusCode", "of the answer"}, {"Body", long, "$.body", "a row of the answer, as JSON"}},
		},
	}
	list = append(list, catalogue(&list)...)
	return list
}

// refreshColumns are the seven columns of a refresh.
var refreshColumns = []field{
	{"Id", Type{Varchar, 200}, "$.id", "what was refreshed, as the statement names it"},
	{"RequestId", Type{Varchar, 100}, "$.requestId", "the refresh: a dataflow's transaction, a model's request id"},
	{"RefreshType", word, "$.refreshType", "OnDemand, Scheduled, ViaApi, ViaEnhancedApi"},
	{"StartTime", instant, "$.startTime", "UTC"},
	{"EndTime", instant, "$.endTime", "UTC; null while it runs"},
	{"Status", word, "$.status", "in the service's words: Success of a dataflow, Completed of a model"},
	{"HttpStatusCode", integer, "$.httpStatusCode", "of the answer to the POST; where another refresh was joined, of the refusal; null where the answer was lost and the refresh found"},
}

var (
	workspaceID   = argument{name: "WorkspaceId", also: "GroupId", instead: "WorkspaceName", about: "the workspace's GUID; without it the connection's default workspace"}
	workspaceName = argument{name: "WorkspaceName", about: "in place of WorkspaceId"}

	parallel = argument{name: "Parallel", kind: countArgument, least: 1, about: "how many calls at the same time, for a list of values or the rows of an INSERT"}

	waitForCompletion = argument{name: "WaitForCompletion", label: "Wait for completion", kind: boolArgument, initial: "True", about: "False answers with one row at once"}
	rawOutput         = argument{name: "EnableRawOutputModeSingleRow", kind: boolArgument, initial: "True", about: "an answer that is empty or no JSON is one row; False: an error"}
)

func notifyOption(initial string, words ...string) argument {
	return argument{name: "NotifyOption", initial: initial, words: words, about: "who the service writes to"}
}

// waiting are the parameters of a refresh that say how it is waited for.
func waiting(substring string) []argument {
	return []argument{
		{name: "InitialWaitMs", label: "Initial wait (ms)", kind: countArgument, initial: "3000", about: "before the first look at the status"},
		{name: "StatusCheckWaitSec", label: "Status check wait interval (s)", kind: countArgument, initial: "5", about: "between two looks"},
		{name: "MaxWaitSec", label: "Maximum wait time (s)", kind: countArgument, initial: "7200", about: "then the statement fails; the refresh goes on"},
		{name: "ContinueOnErrorForMessage", label: "ContineOnErrorForMessage", kind: boolArgument, initial: "True",
			about: "an error whose text holds ErrorSubstringToMatch is a refresh that runs already: it is joined"},
		{name: "ErrorSubstringToMatch", initial: substring, about: "see ContinueOnErrorForMessage"},
		rawOutput,
		{name: "IfRunning", words: []string{"join", "wait", "fail", "cancel"},
			about: "what to do while one runs: join it; wait for its end, or cancel it, and start another; or fail. Prevails over ContinueOnErrorForMessage"},
		{name: "OnFailure", initial: "error", words: []string{"error", "row"}, about: "a refresh that failed fails the statement, or is a row with its Status"},
		{name: "CancelOnAbort", kind: boolArgument, initial: "False", about: "a client that cancels the statement cancels the refresh, too"},
	}
}

// catalogue are the endpoints that describe the others.
func catalogue(list *[]*endpoint) []*endpoint {
	all := &endpoint{
		name:  "endpoints",
		about: "All endpoints.",
		columns: []field{
			{"Name", Type{Nvarchar, 128}, "$.name", ""}, {"IsAction", boolean, "$.action", "it changes something: called once a statement"},
			{"Description", long, "$.about", ""},
		},
	}
	parameters := &endpoint{
		name:  "endpoint_parameters",
		about: "The parameters of all endpoints.",
		columns: []field{
			{"Endpoint", Type{Nvarchar, 128}, "$.endpoint", ""}, {"Ordinal", integer, "$.ordinal", "of EXEC without names, from 1"},
			{"Name", Type{Nvarchar, 128}, "$.name", ""}, {"Label", Type{Nvarchar, 128}, "$.label", "another name, in brackets"}, {"Type", word, "$.type", ""},
			{"IsRequired", boolean, "$.required", ""}, {"DefaultValue", title, "$.initial", ""}, {"Options", title, "$.words", "the values that it takes"},
			{"Description", long, "$.about", ""},
		},
	}
	columns := &endpoint{
		name:  "endpoint_columns",
		about: "The columns of all endpoints.",
		columns: []field{
			{"Endpoint", Type{Nvarchar, 128}, "$.endpoint", ""}, {"Ordinal", integer, "$.ordinal", "from 1"}, {"Name", Type{Nvarchar, 128}, "$.name", ""},
			{"Type", word, "$.type", ""}, {"Description", long, "$.about", ""},
		},
	}
	all.call = func(context.Context, *invocation) (rows []record, err error) {
		for _, e := range *list {
			rows = append(rows, record{"name": e.name, "action": e.action, "about": e.about})
		}
		return rows, nil
	}
	columns.call = func(context.Context, *invocation) (rows []record, err error) {
		for _, e := range *list {
			for i, f := range e.columns {
				rows = append(rows, record{"endpoint": e.name, "ordinal": i + 1, "name": f.name, "type": f.typ.String(), "about": f.about})
			}
		}
		return rows, nil
	}
	parameters.call = func(context.Context, *invocation) (rows []record, err error) {
		for _, e := range *list {
			for i, a := range e.parameters {
				row := record{"endpoint": e.name, "ordinal": i + 1, "name": a.name, "type": a.kind.String(), "required": a.required, "about": a.about}
				for name, text := range map[string]string{"label": a.label, "initial": a.initial, "words": strings.Join(a.words, ", ")} {
					if text != "" {
						row[name] = text
					}
				}
				rows = append(rows, row)
			}
		}
		return rows, nil
	}
	return []*endpoint{all, parameters, columns}
}

// extended adds the configuration's columns.
func extended(list []*endpoint, extra map[string]string) ([]*endpoint, error) {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.name
	}
	for name, text := range extra {
		i := slices.IndexFunc(names, func(known string) bool { return strings.EqualFold(known, name) })
		if i < 0 {
			return nil, fault.New(fault.Invalid, fault.CodeConfiguration, "cannot add columns to '%s': there is no such endpoint", name).
				WithHint("Endpoints: %s.", strings.Join(names, ", "))
		}
		fields, wrong := parseFields(text)
		if wrong != "" {
			return nil, fault.New(fault.Invalid, fault.CodeConfiguration, "cannot add the column '%s' to %s", wrong, name).WithHint("%s", fieldsHint)
		}
		own := list[i]
		own.columns = slices.Clone(own.columns)
		for _, f := range fields {
			if own.field(f.name) >= 0 {
				return nil, fault.New(fault.Invalid, fault.CodeConfiguration, "cannot add the column '%s' to %s: it has one of that name", f.name, name)
			}
			f.about = "added by the configuration"
			own.columns = append(own.columns, f)
		}
	}
	return list, nil
}
