package duck

import (
	"context"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"freshet.dev/internal/fault"
)

const runQuery = "run a query"

// Insert appends rows to a temporary table of the connection, whose columns have the types. fill sets the row-th row, of all, in each of the columns, at
// their place at; what it does not set is NULL.
func (c *Conn) Insert(ctx context.Context, table string, types []Type, rows int, fill func(row int, columns []*Results, at int) error) error {
	const what = "insert rows"
	return c.do(ctx, what, func() error {
		var appender duckdb.Appender
		defer duckdb.AppenderDestroy(&appender)
		if duckdb.AppenderCreateExt(c.handle, "temp", "main", table, &appender) == duckdb.StateError {
			return c.db.engineError(what, duckdb.AppenderError(appender))
		}
		logical := make([]duckdb.LogicalType, len(types))
		for i, typ := range types {
			logical[i] = typ.logical()
			defer duckdb.DestroyLogicalType(&logical[i])
		}
		for from := 0; from < rows; from += int(duckdb.VectorSize()) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.insertChunk(appender, logical, from, min(rows-from, int(duckdb.VectorSize())), fill); err != nil {
				return err
			}
		}
		if duckdb.AppenderClose(appender) == duckdb.StateError {
			return c.db.engineError(what, duckdb.AppenderError(appender))
		}
		return nil
	})
}

func (c *Conn) insertChunk(appender duckdb.Appender, types []duckdb.LogicalType, from, count int, fill func(row int, columns []*Results, at int) error) error {
	chunk := duckdb.CreateDataChunk(types)
	defer duckdb.DestroyDataChunk(&chunk)
	columns := make([]*Results, len(types))
	for i := range columns {
		v := duckdb.DataChunkGetVector(chunk, duckdb.IdxT(i))
		duckdb.VectorEnsureValidityWritable(v)
		columns[i] = &Results{handle: v, vector: vector{data: duckdb.VectorGetData(v), valid: duckdb.VectorGetValidity(v)}, rows: count}
		columns[i].allNull()
	}
	for at := range count {
		if err := fill(from+at, columns, at); err != nil {
			return err
		}
	}
	duckdb.DataChunkSetSize(chunk, duckdb.IdxT(count))
	if duckdb.AppendDataChunk(appender, chunk) == duckdb.StateError {
		return c.db.engineError("insert rows", duckdb.AppenderError(appender))
	}
	return nil
}

// Check parses and binds one statement without running it.
func (c *Conn) Check(ctx context.Context, sql string) error {
	return c.do(ctx, runQuery, func() error { return c.one(sql, func(duckdb.PreparedStatement) error { return nil }) })
}

// Read runs one SELECT whose columns have the types, and hands over its rows in chunks. It is for small results and for programs without Arrow;
// others take Query.
func (c *Conn) Read(ctx context.Context, sql string, types []Type, each func(*Args) error) error {
	return c.do(ctx, runQuery, func() error {
		return c.one(sql, func(statement duckdb.PreparedStatement) error {
			var pending duckdb.PendingResult
			defer duckdb.DestroyPending(&pending)
			if duckdb.PendingPrepared(statement, &pending) == duckdb.StateError {
				return c.db.engineError(runQuery, duckdb.PendingError(pending))
			}
			var result duckdb.Result
			defer duckdb.DestroyResult(&result)
			if duckdb.ExecutePending(pending, &result) == duckdb.StateError {
				return c.db.engineError(runQuery, duckdb.ResultError(&result))
			}
			if err := expect(&result, types); err != nil {
				return err
			}
			for {
				more, err := readChunk(result, len(types), each)
				if err != nil || !more {
					return err
				}
			}
		})
	})
}

// one hands the only statement of sql to use.
func (c *Conn) one(sql string, use func(duckdb.PreparedStatement) error) error {
	count := 0
	return c.each(sql, runQuery, func(statement duckdb.PreparedStatement) error {
		if count++; count > 1 {
			return fault.New(fault.Invalid, codeSQL, "cannot run a query of several statements")
		}
		return use(statement)
	})
}

// expect refuses a result whose memory has not the shape that Args reads.
func expect(result *duckdb.Result, types []Type) error {
	if int(duckdb.ColumnCount(result)) != len(types) {
		return fault.New(fault.Internal, codeEngine, "cannot read a result of %d columns as one of %d", duckdb.ColumnCount(result), len(types))
	}
	for i, typ := range types {
		got, want := duckdb.ColumnLogicalType(result, duckdb.IdxT(i)), typ.logical()
		same := duckdb.GetTypeId(got) == duckdb.GetTypeId(want) &&
			(typ != Decimal || duckdb.DecimalWidth(got) == duckdb.DecimalWidth(want) && duckdb.DecimalScale(got) == duckdb.DecimalScale(want))
		duckdb.DestroyLogicalType(&got)
		duckdb.DestroyLogicalType(&want)
		if !same {
			return fault.New(fault.Internal, codeEngine, "cannot read column %d of a result as %s", i+1, typ)
		}
	}
	return nil
}

func readChunk(result duckdb.Result, columns int, each func(*Args) error) (more bool, err error) {
	chunk := duckdb.FetchChunk(result)
	if chunk.Ptr == nil {
		return false, nil
	}
	defer duckdb.DestroyDataChunk(&chunk)
	args := Args{rows: int(duckdb.DataChunkGetSize(chunk)), columns: make([]vector, columns)}
	for i := range args.columns {
		v := duckdb.DataChunkGetVector(chunk, duckdb.IdxT(i))
		args.columns[i] = vector{data: duckdb.VectorGetData(v), valid: duckdb.VectorGetValidity(v)}
	}
	return true, each(&args)
}
