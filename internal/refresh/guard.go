package refresh

import (
	"fmt"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// Conflict or Warning: a table would come out empty or with far fewer rows than it had; a Warning where the refresh was forced.
// Do: see whether the source is complete; refresh with --force when it is.
const CodeGuard = "RefusedByGuard"

// Guard keeps a refresh from taking a table's rows away because its source is incomplete (F7). The zero value refuses nothing.
type Guard struct {
	FailWhenEmpty    bool    // refuse a table without rows that had some
	LeastShareOfRows float64 // refuse a table with less than this share, 0 to 1, of the rows that it had
}

// Guards are the guards of one model.
type Guards struct {
	Model  string           // WORKSPACE/NAME in any letter case, or the model's id
	Each   Guard            // of every table but those of Tables
	Tables map[string]Guard // by the table's name in any letter case
}

// Is tells whether name, WORKSPACE/NAME or an id, means the model.
func (d Definition) Is(name string) bool {
	return strings.EqualFold(name, d.ID) || model.EqualNames(name, d.Workspace+"/"+d.Name)
}

func (e *Engine) guard(definition Definition, table string) Guard {
	for _, guards := range e.options.Guards {
		if !definition.Is(guards.Model) {
			continue
		}
		for name, guard := range guards.Tables {
			if model.EqualNames(name, table) {
				return guard
			}
		}
		return guards.Each
	}
	return Guard{}
}

// objects tells what the guard has against a table that had rows and now has others; "" for nothing.
func (g Guard) objects(had, has int64) string {
	switch {
	case had == 0:
		return ""
	case g.FailWhenEmpty && has == 0:
		return "failWhenEmpty"
	case float64(has) < g.LeastShareOfRows*float64(had):
		return fmt.Sprintf("leastShareOfRows %g", g.LeastShareOfRows)
	}
	return ""
}

// shrunk is a table that a guard objects to.
type shrunk struct {
	table    string
	had, has int64
	guard    string
}

// guarded is the error of a commit that guards refuse: a table each.
type guarded []shrunk

func (g guarded) Error() string { return g[0].fault().Error() }
func (g guarded) Unwrap() error { return g[0].fault() }

func (s shrunk) fault() *fault.Error {
	err := fault.New(fault.Conflict, CodeGuard, "cannot commit: the table would have %d rows and had %d; its guard %s refuses that", s.has, s.had, s.guard).
		WithHint("See that the source is complete. When it is, refresh with --force (over REST: X-Freshet-Force: true), or change the guard in the configuration.")
	err.Where.Table = s.table
	return err
}

func (s shrunk) warning(at time.Time) Message {
	return Message{At: at, Type: WarningMessage, Code: CodeGuard, Where: fault.Where{Table: s.table},
		Text: fmt.Sprintf("Table '%s' has %d rows and had %d: its guard %s would have refused that, and the refresh was forced.", s.table, s.has, s.had, s.guard)}
}

// failure is the guards' refusal as an operation keeps it, with a message for each table.
func (g guarded) failure(at time.Time) (*Failure, []Message) {
	var messages []Message
	for _, table := range g {
		messages = append(messages, failureOf(table.fault()).message(ErrorMessage, at))
	}
	failure := failureOf(g)
	if more := len(g) - 1; more > 0 {
		failure.Message += fmt.Sprintf(" %d more tables were refused; the messages of the refresh name them.", more)
	}
	return failure, messages
}

// guards lists the tables that would lose too many rows if the steps, and so the change, were committed on base. A table is compared with
// what it held before the refresh: what a partialBatch has committed of it already counts with the rest.
func (w *work) guards(base store.Version, change store.Change, steps []Step) guarded {
	held := map[store.Key]int64{} // when the refresh was planned
	w.mu.Lock()
	for _, step := range w.steps {
		switch step.Kind {
		case PollStep: // the step after it tells
		case DropStep:
			held[key(step.Table, step.Partition)] = 0 // it is meant to go
		default:
			held[key(step.Table, step.Partition)] = step.Held
		}
	}
	w.mu.Unlock()
	had, has := map[string]int64{}, map[string]int64{}
	for _, part := range base.Parts {
		rows, planned := held[key(part.Table, part.Partition)]
		if !planned {
			rows = part.Rows()
		}
		had[model.NameKey(part.Table)] += rows
	}
	for _, part := range change.Apply(base).Parts {
		has[model.NameKey(part.Table)] += part.Rows()
	}
	var refused guarded
	looked := map[string]bool{}
	for _, step := range steps {
		table := model.NameKey(step.Table)
		if step.Kind != LoadStep || looked[table] {
			continue
		}
		looked[table] = true
		if guard := w.engine.guard(w.definition, step.Table).objects(had[table], has[table]); guard != "" {
			refused = append(refused, shrunk{step.Table, had[table], has[table], guard})
		}
	}
	return refused
}
