package refresh

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// The codes of rollbacks.
const (
	// Invalid: the model cannot be rolled back to that version: it is not kept any more, or belongs to another definition.
	// Do: name one of the versions that the text lists, or roll back with the definition (--with-definition).
	CodeVersion = "VersionUnavailable"

	// Information: which version of the data was committed again.
	// Do: nothing.
	codeRolledBack = "RolledBack"
)

// Versions lists the versions of a model's data that are still kept, newest first.
func (e *Engine) Versions(ctx context.Context, id string) ([]store.VersionSummary, error) {
	return e.options.Models.Versions(ctx, id)
}

// rollbackRequest is the request of a rollback (F7), with its version found. Errors are Invalid with CodeVersion and name the versions that
// there are.
func (e *Engine) rollbackRequest(ctx context.Context, definition Definition, wish Rollback) (Request, error) {
	versions, err := e.Versions(ctx, definition.ID)
	if err != nil {
		return Request{}, err
	}
	refuse := func(format string, args ...any) (Request, error) {
		return Request{}, fault.New(fault.Invalid, CodeVersion, format, args...).WithHint("The versions of the model are %s.", numbers(versions))
	}
	if wish.Version == 0 {
		before := slices.IndexFunc(versions, func(v store.VersionSummary) bool { return !v.Current }) // they are newest first
		if before < 0 {
			return refuse("cannot roll back model '%s': no version before the current one is kept", definition.Name)
		}
		wish.Version = versions[before].Number
	}
	for _, version := range versions {
		switch {
		case version.Number != wish.Version:
		case version.Current:
			return refuse("cannot roll back model '%s' to version %d: it is the current one", definition.Name, wish.Version)
		case version.ModelRevision != definition.Revision && !wish.WithDefinition:
			what := "model"
			why := ""
			if definition.Dataflow {
				what = "dataflow"
			}
			if slices.ContainsFunc(definition.Model.Tables, func(t *model.Table) bool { return t.InferredColumns }) {
				why = " A refresh that finds other columns makes a revision, too."
			}
			return Request{}, fault.New(fault.Invalid, CodeVersion, "cannot roll back %s '%s' to version %d: it belongs to revision %d of the %s's definition, and revision %d is deployed",
				what, definition.Name, wish.Version, version.ModelRevision, what, definition.Revision).
				WithHint("Roll back with the definition (--with-definition; over REST \"withDefinition\": true), which deploys that revision's again.%s", why)
		default:
			return Request{CommitMode: Transactional, Timeout: defaultTimeout, Rollback: &wish}, nil
		}
	}
	return refuse("cannot roll back model '%s' to version %d: it never was, or is not kept any more", definition.Name, wish.Version)
}

// numbers names versions, the current one as such.
func numbers(versions []store.VersionSummary) string {
	const most = 30
	var names []string
	for i, version := range versions {
		if i == most {
			names = append(names, "older ones")
			break
		}
		name := strconv.FormatInt(version.Number, 10)
		if version.Current {
			name += " (current)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// rollback commits a copy of the version to go back to, when all of its files are what was written. It needs no place on the capacity: it
// loads nothing.
func (w *work) rollback(base, ctx context.Context) error {
	if w.operation.State != Running {
		if err := w.move(base, Running); err != nil {
			return err
		}
	}
	if err := w.beginAttempt(base); err != nil {
		return err
	}
	err := w.write(base, "nothing, but read", func(ctx context.Context) error {
		version, err := w.engine.options.Models.Version(ctx, w.operation.Model, w.operation.Request.Rollback.Version)
		w.restored = &version
		return err
	}, nil)
	if err != nil {
		return err
	}
	for _, part := range w.restored.Parts {
		for _, file := range part.Files {
			if w.engine.options.Store == nil {
				continue
			}
			if _, err := w.engine.options.Store.Path(ctx, file); err != nil && ctx.Err() == nil {
				return w.fail(base, Failed, failureOf(fault.At(err, CodeProcessing, fault.Where{Table: part.Table, Partition: part.Partition})))
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return w.finish(base)
}

// copy makes the commit one of the restored version: all that it names, and nothing else.
func (w *work) copy(commit *Commit) {
	version := w.restored
	commit.Change = store.Change{Whole: true, Put: version.Parts, Objects: version.Objects}
	if version.ModelRevision != w.definition.Revision {
		commit.Definition = version.ModelRevision
	}
	text := "Version " + strconv.FormatInt(commit.Base+1, 10) + " is a copy of version " + strconv.FormatInt(version.Number, 10) +
		", committed at " + version.CommittedAt.UTC().Format(time.RFC3339)
	if version.Operation != "" {
		text += " by refresh " + version.Operation
	}
	if commit.Definition != 0 {
		text += "; the definition of revision " + strconv.FormatInt(commit.Definition, 10) + " was deployed again with it"
	}
	commit.Messages = []Message{{At: commit.At, Type: InfoMessage, Code: codeRolledBack, Text: text + "."}}
}
