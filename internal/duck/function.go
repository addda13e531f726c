package duck

/*
#include <stdint.h>
#include <stdlib.h>
void freshetCallFunction(void *info, void *chunk, void *result);
void freshetForgetFunction(void *handle);
void freshetBindFunction(void *info);
void *freshetCopyBinding(void *binding);
void freshetFreeBinding(void *binding);
*/
import "C"

import (
	"context"
	"fmt"
	"runtime/cgo"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"freshet.dev/internal/fault"
)

// Type is the type of an argument or a result of a function, and of a column of a table.
type Type uint8

// The types. They are those of a model's columns.
const (
	Text      Type = iota + 1 // VARCHAR
	Int64                     // BIGINT
	Double                    // DOUBLE
	Decimal                   // DECIMAL(19,4)
	Timestamp                 // TIMESTAMP
	Bool                      // BOOLEAN
	Binary                    // BLOB
)

// String returns DuckDB's name of the type.
func (t Type) String() string {
	names := [...]string{"", "VARCHAR", "BIGINT", "DOUBLE", "DECIMAL(19,4)", "TIMESTAMP", "BOOLEAN", "BLOB"}
	if int(t) < len(names) {
		return names[t]
	}
	return "UNKNOWN"
}

func (t Type) logical() duckdb.LogicalType {
	switch t {
	case Text:
		return duckdb.CreateLogicalType(duckdb.TypeVarchar)
	case Int64:
		return duckdb.CreateLogicalType(duckdb.TypeBigInt)
	case Double:
		return duckdb.CreateLogicalType(duckdb.TypeDouble)
	case Decimal:
		return duckdb.CreateDecimalType(19, 4)
	case Timestamp:
		return duckdb.CreateLogicalType(duckdb.TypeTimestamp)
	case Bool:
		return duckdb.CreateLogicalType(duckdb.TypeBoolean)
	default:
		return duckdb.CreateLogicalType(duckdb.TypeBlob)
	}
}

// Func computes a function for the rows of a chunk: it calls one Set for every row, or leaves the row NULL. It is called from several threads at once, and
// with NULLs too. Its error ends the statement and comes back from it as it is.
type Func func(args *Args, results *Results) error

// Function makes f callable in SQL, for every connection of the instance. A name keeps the first function that it was given: give
// the same name only to functions that compute the same.
func (db *DB) Function(ctx context.Context, name string, args []Type, result Type, f Func) error {
	key := strings.ToLower(name)
	db.mu.Lock()
	known := db.functions[key]
	db.mu.Unlock()
	if known == nil {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		known = &function{db: db, name: name, args: slices.Clone(args), result: result, call: f}
		err = conn.do(ctx, "register the function "+name, func() error { return known.register(conn) })
		return firstError(err, conn.Close())
	}
	if known.result != result || !slices.Equal(known.args, args) {
		return fault.New(fault.Internal, codeEngine, "cannot register the function %s with other types", name)
	}
	return nil
}

type function struct {
	db     *DB
	name   string
	args   []Type
	result Type
	call   Func
}

func (f *function) register(conn *Conn) error {
	f.db.mu.Lock()
	defer f.db.mu.Unlock()
	key := strings.ToLower(f.name)
	if f.db.functions[key] != nil {
		return nil // another goroutine was faster
	}
	scalar := duckdb.CreateScalarFunction()
	defer duckdb.DestroyScalarFunction(&scalar)
	duckdb.ScalarFunctionSetName(scalar, f.name)
	for _, arg := range f.args {
		logical := arg.logical()
		duckdb.ScalarFunctionAddParameter(scalar, logical)
		duckdb.DestroyLogicalType(&logical)
	}
	logical := f.result.logical()
	duckdb.ScalarFunctionSetReturnType(scalar, logical)
	duckdb.DestroyLogicalType(&logical)
	duckdb.ScalarFunctionSetSpecialHandling(scalar)
	duckdb.ScalarFunctionSetBind(scalar, unsafe.Pointer(C.freshetBindFunction))
	duckdb.ScalarFunctionSetFunction(scalar, unsafe.Pointer(C.freshetCallFunction))
	duckdb.ScalarFunctionSetExtraInfo(scalar, keepHandle(f), unsafe.Pointer(C.freshetForgetFunction))
	if duckdb.RegisterScalarFunction(conn.handle, scalar) == duckdb.StateError {
		return fault.New(fault.Internal, codeEngine, "cannot register the function %s: DuckDB refuses it", f.name)
	}
	f.db.functions[key] = f
	return nil
}

// keepHandle puts a handle of f where DuckDB can point to it.
func keepHandle(f *function) unsafe.Pointer {
	place := C.malloc(C.sizeof_uintptr_t)
	*(*C.uintptr_t)(place) = C.uintptr_t(cgo.NewHandle(f))
	return place
}

func handleAt(place unsafe.Pointer) cgo.Handle { return cgo.Handle(*(*C.uintptr_t)(place)) }

//export freshetForgetFunction
func freshetForgetFunction(place unsafe.Pointer) {
	handleAt(place).Delete()
	C.free(place)
}

// freshetBindFunction remembers which connection a call of a function belongs to.
//
//export freshetBindFunction
func freshetBindFunction(infoPointer unsafe.Pointer) {
	info := duckdb.BindInfo{Ptr: infoPointer}
	var client duckdb.ClientContext
	duckdb.ScalarFunctionGetClientContext(info, &client)
	binding := C.malloc(C.sizeof_uint64_t)
	*(*uint64)(binding) = uint64(duckdb.ClientContextGetConnectionId(client))
	duckdb.DestroyClientContext(&client)
	duckdb.ScalarFunctionSetBindData(info, binding, unsafe.Pointer(C.freshetFreeBinding))
	duckdb.ScalarFunctionSetBindDataCopy(info, unsafe.Pointer(C.freshetCopyBinding))
}

//export freshetCopyBinding
func freshetCopyBinding(binding unsafe.Pointer) unsafe.Pointer {
	twin := C.malloc(C.sizeof_uint64_t)
	*(*uint64)(twin) = *(*uint64)(binding)
	return twin
}

//export freshetFreeBinding
func freshetFreeBinding(binding unsafe.Pointer) { C.free(binding) }

//export freshetCallFunction
func freshetCallFunction(infoPointer, chunkPointer, resultPointer unsafe.Pointer) {
	info := duckdb.FunctionInfo{Ptr: infoPointer}
	f := handleAt(duckdb.ScalarFunctionGetExtraInfo(info)).Value().(*function)
	if err := f.run(duckdb.DataChunk{Ptr: chunkPointer}, duckdb.Vector{Ptr: resultPointer}); err != nil {
		f.db.failed(*(*uint64)(duckdb.ScalarFunctionGetBindData(info)), err)
		duckdb.ScalarFunctionSetError(info, f.db.errors.note(err))
	}
}

func (f *function) run(chunk duckdb.DataChunk, result duckdb.Vector) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, codeEngine, "cannot compute %s: the function panicked: %v\n%s", f.name, p, debug.Stack())
		}
	}()
	rows := int(duckdb.DataChunkGetSize(chunk))
	args := Args{rows: rows, columns: make([]vector, len(f.args))}
	for i := range args.columns {
		v := duckdb.DataChunkGetVector(chunk, duckdb.IdxT(i))
		args.columns[i] = vector{data: duckdb.VectorGetData(v), valid: duckdb.VectorGetValidity(v)}
	}
	duckdb.VectorEnsureValidityWritable(result)
	results := Results{handle: result, vector: vector{data: duckdb.VectorGetData(result), valid: duckdb.VectorGetValidity(result)}, rows: rows}
	results.allNull()
	return f.call(&args, &results)
}

// vector is the memory of a flat vector: values, and a bit a row that says whether it is not NULL.
type vector struct{ data, valid unsafe.Pointer }

func at[T any](v vector, row int) *T {
	var value T
	return (*T)(unsafe.Add(v.data, uintptr(row)*unsafe.Sizeof(value)))
}

// Args are the arguments of a function for the rows of a chunk.
type Args struct {
	rows    int
	columns []vector
}

// Rows is the number of rows, at most 2048.
func (a *Args) Rows() int { return a.rows }

// Null tells whether an argument is NULL; its value must not be asked for then.
func (a *Args) Null(arg, row int) bool {
	valid := a.columns[arg].valid
	if valid == nil {
		return false
	}
	word := *(*uint64)(unsafe.Add(valid, uintptr(row/64)*8))
	return word&(1<<(row%64)) == 0
}

// Text returns the value of a Text argument. It must not be kept after the call, only copies of it.
func (a *Args) Text(arg, row int) string {
	b := a.Bytes(arg, row)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Bytes returns the value of a Text or Binary argument. It must be neither changed nor kept after the call.
func (a *Args) Bytes(arg, row int) []byte {
	// DuckDB's string: 4 bytes length, then up to 12 bytes of content or 4 of its beginning and a pointer.
	s := at[[16]byte](a.columns[arg], row)
	length := *(*uint32)(unsafe.Pointer(s))
	if length <= 12 {
		return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(s), 4)), length)
	}
	return unsafe.Slice(*(**byte)(unsafe.Add(unsafe.Pointer(s), 8)), length)
}

// Int64 returns the value of an Int64 argument.
func (a *Args) Int64(arg, row int) int64 { return *at[int64](a.columns[arg], row) }

// Double returns the value of a Double argument.
func (a *Args) Double(arg, row int) float64 { return *at[float64](a.columns[arg], row) }

// Bool returns the value of a Bool argument.
func (a *Args) Bool(arg, row int) bool { return *at[bool](a.columns[arg], row) }

// Decimal returns the value of a Decimal argument times 10000.
func (a *Args) Decimal(arg, row int) int64 { return at[hugeInt](a.columns[arg], row).low }

// Time returns the value of a Timestamp argument, in UTC.
func (a *Args) Time(arg, row int) time.Time {
	return time.UnixMicro(*at[int64](a.columns[arg], row)).UTC()
}

// hugeInt is a number of 128 bits in two's complement.
type hugeInt struct{ low, high int64 }

// Results takes the results of a function for the rows of a chunk. A row that is not set is NULL.
type Results struct {
	handle duckdb.Vector
	vector vector
	rows   int
}

func (r *Results) allNull() {
	clear(unsafe.Slice((*uint64)(r.vector.valid), (r.rows+63)/64))
}

func (r *Results) set(row int) {
	word := (*uint64)(unsafe.Add(r.vector.valid, uintptr(row/64)*8))
	*word |= 1 << (row % 64)
}

// SetNull makes the result of a row NULL again.
func (r *Results) SetNull(row int) {
	word := (*uint64)(unsafe.Add(r.vector.valid, uintptr(row/64)*8))
	*word &^= 1 << (row % 64)
}

// SetText sets the result of a function of type Text; what is not valid UTF-8 is refused.
func (r *Results) SetText(row int, value string) error {
	if !utf8.ValidString(value) {
		return fault.New(fault.Invalid, codeValue, "cannot use text that is not valid UTF-8: %s", fmt.Sprintf("%q", value))
	}
	r.SetBytes(row, unsafe.Slice(unsafe.StringData(value), len(value)))
	return nil
}

// SetBytes sets the result of a function of type Binary.
func (r *Results) SetBytes(row int, value []byte) {
	r.set(row)
	if len(value) <= 12 {
		s := at[[16]byte](r.vector, row)
		*s = [16]byte{}
		*(*uint32)(unsafe.Pointer(s)) = uint32(len(value))
		copy(s[4:], value)
		return
	}
	duckdb.UnsafeVectorAssignStringElementLen(r.handle, duckdb.IdxT(row), value)
}

// SetInt64 sets the result of a function of type Int64.
func (r *Results) SetInt64(row int, value int64) { r.set(row); *at[int64](r.vector, row) = value }

// SetDouble sets the result of a function of type Double.
func (r *Results) SetDouble(row int, value float64) { r.set(row); *at[float64](r.vector, row) = value }

// SetBool sets the result of a function of type Bool.
func (r *Results) SetBool(row int, value bool) { r.set(row); *at[bool](r.vector, row) = value }

// SetDecimal sets the result of a function of type Decimal: the value times 10000.
func (r *Results) SetDecimal(row int, value int64) {
	r.set(row)
	*at[hugeInt](r.vector, row) = hugeInt{low: value, high: value >> 63}
}

// SetTime sets the result of a function of type Timestamp: its date and time of day, without its zone, to the microsecond.
func (r *Results) SetTime(row int, value time.Time) {
	r.set(row)
	_, offset := value.Zone()
	*at[int64](r.vector, row) = value.Add(time.Duration(offset) * time.Second).UnixMicro()
}

// Function is the Function of the connection's instance.
func (c *Conn) Function(ctx context.Context, name string, args []Type, result Type, f Func) error {
	return c.db.Function(ctx, name, args, result, f)
}
