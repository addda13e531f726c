package refresh

import (
	"context"
	"slices"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/store"
)

// Verification is what the files of a model's kept versions turned out to be.
type Verification struct {
	Files   int
	Bytes   int64 // of all files that were read
	Damaged []Damage
}

// Damage is a file that is missing, or not what was written.
type Damage struct {
	store.Key
	File     store.File
	Versions []int64 // that hold it, newest first
	Current  bool    // readers see one of them now
	Err      error   // says what is wrong
}

// Verify reads every file of the versions that are kept, and compares it with its checksum. A file that is damaged is not trusted any more: the
// next query reads it anew and refuses it.
func (e *Engine) Verify(ctx context.Context, model string) (Verification, error) {
	files, err := e.keptFiles(ctx, model)
	if err != nil {
		return Verification{}, err
	}
	var found Verification
	for i := range files {
		found.Files++
		found.Bytes += files[i].File.Bytes
		files[i].Err = e.options.Store.Verify(ctx, files[i].File)
		if ctx.Err() != nil {
			return Verification{}, context.Cause(ctx)
		}
		if files[i].Err != nil {
			found.Damaged = append(found.Damaged, files[i])
		}
	}
	if len(found.Damaged) == 0 {
		return found, nil
	}
	// What has been swept meanwhile is not damaged.
	if files, err = e.keptFiles(ctx, model); err != nil {
		return Verification{}, err
	}
	found.Damaged = slices.DeleteFunc(found.Damaged, func(d Damage) bool {
		return !slices.ContainsFunc(files, func(kept Damage) bool { return kept.File.ID == d.File.ID })
	})
	return found, nil
}

// keptFiles lists each file that a kept version holds once, those of the current version first.
func (e *Engine) keptFiles(ctx context.Context, model string) ([]Damage, error) {
	versions, err := e.Versions(ctx, model)
	if err != nil {
		return nil, err
	}
	var files []Damage
	known := map[string]int{} // by id
	for _, summary := range versions {
		version, err := e.options.Models.Version(ctx, model, summary.Number)
		if fault.KindOf(err) == fault.NotFound {
			continue // forgotten meanwhile
		}
		if err != nil {
			return nil, err
		}
		for _, part := range version.Parts {
			for _, file := range part.Files {
				i, seen := known[file.ID]
				if !seen {
					i = len(files)
					known[file.ID] = i
					files = append(files, Damage{Key: store.Key{Table: part.Table, Partition: part.Partition}, File: file, Current: summary.Current})
				}
				files[i].Versions = append(files[i].Versions, summary.Number)
			}
		}
	}
	return files, nil
}
