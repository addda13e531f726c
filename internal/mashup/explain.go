package mashup

import (
	"context"
	"errors"
	"strings"

	"freshet.dev/internal/duck"
)

// Explanation is what a Relation sends to its sources, and why it does no more there.
type Explanation struct {
	Steps      []ExplainedStep      // in the order of evaluation
	Statements []ExplainedStatement // what is sent: SQL for a database, or DuckDB's statement over files
	Breaks     string               // the first step that is evaluated by rows; empty when all fold
	Why        string               // the reason
}

// ExplainedStep is one step of the plan.
type ExplainedStep struct {
	Name  string // "Table.SelectRows"
	Where string // "PostgreSQL", "DuckDB" or "rows"
	Why   string // the reason for rows
}

// ExplainedStatement is one statement and who gets it.
type ExplainedStatement struct {
	To   string // "PostgreSQL localhost:5432;sales" or "DuckDB"
	Text string
}

// Explain tells how the relation is read into the targets; without targets, into its own columns. A database gets the statements as they
// stand here; those for DuckDB give the values that a load then converts to the model's types.
func (r *Relation) Explain(ctx context.Context, targets []Target) (*Explanation, error) {
	e := &explaining{f: &folding{ev: r.session.begin(ctx), rules: r.session.reading.rules, items: map[string]*fromItem{}}, seen: map[*step]bool{}}
	plan := r.plan
	if len(targets) > 0 {
		var err error
		if e.picked, err = r.pick(targets); err != nil {
			return nil, final(err)
		}
		plan = e.picked
	}
	if err := e.visit(plan, true); err != nil {
		return nil, report(err)
	}
	return &e.made, nil
}

// errAsked ends an evaluation that is only to tell what it asks.
var errAsked = errors.New("the source is not asked")

// Asks tells what the evaluation of an expression to one value, see Value, asks of a source first, and does not ask it: Text is the statement, or
// "all rows" of a file. What comes after may depend on the answer. It is nil when no rows of a source are needed.
func (d *Document) Asks(ctx context.Context, env *Env, expression string, bind map[string]Value) (*ExplainedStatement, error) {
	session := newSession(d, env, bind)
	var asked *ExplainedStatement
	session.reading.asking = func(to, text string) error {
		asked = &ExplainedStatement{To: to, Text: text}
		return errAsked
	}
	_, err := session.evaluate(ctx, "expression", expression)
	if asked != nil {
		err = nil
	}
	return asked, errors.Join(report(err), session.reading.close())
}

type explaining struct {
	f      *folding
	made   Explanation
	seen   map[*step]bool
	picked *step // the model's columns, which are no step of the expression; nil without targets
}

// told adds a step of the expression.
func (e *explaining) told(s *step, explained ExplainedStep) {
	if s != e.picked {
		e.made.Steps = append(e.made.Steps, explained)
	}
}

// sent is the statement that a database gets for a step that nothing follows there: see openDatabase, openFolded and queried.begin.
func (e *explaining) sent(s *step, q *query) string {
	if s == e.picked {
		return q.sql(streamNames(len(s.cols)))
	}
	if op, whole := s.op.(queried); whole {
		return "SELECT * FROM " + op.from
	}
	return q.sql(s.names())
}

// visit explains a step after its inputs. top tells that what comes after the step, if anything, is evaluated by rows, so that the
// step's own statement is what is sent.
func (e *explaining) visit(s *step, top bool) error {
	if e.seen[s] {
		return nil
	}
	e.seen[s] = true
	q, err := e.f.fold(s)
	if err != nil && !isRefusal(err) {
		return err
	}
	for _, input := range s.in {
		if err := e.visit(input, top && q == nil); err != nil {
			return err
		}
	}
	explained := ExplainedStep{Name: s.name, Where: "rows"}
	var broken *brokenAt
	switch {
	case q != nil && q.database != nil:
		explained.Where = q.database.Ref().Kind
		if top {
			e.made.Statements = append(e.made.Statements, ExplainedStatement{To: nameOf(q.database), Text: e.sent(s, q)})
		}
	case q != nil && len(e.made.Steps) > 0 && e.made.Breaks != "":
		explained.Why = "a step before it or beside it is evaluated by rows"
	case q != nil:
		explained.Where = "DuckDB"
		if top {
			return e.files(s, q, explained)
		}
	case errors.As(err, &broken) && broken.step == s:
		explained.Why = broken.why.Error()
		if e.made.Breaks == "" {
			e.made.Breaks, e.made.Why = s.name, explained.Why
		}
	default:
		explained.Why = "a step before it is evaluated by rows"
	}
	e.told(s, explained)
	return nil
}

// files explains a step that DuckDB reads from files, with the statement as it will be.
func (e *explaining) files(s *step, q *query, explained ExplainedStep) error {
	statement := q.sql(s.names())
	for token, item := range e.f.items {
		if !strings.Contains(statement, token) {
			continue
		}
		if stored, ok := item.scan.(*storedScan); ok {
			statement = strings.ReplaceAll(statement, token, duck.Ident(stored.stored.Name))
			continue
		}
		from, why, err := item.scan.DuckDB(e.f.ev.ctx, item.skip)
		if err != nil {
			return err
		}
		if from == "" {
			from, explained.Why = "rows_of_the_file", "DuckDB gets the file's rows as Freshet reads them: "+why
		}
		statement = strings.ReplaceAll(statement, token, from)
	}
	e.told(s, explained)
	e.made.Statements = append(e.made.Statements, ExplainedStatement{To: "DuckDB", Text: statement})
	return nil
}
