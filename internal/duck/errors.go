package duck

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"freshet.dev/internal/fault"
)

// The codes of the engine.
const (
	// Unavailable or Invalid or Failure: a load or a query needs more memory than it was granted, and could not spill. Of a load the text tells what it
	// had and what its limit was.
	// Do: give the capacity more memory, let fewer partitions load at once (maxParallelism), or split the partition.
	CodeMemory = "OutOfMemory"

	// Invalid: a value cannot be converted to the type that the statement asks for.
	// Do: correct the value at its source, or the type.
	codeValue = "InvalidValue"

	// Invalid: the SQL is no single statement that can be run; the text says why.
	// Do: correct the statement.
	codeSQL = "InvalidSQL"

	// Invalid or Denied: a query is more than one SELECT over the model's tables.
	// Do: ask for rows of the model's tables and nothing else.
	codeRefused = "QueryRefused"

	// NotFound: a file was deleted while it was being read.
	// Do: see what removes files under the refresh, and refresh again.
	codeFile = "FileNotFound"

	// Internal: a defect in how DuckDB is used, or in DuckDB.
	// Do: report it with the text.
	codeEngine = "EngineFailed"
)

// SpillHint is what to do when rows cannot be left on the disk for want of space. It has no full stop.
const SpillHint = "Free space on the disk of the folder to spill to (spill in the configuration; left out, the folder temp of the data directory), lower minFreeDisk, " +
	"or let fewer partitions load at once (maxParallelism)"

// Error is DuckDB's own account of a failure. It is inside the fault.Error that a call returns, for who must read more out of it.
type Error struct {
	Class string // "Conversion", "Binder", "Out of Memory" …; empty when DuckDB named none
	Text  string // without the class
}

func (e *Error) Error() string { return e.Text }

// shortPattern finds the sizes in what DuckDB says when memory runs out: "of size 8.0 MiB (190.7 MiB/192.0 MiB used)".
var shortPattern = regexp.MustCompile(`of size ([0-9.]+) (\w+) \(([0-9.]+) (\w+)/`)

// Needed is how much memory, in bytes, would have been in use had there been enough; 0 when DuckDB does not say.
func (e *Error) Needed() int64 {
	units := map[string]float64{"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
	match := shortPattern.FindStringSubmatch(e.Text)
	if match == nil {
		return 0
	}
	asked, err1 := strconv.ParseFloat(match[1], 64)
	used, err2 := strconv.ParseFloat(match[3], 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return int64(asked*units[match[2]] + used*units[match[4]])
}

const interrupted = "INTERRUPT"

var (
	classPattern = regexp.MustCompile(`^([A-Z][A-Za-z ]*?)(?: Error|Exception)?: `)
	// What DuckDB tells its own users after the cause: the place in SQL that we wrote, settings that ours cannot reach, addresses of its pages, its stack.
	noisePattern = regexp.MustCompile(`(?s)\n+\s*(LINE \d+:|Stack Trace:|This error signals an assertion failure|Database is launched in in-memory mode|Possible solutions:|This limit was set by the 'max_temp_directory_size'|See also https|Candidate functions:).*$`)
)

// engineError makes a fault of what DuckDB says.
func engineError(what, message string) *fault.Error {
	message = strings.TrimSpace(noisePattern.ReplaceAllString(message, ""))
	engine := &Error{Text: message}
	if match := classPattern.FindStringSubmatch(message); match != nil {
		engine.Class, engine.Text = match[1], message[len(match[0]):]
	}
	kind, code, hint := classify(engine)
	return &fault.Error{Kind: kind, Code: code, Message: fmt.Sprintf("cannot %s: %s", what, engine.Text), Hint: hint, Err: engine}
}

func classify(e *Error) (kind fault.Kind, code, hint string) {
	switch e.Class {
	case "Out of Memory":
		if strings.Contains(e.Text, "failed to offload data block") {
			return fault.Unavailable, fault.CodeDiskFull, SpillHint + "."
		}
		return fault.Unavailable, CodeMemory, "Give the capacity more memory, or let fewer partitions load at once (maxParallelism)."
	case "IO", "HTTP", "Network", "Connection":
		switch {
		case strings.Contains(e.Text, "No space left") && strings.Contains(e.Text, "duckdb_temp"):
			return fault.Unavailable, fault.CodeDiskFull, SpillHint + "."
		case strings.Contains(e.Text, "No space left"):
			return fault.Unavailable, fault.CodeDiskFull, "Free space on the disk of that file, or let fewer partitions load at once (maxParallelism)."
		case strings.Contains(e.Text, "No files found"), strings.Contains(e.Text, "No such file"):
			return fault.NotFound, codeFile, ""
		}
		return fault.Unavailable, fault.CodeStorage, ""
	case "Permission":
		return fault.Denied, codeRefused, ""
	case "Conversion", "Out of Range", "Invalid Input", "Constraint", "Decimal", "Divide by Zero", "Mismatch Type":
		return fault.Invalid, codeValue, ""
	case "Parser", "Syntax", "Binder", "Catalog", "Not implemented", "Expression", "Planner", "Parameter Not Resolved",
		"Parameter Not Allowed", "Invalid type", "Dependency", "Missing Extension", "Extension Autoloading", "Invalid Configuration":
		return fault.Invalid, codeSQL, ""
	default:
		return fault.Internal, codeEngine, ""
	}
}

// engineError is like the function, but prefers the Go error of a function or a reader that the message tells of.
func (db *DB) engineError(what, message string) error {
	if err := db.errors.find(message); err != nil {
		return err
	}
	return engineError(what, message)
}

// errorBook keeps Go errors while DuckDB carries their numbers through its own, which are text.
type errorBook struct {
	mu   sync.Mutex
	last int64
	book [64]error // by number modulo its length: an error that SQL caught with TRY is forgotten some time
}

var errorNumber = regexp.MustCompile(`\[go error (\d+)\]`)

// note returns the text that DuckDB is to carry for err.
func (b *errorBook) note(err error) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	b.book[b.last%int64(len(b.book))] = err
	return fmt.Sprintf("[go error %d] %v", b.last, err)
}

func (b *errorBook) find(message string) error {
	match := errorNumber.FindStringSubmatch(message)
	if match == nil {
		return nil
	}
	number, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if number > b.last || number <= b.last-int64(len(b.book)) {
		return nil
	}
	return b.book[number%int64(len(b.book))]
}
