package main

import (
	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) models() *cobra.Command {
	var workspace string
	cmd := &cobra.Command{
		Use:     "models [--workspace NAME]",
		Short:   "List models",
		Example: `  freshet models --workspace Sales`,
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			models, err := listModels(cmd.Context(), client, workspace)
			if err != nil {
				return err
			}
			type record struct {
				Workspace   string       `json:"workspace"`
				WorkspaceID string       `json:"workspaceId"`
				Name        string       `json:"name"`
				ID          string       `json:"id"`
				Created     powerbi.Time `json:"createdDate,omitzero"`
				By          string       `json:"configuredBy"`
			}
			records := make([]record, 0, len(models))
			for _, m := range models {
				records = append(records, record{m.Workspace, m.WorkspaceID, m.Name, m.ID, m.CreatedDate, m.ConfiguredBy})
			}
			return list(a, records, []string{"Workspace", "Name", "Id", "Created", "By"}, func(r record) []string {
				return []string{r.Workspace, r.Name, r.ID, a.moment(r.Created.Time), r.By}
			})
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "only of this workspace, by name or GUID")
	return a.formatted(cmd)
}
