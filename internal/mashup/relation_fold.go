package mashup

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cockroachdb/apd/v3"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// errByRows tells that a value has no exact form in SQL: the rows must be evaluated instead.
var errByRows = errors.New("a value has no exact form in SQL")

// openTargets begins the reading in the best way there is: all of it in DuckDB for files, by the source's SQL for a database, else
// by rows.
func (r *Relation) openTargets(ctx context.Context, conn *duck.Conn, picked *step, targets []Target) (*opened, error) {
	r.session.reading.restart()
	if r.session.reading.rowsOnly {
		return r.openRows(ctx, conn, picked, targets)
	}
	f := &folding{ev: r.session.begin(ctx), rules: r.session.reading.rules, items: map[string]*fromItem{}}
	q, err := f.fold(picked)
	if err != nil {
		if !isRefusal(err) {
			return nil, err
		}
		return r.openRows(ctx, conn, picked, targets)
	}
	if err := registerFunctions(ctx, conn); err != nil {
		return nil, err
	}
	if q.database != nil {
		return r.openDatabase(ctx, conn, q, picked, targets)
	}
	return r.openFiles(ctx, conn, f, q, picked, targets)
}

// openFiles reads files in DuckDB.
func (r *Relation) openFiles(ctx context.Context, conn *duck.Conn, f *folding, q *query, picked *step, targets []Target) (*opened, error) {
	converted, ok := toTargets(q, targets, nil)
	if !ok {
		return r.openRows(ctx, conn, picked, targets)
	}
	names := make([]string, len(targets))
	for i, target := range targets {
		names[i] = target.Name
	}
	counted, err := countRowsOf(ctx, conn, converted)
	if err != nil {
		return nil, err
	}
	made := &opened{statement: converted.sql(names), release: func() {}}
	for token, item := range f.items {
		if !strings.Contains(made.statement, token) {
			continue // the same file, read from its first row
		}
		from, _, err := item.scan.DuckDB(ctx, item.skip)
		if err != nil {
			made.release()
			return nil, err
		}
		if from == "" {
			if err := made.showStream(ctx, r.session, conn, token, item); err != nil {
				made.release()
				return nil, err
			}
			continue
		}
		made.statement = strings.ReplaceAll(made.statement, token, from)
		r.session.reading.follow(scanProgress(conn, item.scan, counted))
		counted = nil // each row counts once, whichever file it is of
	}
	return made, nil
}

// showStream gives DuckDB a file as Go reads it.
func (o *opened) showStream(ctx context.Context, session *session, conn *duck.Conn, token string, item *fromItem) error {
	stream, err := item.scan.Read(ctx, item.skip, source.ReadOptions{})
	if err != nil {
		return err
	}
	session.reading.follow(stream.Progress)
	release, err := conn.View(token, stream)
	if err != nil {
		stream.Release()
		return err
	}
	before := o.release
	o.release = func() {
		release()
		stream.Release()
		before()
	}
	return nil
}

// scanProgress is how far DuckDB is with a file. Nothing is known between the statements of a connection, so the furthest counts.
func scanProgress(conn *duck.Conn, scan source.Scan, rows *atomic.Int64) func() Progress {
	var furthest atomic.Int64
	return func() Progress {
		p := scan.Total()
		if percent, _, _ := conn.Progress(); percent > 0 {
			furthest.Store(max(furthest.Load(), int64(percent/100*float64(p.TotalBytes))))
		}
		p.Bytes = furthest.Load()
		if rows != nil {
			p.Rows = rows.Load()
		}
		return p
	}
}

// countRowsOf adds a condition that is always true to a query and counts the rows that come by: DuckDB tells bytes of a file at most.
func countRowsOf(ctx context.Context, conn *duck.Conn, q *query) (*atomic.Int64, error) {
	var leaves []*sqlExpr
	for _, col := range q.cols {
		col.columnsOf(&leaves)
	}
	counted := &atomic.Int64{}
	if len(leaves) == 0 || q.mayFail() || !q.flat() {
		return counted, nil
	}
	name := "freshet_count_" + viewName()
	err := conn.Function(ctx, name, []duck.Type{duck.Bool}, duck.Bool, func(args *duck.Args, results *duck.Results) error {
		for row := range args.Rows() {
			results.SetBool(row, true)
		}
		counted.Add(int64(args.Rows()))
		return nil
	})
	q.where = append(q.where, &sqlExpr{kind: sqlLogical, form: name + "({0} IS NULL)", args: leaves[:1]})
	return counted, err
}

// openDatabase streams the rows of a statement of the database, and converts them in DuckDB.
func (r *Relation) openDatabase(ctx context.Context, conn *duck.Conn, q *query, picked *step, targets []Target) (*opened, error) {
	names := streamNames(len(targets))
	stream, err := q.database.Read(ctx, q.sql(names), source.ReadOptions{})
	if err != nil {
		return nil, err
	}
	over := &query{limit: -1}
	for i, field := range stream.Schema().Fields() {
		e := arrowExpr(field.Type)
		e.column = names[i]
		over.cols = append(over.cols, e)
	}
	converted, ok := toTargets(over, targets, &sqlExpr{kind: sqlInt, column: rowColumn})
	if !ok {
		stream.Release()
		return r.openRows(ctx, conn, picked, targets)
	}
	r.session.reading.follow(stream.Progress)
	return showView(conn, newNumbered(stream, names, targets), func(view string) string {
		converted.from = view
		final := make([]string, len(targets))
		for i, target := range targets {
			final[i] = target.Name
		}
		return converted.sql(final)
	})
}

// streamNames are the columns' names on their way from a database: those of the model could come twice, or be too long for it.
func streamNames(columns int) []string {
	names := make([]string, columns)
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
	}
	return names
}

// rowColumn is the column in which a stream's rows are numbered.
const rowColumn = "row"

// numbered adds the number of the row to the batches of a stream, so that an error can name it.
type numbered struct {
	source.Rows
	titles map[string]string // the targets' names by those of the stream
	schema *arrow.Schema
	batch  arrow.RecordBatch
	row    int64
	refs   atomic.Int64
}

func newNumbered(stream source.Rows, names []string, targets []Target) *numbered {
	titles := map[string]string{}
	for i, name := range names {
		titles[name] = targets[i].Name
	}
	fields := make([]arrow.Field, 0, len(names)+1)
	for i, field := range stream.Schema().Fields() {
		field.Name = names[i]
		fields = append(fields, field)
	}
	fields = append(fields, arrow.Field{Name: rowColumn, Type: arrow.PrimitiveTypes.Int64})
	n := &numbered{Rows: stream, titles: titles, schema: arrow.NewSchema(fields, nil)}
	n.refs.Store(1)
	return n
}

func (n *numbered) Schema() *arrow.Schema          { return n.schema }
func (n *numbered) RecordBatch() arrow.RecordBatch { return n.batch }
func (n *numbered) Record() arrow.RecordBatch      { return n.batch }
func (n *numbered) Retain()                        { n.refs.Add(1) }

// Err names the column of a value that the source cannot give as the model does.
func (n *numbered) Err() error {
	err := n.Rows.Err()
	var known *fault.Error
	if !errors.As(err, &known) || n.titles[known.Where.Column] == "" {
		return err
	}
	titled := *known
	titled.Where.Column = n.titles[known.Where.Column]
	return &titled
}

func (n *numbered) Release() {
	if n.refs.Add(-1) == 0 {
		n.drop()
		n.Rows.Release()
	}
}

func (n *numbered) drop() {
	if n.batch != nil {
		n.batch.Release()
		n.batch = nil
	}
}

func (n *numbered) Next() bool {
	n.drop()
	if !n.Rows.Next() {
		return false
	}
	batch := n.Rows.RecordBatch()
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	defer builder.Release()
	builder.Reserve(int(batch.NumRows()))
	for range batch.NumRows() {
		n.row++
		builder.UnsafeAppend(n.row)
	}
	places := builder.NewInt64Array()
	defer places.Release()
	columns := append(append([]arrow.Array{}, batch.Columns()...), places)
	n.batch = array.NewRecordBatch(n.schema, columns, batch.NumRows())
	return true
}

// toTargets converts the columns of a query in DuckDB to the targets; ok is false where that has no exact form in SQL. row numbers
// the rows; nil where they have no number.
func toTargets(q *query, targets []Target, row *sqlExpr) (*query, bool) {
	if row == nil {
		row, _ = literalExpr(intNumber(0))
	}
	converted, settle := q.copied(), false
	for i, target := range targets {
		e, ok := toTarget(q.cols[i], target, row)
		if !ok {
			return nil, false
		}
		converted.cols[i] = e
		settle = settle || q.cols[i].form != "" && strings.Count(e.form, "{0}") > 1
	}
	if !settle {
		return converted, true
	}
	// A computed cell is looked at more than once: compute it once, below. Every cell is loaded, so an error in any of them counts.
	inner := q.copied()
	names := make([]string, len(targets))
	for i, e := range inner.cols {
		names[i] = "v" + strconv.Itoa(i)
		if e.kind == sqlText && targets[i].Type != StringTarget {
			inner.cols[i] = converted.cols[i].args[0]
			e = inner.cols[i]
		}
		leaf := *e
		leaf.column, leaf.form, leaf.args, leaf.value = names[i], "", nil, nil
		to, ok := toTarget(&leaf, targets[i], row)
		if !ok {
			return nil, false
		}
		converted.cols[i] = to
	}
	return &query{from: "(" + inner.sql(names) + ") AS " + duck.Ident("v"), cols: converted.cols, limit: -1}, true
}

func toTarget(e *sqlExpr, target Target, row *sqlExpr) (*sqlExpr, bool) {
	name, _ := literalExpr(text(target.Name))
	to, _ := literalExpr(intNumber(int64(target.Type)))
	made := func(form string) (*sqlExpr, bool) {
		misfit := &sqlExpr{form: "freshet_misfit(CAST({0} AS VARCHAR), {1}, {2}, {3})", args: []*sqlExpr{e, name, to, row}}
		return &sqlExpr{form: form, args: []*sqlExpr{e, misfit}}, true
	}
	if e.kind == sqlNull {
		return made("CAST(NULL AS " + target.Type.duckType() + ")")
	}
	if e.kind == sqlText && target.Type != StringTarget {
		typ := map[TargetType]*typeValue{Int64Target: named(kindNumber, "Int64.Type"), DoubleTarget: simple(kindNumber), DateTimeTarget: simple(kindDateTime),
			BooleanTarget: simple(kindLogical)}[target.Type]
		if typ == nil || e.raises || e.column == "" {
			return nil, false
		}
		converted, err := convertText(e, target.Name, converterName(typ), "en-US", errByRows)
		if err != nil || target.Type == Int64Target {
			return nil, false // Int64.From rounds, which a load must not
		}
		e = converted
	}
	switch target.Type {
	case StringTarget:
		if e.kind == sqlText {
			return e, true
		}
	case Int64Target:
		switch e.kind {
		case sqlInt:
			return made("CAST({0} AS BIGINT)")
		case sqlDouble:
			return made("CASE WHEN {0} IS NULL OR isfinite({0}) AND {0} = trunc({0}) AND {0} >= -9223372036854775808 AND {0} < 9223372036854775808 " +
				"THEN CAST({0} AS BIGINT) ELSE CAST({1} AS BIGINT) END")
		case sqlDecimal:
			if e.precision-e.scale <= 18 {
				return made("CASE WHEN {0} IS NULL OR {0} = trunc({0}) THEN CAST({0} AS BIGINT) ELSE CAST({1} AS BIGINT) END")
			}
		}
	case DoubleTarget:
		switch e.kind {
		case sqlInt, sqlDouble:
			return made("CAST({0} AS DOUBLE)")
		case sqlDecimal:
			// Written and read back: a cast divides, which rounds twice for more than 15 digits.
			return made("CAST(CAST({0} AS VARCHAR) AS DOUBLE)")
		}
	case DecimalTarget:
		switch e.kind {
		case sqlInt:
			return made("CASE WHEN {0} IS NULL OR {0} BETWEEN -922337203685477 AND 922337203685477 THEN CAST({0} AS DECIMAL(19,4)) ELSE CAST({1} AS DECIMAL(19,4)) END")
		case sqlDouble:
			return made("CASE WHEN {0} IS NULL OR isfinite({0}) AND abs(round({0} * 10000)) < 9223372036854775807 " +
				"THEN CAST(CAST(CAST(round({0} * 10000) AS BIGINT) AS DECIMAL(19,0)) * CAST(0.0001 AS DECIMAL(4,4)) AS DECIMAL(19,4)) ELSE CAST({1} AS DECIMAL(19,4)) END")
		case sqlDecimal:
			switch {
			case e.fits, e.scale <= 4 && e.precision-e.scale < 15:
				return made("CAST({0} AS DECIMAL(19,4))")
			case e.scale == 4: // sums of decimals
				return made("CASE WHEN {0} IS NULL OR abs({0}) <= 922337203685477.5807 THEN CAST({0} AS DECIMAL(19,4)) ELSE CAST({1} AS DECIMAL(19,4)) END")
			case e.precision <= 34:
				return made("CASE WHEN {0} IS NULL OR abs({0}) < 922337203685477.58075 THEN CAST({0} AS DECIMAL(19,4)) ELSE CAST({1} AS DECIMAL(19,4)) END")
			}
		}
	case DateTimeTarget:
		if e.kind == sqlDate || e.kind == sqlDateTime {
			first, last := "TIMESTAMP '0100-01-01 00:00:00'", "TIMESTAMP '9999-12-31 23:59:59.999999'"
			if e.kind == sqlDate {
				first, last = "DATE '0100-01-01'", "DATE '9999-12-31'"
			}
			return made("CASE WHEN {0} BETWEEN " + first + " AND " + last + " THEN CAST({0} AS TIMESTAMP) WHEN {0} IS NULL THEN NULL ELSE CAST({1} AS TIMESTAMP) END")
		}
	case BooleanTarget:
		if e.kind == sqlLogical {
			return made("{0}")
		}
	case BinaryTarget:
		if e.kind == sqlBinary {
			return e, true
		}
	}
	return nil, false
}

// duckType is DuckDB's name of a target's type.
func (t TargetType) duckType() string {
	return [...]string{"VARCHAR", "BIGINT", "DOUBLE", "DECIMAL(19,4)", "TIMESTAMP", "BOOLEAN", "BLOB"}[t]
}

// registerFunctions makes the conversions of the language callable in SQL.
func registerFunctions(ctx context.Context, conn *duck.Conn) error {
	three := []duck.Type{duck.Text, duck.Text, duck.Text}
	for _, f := range []struct {
		from   string
		typ    *typeValue
		result duck.Type
		plain  plainCell
		set    func(results *duck.Results, row int, v Value) error
	}{
		{"Int64.From", named(kindNumber, "Int64.Type"), duck.Int64, plainInt, setInt64},
		{"Number.From", simple(kindNumber), duck.Double, plainDouble, setDouble},
		{"Double.From", named(kindNumber, "Double.Type"), duck.Double, plainDouble, setDouble},
		{"Currency.From", named(kindNumber, "Currency.Type"), duck.Decimal, plainMoney, setDecimal},
		{"Logical.From", simple(kindLogical), duck.Bool, plainLogical, setBool},
		{"Date.From", simple(kindDate), duck.Timestamp, plainDate, setTime},
		{"DateTime.From", simple(kindDateTime), duck.Timestamp, plainDateTime, setTime},
	} {
		if err := conn.Function(ctx, convertFunction(f.from), three, f.result, cellConversion(f.typ, f.plain, f.set)); err != nil {
			return err
		}
	}
	return conn.Function(ctx, "freshet_misfit", []duck.Type{duck.Text, duck.Text, duck.Int64, duck.Int64}, duck.Text, misfitFunction)
}

// cellConversion is the library's conversion as a function of SQL: of a cell, its column and the culture, which are the same for all cells.
// Each chunk has an evaluation of its own, because chunks run on several threads.
func cellConversion(typ *typeValue, plain plainCell, set func(results *duck.Results, row int, v Value) error) duck.Func {
	return func(args *duck.Args, results *duck.Results) error {
		if args.Rows() == 0 {
			return nil
		}
		culture := args.Text(2, 0)
		mark := decimalMark(culture)
		var ev *evaluation
		var convert *converter
		for row := range args.Rows() {
			if args.Null(0, row) {
				continue
			}
			cell := args.Text(0, row)
			if cell == "" || plain(results, row, cell, mark) {
				continue // an empty cell is null
			}
			if ev == nil {
				var err error
				ev = newSession(&Document{}, &Env{}, nil).begin(context.Background())
				if convert, err = newConverter(ev, typ, strings.Clone(culture)); err != nil {
					return err
				}
			}
			v, err := convert.convert(ev, text(strings.Clone(cell)))
			if err != nil {
				return cellError(Target{Name: strings.Clone(args.Text(1, row))}, err)
			}
			if v == Value(null) {
				continue
			}
			if err := set(results, row, v); err != nil {
				return err
			}
		}
		return nil
	}
}

func setInt64(results *duck.Results, row int, v Value) error {
	i, ok := v.(number).int()
	if !ok {
		return errByRows
	}
	results.SetInt64(row, i)
	return nil
}

func setDouble(results *duck.Results, row int, v Value) error {
	n := v.(number)
	f := n.float()
	if n.rep == repInt && (n.bits > 1<<53 || n.bits < -1<<53) || n.rep == repDecimal {
		return errByRows
	}
	results.SetDouble(row, f)
	return nil
}

func setDecimal(results *duck.Results, row int, v Value) error {
	n := v.(number)
	scaled, why := fixedOf(n)
	if why != "" {
		return errByRows
	}
	if n.rep == repDecimal {
		back := apd.New(scaled, -4)
		if back.Cmp(n.dec) != 0 {
			return errByRows
		}
	}
	results.SetDecimal(row, scaled)
	return nil
}

func setBool(results *duck.Results, row int, v Value) error {
	results.SetBool(row, bool(v.(logical)))
	return nil
}

func setTime(results *duck.Results, row int, v Value) error {
	ticks, ok := ticksOf(v)
	if !ok || ticks%10 != 0 {
		return errByRows
	}
	results.SetTime(row, time.UnixMicro(microsOf(ticks)).UTC())
	return nil
}

// misfitFunction fails: it is called with a value that does not fit, its column, the target's type and the row, 0 where unknown.
func misfitFunction(args *duck.Args, _ *duck.Results) error {
	if args.Rows() == 0 {
		return nil
	}
	target, value := TargetType(args.Int64(2, 0)), "null"
	if !args.Null(0, 0) {
		value = strings.Clone(args.Text(0, 0))
	}
	why := "it is outside the type's range"
	if target == DateTimeTarget {
		why = "dates before the year 100 and after 9999 are not supported"
	} else if n, err := strconv.ParseFloat(value, 64); err == nil && target == Int64Target {
		if _, whole := wholeOf(floatNumber(n)); whole != "" {
			why = whole
		}
	}
	return locatedAt(misfit(target, value, why), strings.Clone(args.Text(1, 0)), args.Int64(3, 0))
}
