package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

// maxDefinition bounds what is read of a folder that is no definition after all.
const maxDefinition = 128 << 20

func (a *app) deploy() *cobra.Command {
	var workspace, name string
	var plan bool
	cmd := &cobra.Command{
		Use:   "deploy PATH [--workspace NAME] [--name NAME] [--plan]",
		Short: "Put a model or dataflow into a workspace, or change it there",
		Long: `Put a model or dataflow into a workspace; the workspace is created when there is none of that name. PATH is a TMDL folder (a .SemanticModel folder,
or its definition folder), a model.bim (plain, or inside a createOrReplace script), the model.json of a dataflow of generation 1, as Power BI exports it, or
the .Dataflow folder of one of generation 2, as Fabric's Git integration has it.

A model of the same name is changed. The data of partitions whose source and columns are the same stays; others are empty until the next
refresh. --plan tells which, and changes nothing.`,
		Example: `  freshet deploy ./Sales.SemanticModel --workspace Sales
  freshet deploy model.bim --workspace Sales --name "Sales 2024" --plan
  freshet deploy model.json --workspace Sales
  freshet deploy ./Lake.Dataflow --workspace Sales`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, folderName := modelFolder(args[0])
			files, err := readDefinition(path)
			if err != nil {
				return err
			}
			if _, named := files[".platform"]; name == "" && !named {
				name = folderName
			}
			client, err := a.connect()
			if err != nil {
				return err
			}
			deployed, err := client.Deploy(cmd.Context(), powerbi.Definition{
				Workspace: workspace, CreateWorkspace: workspace != "", Name: name, Files: files, Plan: plan,
			})
			if err != nil {
				return err
			}
			return a.printDeployment(deployed, plan)
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace, by name or GUID; left out: your own")
	cmd.Flags().StringVar(&name, "name", "", "name of the model; left out: that of .platform, of the folder (NAME.SemanticModel), or of the definition")
	cmd.Flags().BoolVar(&plan, "plan", false, "tell what would happen, change nothing")
	return a.formatted(cmd)
}

// modelFolder returns the folder of a model whose definition folder may have been named, and the name that the folder gives the model, as in
// Sales.SemanticModel; "" where it gives none.
func modelFolder(path string) (folder, name string) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path, ""
	}
	if parent := filepath.Dir(absolute); filepath.Base(absolute) == "definition" {
		if _, err := os.Stat(filepath.Join(parent, "definition.pbism")); err == nil {
			path, absolute = parent, parent
		}
	}
	for _, suffix := range []string{".SemanticModel", ".Dataset", ".Dataflow"} {
		if name, found := strings.CutSuffix(filepath.Base(absolute), suffix); found {
			return path, name
		}
	}
	return path, ""
}

// readDefinition reads the files of a definition: those of the folder, or the one file.
func readDefinition(path string) (map[string][]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the definition: %w", err)
	}
	files := map[string][]byte{}
	if !info.IsDir() {
		content, err := os.ReadFile(path)
		files[filepath.Base(path)] = content
		return files, err
	}
	total := 0
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); file != path && (strings.HasPrefix(name, ".") || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".tmdl", ".bim", ".platform", ".pbism"}, strings.ToLower(filepath.Ext(file))) && !slices.Contains([]string{"model.json", "mashup.pq", "querymetadata.json"}, strings.ToLower(entry.Name())) {
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if total += len(content); total > maxDefinition {
			return fmt.Errorf("its definition files hold more than %s", size(maxDefinition))
		}
		relative, err := filepath.Rel(path, file)
		files[filepath.ToSlash(relative)] = content
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the definition in %s: %w", path, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("cannot deploy %s: it holds no .tmdl and no .bim file, no model.json and no mashup.pq", path)
	}
	return files, nil
}

func (a *app) printDeployment(deployed powerbi.Deployment, plan bool) error {
	if a.format != formatTable || plan {
		if a.format == formatJSON {
			return printJSON(a.out, deployed)
		}
		err := list(a, deployed.Partitions, []string{"Table", "Partition", "Data", "Rows", "Why"}, func(p powerbi.PartitionChange) []string {
			return []string{p.Table, p.Partition, p.Change, a.count(p.Rows), p.Reason}
		})
		if err != nil || a.format == formatCSV {
			return err
		}
	}
	changes := map[string]int{}
	for _, partition := range deployed.Partitions {
		changes[partition.Change]++
	}
	var parts []string
	for _, change := range []string{"added", "kept", "emptied", "removed"} {
		if changes[change] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", changes[change], change))
		}
	}
	did := map[[2]bool]string{{false, false}: "Changed", {true, false}: "Deployed", {false, true}: "Would change", {true, true}: "Would deploy"}[[2]bool{deployed.Created, plan}]
	if deployed.Kind == powerbi.DataflowKind {
		did += " dataflow"
	}
	fmt.Fprintf(a.out, "%s %s/%s", did, deployed.Workspace.Name, deployed.Dataset.Name)
	if deployed.Dataset.ID != "" {
		fmt.Fprintf(a.out, " (%s)", deployed.Dataset.ID)
	}
	if len(parts) > 0 {
		fmt.Fprintf(a.out, "; partitions: %s", strings.Join(parts, ", "))
	}
	fmt.Fprintln(a.out)
	for _, warning := range deployed.Warnings {
		fmt.Fprintln(a.err, "Warning: "+warning)
	}
	return nil
}
