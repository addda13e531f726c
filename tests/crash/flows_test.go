package crash

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/dataflow/cdmfolder"
	"freshet.dev/internal/model"
	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/workspace"
)

// The dataflows of a run in a mode of chains. Clean reads Landing, and Mart is linked to Clean: they are refreshed in this order. Clean also reads
// Rates, which is in another workspace and so in no chain.
const (
	landing = "Landing"
	clean   = "Clean"
	mart    = "Mart"
	rates   = "Rates"
)

// chained are the dataflows of the chain in their order.
var chained = []string{landing, clean, mart}

// The tables that are loaded in full, by dataflow. The partition of each is its only one.
var entities = map[string][]string{landing: {"Orders", "Half", "Least"}, clean: {"Prices", "Joined", "Kept"}, mart: {"Facts", "Sold"}, rates: {"Rate"}}

// sourced is the entity of each dataflow that reads a file; the others are computed.
var sourced = map[string]string{landing: "Orders", clean: "Prices", mart: "Facts", rates: "Rate"}

// days is the entity with a refresh policy: it keeps three years before the present one, and reads the present and the last one, whose
// rows have not changed.
const days = "Days"

// generations says which rows the sources of dataflows have; 1 is what it is without a word.
type generations map[string]int

func (g generations) of(flow string) int { return max(g[flow], 1) }

// chains tells whether the run refreshes a chain of dataflows.
func (r run) chains() bool { return r.Mode == allOrNothing || r.Mode == commitEach }

// flowObjects are the partitions of the dataflows that are loaded in full.
func flowObjects() (list []object) {
	for _, flow := range append(slices.Clone(chained), rates) {
		for _, entity := range entities[flow] {
			list = append(list, object{flow, entity, cdm.FullPartition})
		}
	}
	return list
}

// yearsOf are the years of Days, the present one last.
func yearsOf() []int {
	year := time.Now().UTC().Year()
	return []int{year - 3, year - 2, year - 1, year}
}

func dayObject(year int) object {
	return object{landing, days, fmt.Sprintf("IncrementalRefreshPolicyPartition-%d", year)}
}

// daysOf are the rows of a year in a generation. Those of the last year are the same in all.
func (r run) daysOf(year, generation int) [][]string {
	if year == time.Now().UTC().Year()-1 {
		generation = 1
	}
	random := r.random(fmt.Sprint("days of ", year, generation))
	rows := make([][]string, 1+random.IntN(9))
	for i := range rows {
		rows[i] = []string{strconv.Itoa(random.IntN(1000)), strconv.Itoa(generation), fmt.Sprintf("%d-01-%02d", year, 1+random.IntN(28)), fmt.Sprintf("%d-02-%02d", year, generation)}
	}
	return rows
}

// writeDays writes the file of Days.
func (r run) writeDays(dir string, generation int) error {
	var text strings.Builder
	rows := [][]string{{"N", "Generation", "Day", "Changed"}}
	for _, year := range yearsOf() {
		rows = append(rows, r.daysOf(year, generation)...)
	}
	if err := csv.NewWriter(&text).WriteAll(rows); err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, "Days.csv"), text.String())
}

// rowsAt are the rows that every partition of the dataflows has, digested, when the sources are of those generations: counted by nothing of Freshet.
func (r run) rowsAt(g generations) map[string]string {
	source := func(flow string) [][]string {
		return r.rowsOf(object{flow, sourced[flow], cdm.FullPartition}, g.of(flow))
	}
	where := func(rows [][]string, holds func(id int) bool) [][]string {
		var chosen [][]string
		for _, row := range rows {
			if id, _ := strconv.Atoi(row[0]); holds(id) {
				chosen = append(chosen, row)
			}
		}
		return chosen
	}
	short := func(rows [][]string) [][]string {
		cut := make([][]string, len(rows))
		for i, row := range rows {
			cut[i] = row[:2]
		}
		return cut
	}
	half := where(source(landing), func(id int) bool { return id < 500 })
	joined := slices.Concat(short(half), short(source(rates)), short(source(clean)))
	rows := map[object][][]string{
		{landing, "Orders", cdm.FullPartition}: source(landing), {landing, "Half", cdm.FullPartition}: half, {landing, "Least", cdm.FullPartition}: short(half),
		{clean, "Prices", cdm.FullPartition}: source(clean), {clean, "Joined", cdm.FullPartition}: joined,
		{clean, "Kept", cdm.FullPartition}: where(joined, func(id int) bool { return id >= 100 }),
		{mart, "Facts", cdm.FullPartition}: source(mart), {mart, "Sold", cdm.FullPartition}: where(joined, func(id int) bool { return id < 700 }),
		{rates, "Rate", cdm.FullPartition}: source(rates),
	}
	digests := map[string]string{}
	for o, rows := range rows {
		digests[o.String()] = digest(rows)
	}
	for i, year := range yearsOf() {
		generation := g.of(landing)
		if i < 2 {
			generation = 1 // nobody reads it again
		}
		digests[dayObject(year).String()] = digest(short(r.daysOf(year, generation)))
	}
	return digests
}

// flowDefinition is the model.json of a dataflow. ids are those of the dataflows that are there, workspaces those of the workspaces, by name.
func flowDefinition(dir, flow string, ids, workspaces map[string]string) ([]byte, error) {
	type node = map[string]any
	attribute := func(name, kind string) node { return node{"name": name, "dataType": kind} }
	long := []node{attribute("Id", "int64"), attribute("Generation", "int64"), attribute("Amount", "decimal"), attribute("Note", "string")}
	entity := func(name string, attributes []node) node {
		return node{"$type": "LocalEntity", "name": name, "attributes": attributes}
	}
	file := func(path, types string) string {
		return fmt.Sprintf(`let
    Source = Csv.Document(File.Contents(%q), [Delimiter=",", Encoding=65001, QuoteStyle=QuoteStyle.Csv]),
    Promoted = Table.PromoteHeaders(Source, [PromoteAllScalars=true]),
    Typed = Table.TransformColumnTypes(Promoted, {%s}, "en-US")
in
    Typed`, path, types)
	}
	own := object{flow, sourced[flow], cdm.FullPartition}
	document := fmt.Sprintf("section Section1;\nshared %s = %s;\n", own.Table, file(fileOf(dir, own), `{"Id", Int64.Type}, {"Generation", Int64.Type}, {"Amount", Currency.Type}, {"Note", type text}`))
	list := []node{entity(own.Table, long)}
	switch flow {
	case landing:
		document += "shared Half = Table.SelectRows(Orders, each [Id] < 500);\nshared Least = Table.SelectColumns(Half, {\"Id\", \"Generation\"});\nshared Days = " +
			file(filepath.Join(dir, "Days.csv"), `{"N", Int64.Type}, {"Generation", Int64.Type}, {"Day", type datetime}, {"Changed", type datetime}`) + ";\n"
		dated := entity(days, []node{attribute("N", "int64"), attribute("Generation", "int64"), attribute("Day", "dateTime"), attribute("Changed", "dateTime")})
		dated["pbi:refreshPolicy"] = node{"$type": "IncrementalRefreshPolicy", "rollingWindowGranularity": "Year", "rollingWindowPeriods": 3, "incrementalGranularity": "Year",
			"incrementalPeriods": 2, "freshet:filterField": "Day", "freshet:detectChangesField": "Changed"}
		list = append(list, entity("Half", long), entity("Least", long[:2]), dated)
	case clean:
		document += `shared Joined = Table.Combine({PowerPlatform.Dataflows(null){[Id = "Workspaces"]}[Data]{[workspaceName = "W"]}[Data]{[dataflowName = "Landing"]}[Data]{[entity = "Least", version = ""]}[Data],
    Table.SelectColumns(PowerBI.Dataflows(null){[workspaceName = "Upstream"]}[Data]{[dataflowName = "Rates"]}[Data]{[entity = "Rate"]}[Data], {"Id", "Generation"}),
    Table.SelectColumns(Prices, {"Id", "Generation"})});
shared Kept = Table.SelectRows(Joined, each [Id] >= 100);
`
		list = append(list, entity("Joined", long[:2]), entity("Kept", long[:2]))
	case mart:
		document += "shared Sold = Table.SelectRows(Linked, each [Id] < 700);\n"
		list = append(list, node{"$type": "ReferenceEntity", "name": "Linked", "source": "Joined", "modelId": workspaces["W"] + "/" + ids[clean]}, entity("Sold", long[:2]))
	}
	return json.Marshal(node{"name": flow, "pbi:mashup": node{"document": document}, "entities": list})
}

// deployFlows deploys the dataflows of the run.
func (s *site) deployFlows(ctx context.Context, rows *catalog.Catalog) error {
	owner := workspace.Caller{ID: "owner", Owner: true}
	service := workspace.New(rows, nil, workspace.Options{Capacities: []string{capacityName}})
	workspaces := map[string]string{}
	for _, flow := range append([]string{rates}, chained...) {
		in := "W"
		if flow == rates {
			in = "Upstream"
		}
		definition, err := flowDefinition(s.sources(), flow, s.items, workspaces)
		if err != nil {
			return err
		}
		deployed, err := service.Deploy(ctx, owner, workspace.Deploy{Workspace: in, CreateWorkspace: true, Files: map[string][]byte{"model.json": definition}})
		if err != nil {
			return err
		}
		s.items[flow], workspaces[in] = deployed.Item.ID, deployed.Item.WorkspaceID
	}
	if s.Mode == commitEach {
		return rows.SetChains(ctx, workspaces["W"], workspace.CommitEach)
	}
	return nil
}

// flows are the dataflows that may be read: all, since they have one owner.
type flows struct{ *catalog.Catalog }

func (f flows) Readable(ctx context.Context, _ string) ([]refresh.Dataflow, error) {
	list, err := f.Items(ctx, "")
	found := make([]refresh.Dataflow, len(list))
	for i, item := range list {
		found[i] = refresh.Dataflow{WorkspaceID: item.WorkspaceID, WorkspaceName: item.WorkspaceName, ID: item.ID, Name: item.Name}
	}
	return found, err
}

// Siblings says of the chain's dataflows what each reads, which a server finds in their expressions.
func (f flows) Siblings(ctx context.Context, dataflow string) ([]refresh.Sibling, error) {
	definitions, err := f.Catalog.Siblings(ctx, dataflow)
	ids := map[string]string{}
	for _, definition := range definitions {
		ids[definition.Name] = definition.ID
	}
	list := make([]refresh.Sibling, len(definitions))
	for i, definition := range definitions {
		list[i].Definition = definition
		if at := slices.Index(chained, definition.Name); at > 0 {
			list[i].Reads = []string{ids[chained[at-1]]}
		}
	}
	return list, err
}

// Dataflows and Dataflow are what the CDM folders are made of.
func (f flows) Dataflows(ctx context.Context) ([]cdmfolder.Flow, error) {
	list, err := f.Items(ctx, "")
	found := make([]cdmfolder.Flow, len(list))
	for i, item := range list {
		found[i] = cdmfolder.Flow{ID: item.ID, WorkspaceID: item.WorkspaceID, WorkspaceName: item.WorkspaceName, Name: item.Name, Version: item.Version}
	}
	return found, err
}

func (f flows) Dataflow(ctx context.Context, id string, revision int64) (map[string][]byte, *model.Model, error) {
	definition, err := f.Definition(ctx, id, revision)
	if err != nil {
		return nil, nil, err
	}
	read, err := definition.Model()
	return definition.Files, read, err
}

// folders is where the dataflows are written as CDM folders.
func (s *site) folders() string { return filepath.Join(s.dir, "folders") }

// folderPoint is the point that the writing of a CDM folder has come to.
func (i *incarnation) folderPoint(name string) error {
	step, file, _ := strings.Cut(name, " ")
	point := "rows " + step
	if file == "model.json" {
		point = "model.json " + step
	}
	return i.at(context.Background(), point)
}

// told are the rows that the CDM folders name, by partition; none of a dataflow that has no folder yet.
func (s *site) told() (map[string]string, error) {
	parts := map[string]string{}
	for flow := range s.items {
		in := "W"
		if flow == rates {
			in = "Upstream"
		}
		folder := filepath.Join(s.folders(), in, flow)
		text, err := os.ReadFile(filepath.Join(folder, "model.json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var read struct {
			Entities []struct {
				Name       string
				Partitions []struct{ Name, Location string }
			}
		}
		if err == nil {
			err = json.Unmarshal(text, &read)
		}
		if err != nil {
			return nil, err
		}
		for _, entity := range read.Entities {
			for _, partition := range entity.Partitions {
				path, err := url.PathUnescape(partition.Location)
				if err != nil {
					return nil, err
				}
				rows, err := s.csvDigest(entity.Name, filepath.Join(folder, path))
				if err != nil {
					return nil, err
				}
				parts[object{flow, entity.Name, partition.Name}.String()] = rows
			}
		}
	}
	return parts, nil
}

func (s *site) csvDigest(entity, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	return digest(cut(entity, rows)), err
}

// cut leaves the moments of Days out, which follow from its numbers.
func cut(entity string, rows [][]string) [][]string {
	if entity == days {
		for i := range rows {
			rows[i] = rows[i][:2]
		}
	}
	return rows
}

// move lets the dataflow Rates be refreshed twice once a version of it is pinned: its readers have two newer versions, and who has pinned it
// still the one.
func (i *incarnation) move(ctx context.Context, pinned string) error {
	if !i.moves || i.who == "setup" || pinned != i.items[rates] {
		return nil
	}
	for n, id := range i.moved() {
		if err := i.writeRows(i.sources(), object{rates, sourced[rates], cdm.FullPartition}, 2+n); err != nil {
			return err
		}
		if _, _, err := i.engine.Submit(ctx, refresh.Submission{Model: pinned, ID: id, Params: i.params(i.Mode)}); err != nil {
			return err
		}
		if _, err := i.engine.Wait(ctx, id); err != nil {
			return err
		}
	}
	i.sweep(ctx)
	return nil
}
