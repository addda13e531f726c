package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

// damagedFile is a damaged file with its model.
type damagedFile struct {
	Model string `json:"model"`
	powerbi.DamagedFile
}

func (a *app) verify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [MODEL…]",
		Short: "Read every data file of models and dataflows and compare it with its checksum (Freshet only)",
		Long: `Read every data file of the versions of models and dataflows that are kept, of all of them when none is named, and compare it with the checksum that it was written
with. What is damaged or missing is listed, with what to do about it, and the exit code is 1.

A server checks a file by itself when it first opens it, and again when its size, its times or its place on the disk have changed. What a disk does to
a file without telling the system (a flipped bit) is found by this verb, or at the next start: run it from time to time.`,
		Example: `  freshet verify
  freshet verify Sales --format json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			var models []model
			for _, name := range args {
				_, found, err := a.openData(cmd.Context(), name)
				if err != nil {
					return err
				}
				models = append(models, found)
			}
			if len(args) == 0 {
				if models, err = listModels(cmd.Context(), client, ""); err != nil {
					return err
				}
				flows, err := listFlows(cmd.Context(), client, "")
				if err != nil {
					return err
				}
				for _, f := range flows {
					models = append(models, f.data())
				}
			}
			damaged := []damagedFile{}
			var files, bytes int64
			for _, m := range models {
				found, err := client.Verify(cmd.Context(), m.ID)
				if err != nil {
					return fmt.Errorf("cannot verify %s: %w", m, err)
				}
				files, bytes = files+int64(found.Files), bytes+found.Bytes
				for _, file := range found.Damaged {
					damaged = append(damaged, damagedFile{m.String(), file})
				}
			}
			if a.format != formatTable || len(damaged) > 0 {
				err = list(a, damaged, []string{"Model", "Table", "Partition", "Versions", "Problem", "Advice"}, func(d damagedFile) []string {
					versions := make([]string, len(d.Versions))
					for i, version := range d.Versions {
						versions[i] = strconv.FormatInt(version, 10)
					}
					return []string{d.Model, d.Table, d.Partition, strings.Join(versions, ", "), d.Problem, d.Advice}
				})
			}
			switch {
			case err != nil:
				return err
			case len(damaged) > 0:
				return errors.New(count(int64(len(damaged))) + " of " + count(files) + " data files are damaged")
			case a.format == formatTable:
				fmt.Fprintf(a.out, "%s data files of %d models, %s: all are what was written\n", count(files), len(models), size(bytes))
			}
			return nil
		},
	}
	return a.formatted(cmd)
}
