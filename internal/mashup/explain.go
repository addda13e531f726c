package mashup

import "context"

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

// Explain tells how the relation is read.
func (r *Relation) Explain(ctx context.Context) (*Explanation, error) {
	return nil, nil
}
