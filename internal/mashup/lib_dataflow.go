package mashup

import (
	"context"
	"strings"

	"freshet.dev/internal/fault"
)

// Dataflow is a dataflow whose stored tables an evaluation may read.
type Dataflow struct {
	WorkspaceID, WorkspaceName string
	ID, Name                   string
	// Tables returns its tables, in an order of their own. Two calls of one evaluation give the same.
	Tables func(ctx context.Context) ([]DataflowTable, error)
}

// DataflowTable is a table of a dataflow. Open says which rows it has.
type DataflowTable struct {
	Name string
	Open func(ctx context.Context) (*Stored, error)
}

// dataflowFunctions are the two connectors that read what dataflows have stored.
func dataflowFunctions() family {
	return family{entries: []entry{
		{signature: "PowerPlatform.Dataflows(optional options as any) as table", body: powerPlatformDataflows},
		{signature: "PowerBI.Dataflows(optional options as any) as table", body: powerBIDataflows},
	}}
}

// powerPlatformDataflows is the navigation that Power Query writes now: by [Id = "Workspaces"] to what PowerBI.Dataflows gives.
func powerPlatformDataflows(ev *evaluation, args []Value) (Value, error) {
	workspaces, err := dataflowWorkspaces(ev, "PowerPlatform.Dataflows", args[0])
	if err != nil {
		return nil, err
	}
	fields := []fieldType{{name: "Id", typ: simple(kindText)}, {name: "Name", typ: simple(kindText)}, {name: "Data", typ: simple(kindTable)}}
	return listing("PowerPlatform.Dataflows", fields, [][]Value{{text("Workspaces"), text("Workspaces"), workspaces}},
		"Dataflows are in workspaces here, and in no other environment"), nil
}

func powerBIDataflows(ev *evaluation, args []Value) (Value, error) {
	return dataflowWorkspaces(ev, "PowerBI.Dataflows", args[0])
}

// dataflowWorkspaces is the navigation over the workspaces with dataflows, each with its dataflows, each with its tables.
func dataflowWorkspaces(ev *evaluation, function string, options Value) (Value, error) {
	if err := noOptions(options, function); err != nil {
		return nil, err
	}
	if ev.session.env.Dataflows == nil {
		return nil, fault.New(fault.Invalid, fault.CodeSourceUnsupported, "cannot read dataflows by %s: none can be read from here", function).
			WithHint("Models and dataflows read them while they are refreshed.")
	}
	found, err := ev.session.env.Dataflows(ev.ctx)
	if err != nil {
		return nil, err
	}
	var held [][]Value
	for i := 0; i < len(found); {
		n := i
		for n < len(found) && found[n].WorkspaceID == found[i].WorkspaceID {
			n++
		}
		held = append(held, []Value{text(found[i].WorkspaceID), text(found[i].WorkspaceName), dataflowsOf(found[i:n])})
		i = n
	}
	fields := []fieldType{{name: "workspaceId", typ: simple(kindText)}, {name: "workspaceName", typ: simple(kindText)}, {name: "Data", typ: simple(kindTable)}}
	return listing(function, fields, held, "A workspace is there when the owner of what reads it may read the workspace, and it has a dataflow"), nil
}

// dataflowsOf is the navigation over the dataflows of a workspace.
func dataflowsOf(found []Dataflow) Value {
	held := make([][]Value, len(found))
	for i, flow := range found {
		held[i] = []Value{text(flow.ID), text(flow.Name), lazy(func(ev *evaluation) (Value, error) {
			tables, err := flow.Tables(ev.ctx)
			if err != nil {
				return nil, err
			}
			return dataflowTables(tables), nil
		})}
	}
	fields := []fieldType{{name: "dataflowId", typ: simple(kindText)}, {name: "dataflowName", typ: simple(kindText)}, {name: "Data", typ: simple(kindTable)}}
	return listing("Navigation", fields, held, "The workspace has no such dataflow")
}

// dataflowTables is the navigation over the tables of a dataflow. The version of an entity is always the empty one: what is stored now.
func dataflowTables(tables []DataflowTable) Value {
	held := make([][]Value, len(tables))
	names := make([]string, len(tables))
	for i, table := range tables {
		names[i] = table.Name
		held[i] = []Value{text(table.Name), text(""), StoredValue(table.Open)}
	}
	fields := []fieldType{{name: "entity", typ: simple(kindText)}, {name: "version", typ: simple(kindText)}, {name: "Data", typ: simple(kindTable)}}
	return listing("Navigation", fields, held, "Its entities are "+strings.Join(names, ", ")+", in the version \"\"")
}

// listing is a navigation that is known as a whole, with the advice for who asks it for what it has not.
func listing(name string, fields []fieldType, held [][]Value, advice string) *relational {
	return newTable(&step{name: name, cols: fields, op: listed{inline{held: held}, advice}})
}

type listed struct {
	inline
	advice string
}
