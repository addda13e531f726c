package connector

import (
	"cmp"
	"strings"
)

// statement is one statement of a batch: a query, an insert, or what concerns the session alone. Its offsets count in text.
type statement struct {
	text    string
	names   []objectName // of what it reads or calls
	given   []string     // the parameters that it takes by name
	asked   int          // how many ? the whole batch has
	query   *query       // also what EXEC says
	insert  *insert
	call    *procedure // what EXEC calls: an endpoint, else a procedure of the session
	control *control
	branch  *branch
	loop    *loop
	try     *try
	assign  *assign
}

// procedure is what EXEC names.
type procedure struct {
	objectName
	options []option
}

// control is a statement that asks nothing of a service.
type control struct {
	Control
	at   int
	text expression   // of PRINT and WAITFOR
	args []expression // of THROW and RAISERROR
}

// branch is IF.
type branch struct {
	condition       statement // a query of one value, which is 1 when the condition holds
	then, otherwise []statement
}

// loop is WHILE.
type loop struct {
	condition statement // as that of a branch
	body      []statement
}

// try is BEGIN TRY … END TRY BEGIN CATCH … END CATCH.
type try struct{ body, caught []statement }

// assign gives variables that the session keeps the values of the last row of a query.
type assign struct {
	names []string // as the session is asked for them
	query statement
}

// insert calls an endpoint once for each row.
type insert struct {
	table   objectName
	columns []name // none: the endpoint's parameters in their order
	rows    [][]expression
	query   *query
	options []option
}

// name is a name and where it stands.
type name struct {
	text string
	at   int
}

// objectName is the name of what a statement reads, calls or inserts into. A schema that is not named is dbo.
type objectName struct {
	name
	database, schema string // "": not named
}

// within tells whether the name is meant in a schema, whose "" is dbo.
func (n objectName) within(schema string) bool {
	return strings.EqualFold(cmp.Or(n.schema, "dbo"), cmp.Or(schema, "dbo"))
}

// option is a parameter of an endpoint that stands in WITH (…) or behind EXEC. A positional one has no name; a hint of T-SQL no value.
type option struct {
	name
	value expression
}

type query struct {
	with    []commonTable
	body    setOperand
	order   []orderItem
	limit   expression
	offset  expression
	options []option // at its end: for every endpoint in it that knows them
}

type commonTable struct {
	name    name
	columns []name
	query   *query
}

// setOperand is a *selection, a *query in parentheses, or a *setOperation.
type setOperand any

type setOperation struct {
	operator    string // UNION, UNION ALL, EXCEPT, INTERSECT
	at          int
	left, right setOperand
}

type selection struct {
	at       int
	distinct bool
	top      expression
	items    []item
	from     []source // joined by commas
	where    expression
	group    []expression
	having   expression
	options  []option // as those of a query
}

// item is a column of the result; star stands for all, or all of qualifier.
type item struct {
	at        int
	star      bool
	qualifier string
	value     expression
	alias     string
	target    string // the variable that gets the value, in small letters; "": none
	variables []name // that the value names, in small letters, where there is a target
}

// source is a *table, a *derived or a *join.
type source any

type table struct {
	objectName
	alias   string
	options []option
}

type derived struct {
	at    int
	query *query
	alias string
}

type join struct {
	kind        string // INNER, LEFT, RIGHT, FULL, CROSS
	at          int
	left, right source
	on          expression
}

type orderItem struct {
	value      expression
	descending bool
}

// expression is one of the types below.
type expression interface{ position() int }

type (
	literalText struct {
		at   int
		text string
	}
	literalNumber struct {
		at   int
		text string
	}
	literalNull struct{ at int }

	// parameter is a ? (by its ordinal, from 0) or a @name that no DECLARE has.
	parameter struct {
		at      int
		ordinal int
		name    string
	}
	// global is a variable of the session, such as @@SPID.
	global struct {
		at   int
		name string
	}
	column struct {
		at        int
		qualifier string
		name      string
	}
	unary struct {
		at       int
		operator string // -, NOT
		value    expression
	}
	binary struct {
		at          int
		operator    string // + - * / % || = <> < > <= >= AND OR
		left, right expression
	}
	isNull struct {
		at    int
		value expression
		not   bool
	}
	inList struct {
		at    int
		value expression
		list  []expression
		query *query
		not   bool
	}
	between struct {
		at               int
		value, low, high expression
		not              bool
	}
	like struct {
		at             int
		value, pattern expression
		escape         expression
		not            bool
	}
	exists struct {
		at    int
		query *query
	}
	subquery struct {
		at    int
		query *query
	}
	caseOf struct {
		at      int
		operand expression
		when    [][2]expression
		other   expression
	}
	cast struct {
		at    int
		value expression
		typ   Type
		try   bool
	}
	call struct {
		at       int
		function string
		args     []expression
		star     bool
		distinct bool
	}

	// ready is an expression that is bound already: what stands twice in SQL must not call an endpoint twice.
	ready struct {
		at int
		bound
	}
)

func (e literalText) position() int   { return e.at }
func (e literalNumber) position() int { return e.at }
func (e literalNull) position() int   { return e.at }
func (e parameter) position() int     { return e.at }
func (e global) position() int        { return e.at }
func (e column) position() int        { return e.at }
func (e unary) position() int         { return e.at }
func (e binary) position() int        { return e.at }
func (e isNull) position() int        { return e.at }
func (e inList) position() int        { return e.at }
func (e between) position() int       { return e.at }
func (e like) position() int          { return e.at }
func (e exists) position() int        { return e.at }
func (e subquery) position() int      { return e.at }
func (e caseOf) position() int        { return e.at }
func (e cast) position() int          { return e.at }
func (e call) position() int          { return e.at }
func (e ready) position() int         { return e.at }
