package crash

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/refresh"
)

// The faults, the modes and the tries.
const (
	errorReturned = "error"
	killed        = "kill"
	staleOwner    = "stale"

	transactional = "transactional"
	partialBatch  = "partialBatch"
	allOrNothing  = "allOrNothing" // a chain of dataflows that is committed as a whole
	commitEach    = "commitEach"   // and one of which each is committed by itself

	first   = "first" // the fault meets the first attempt
	retried = "retry" // the fault meets an attempt after a failed one
)

// run is one case of the suite. Everything in it follows from these five.
type run struct {
	Point string
	Fault string
	Mode  string
	Try   string
	Seed  uint64
}

// name is the path of the case's test.
func (r run) name() string {
	return fmt.Sprintf("%s/%s/%s/%s/seed=%d", strings.ReplaceAll(strings.ReplaceAll(r.Point, ", ", "_"), " ", "_"), r.Fault, r.Mode, r.Try, r.Seed)
}

// object is a partition of a table, of a dataflow where Item names one.
type object struct{ Item, Table, Partition string }

// shape is what a run's seed chooses, and what its point needs.
type shape struct {
	objects    []object
	scope      []object // what is refreshed
	broken     []object // of the scope: what cannot be read in the first failing attempts
	failing    int
	retryCount int
	armed      int // the fault is made after so many backoffs
	nth        int // and when its point is reached for so many times then
	parallel   int
	standard   bool   // two standard refreshes, the second one queued
	ledger     bool   // a partition of a database that refuses connections is in scope
	wake       string // stale: the write of the second owner after which the first wakes
	heartbeat  time.Duration
	again      bool // kill: the process that goes on is killed too
	moves      bool // a dataflow that is read is refreshed meanwhile
	folding    bool // dataflows are written as CDM folders
}

func (r run) random(purpose string) *rand.Rand {
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s %s %s %s %s", r.Point, r.Fault, r.Mode, r.Try, purpose)
	return rand.New(rand.NewPCG(r.Seed, hash.Sum64()))
}

func (r run) shape() shape {
	random := r.random("shape")
	p, _ := pointNamed(r.Point)
	s := shape{nth: 1, parallel: 1 + random.IntN(4), wake: "claim", heartbeat: 10 * time.Second}
	for t := range 2 + random.IntN(2) {
		for n := range 2 + random.IntN(2) {
			s.objects = append(s.objects, object{"", "T" + strconv.Itoa(t+1), "P" + strconv.Itoa(n+1)})
		}
	}
	s.scope = slices.Clone(s.objects)
	if random.IntN(2) == 0 && p.way != onPromotion {
		random.Shuffle(len(s.scope), func(i, j int) { s.scope[i], s.scope[j] = s.scope[j], s.scope[i] })
		s.scope = s.scope[:2+random.IntN(len(s.scope)-2)]
	}
	if r.Try == retried {
		s.armed, s.failing = 1, 1
	}
	switch p.way {
	case onTheWay, onPause:
		s.retryCount = s.failing + random.IntN(2)
		if p.step == 6 || p.step == 7 {
			s.nth = 1 + random.IntN(2)
		}
	case onFailure:
		s.failing++
		s.retryCount = s.failing
	case onTheEnd:
		s.failing++
		s.retryCount = s.failing - 1
		s.ledger = true
	case onPromotion:
		s.standard = true
	}
	if s.failing > 0 {
		s.broken = s.scope[:2]
	}
	s.wake = []string{"claim", "step running", "commit"}[random.IntN(3)]
	if p.inTransaction() {
		s.wake = "claim"
	}
	if strings.HasPrefix(r.Point, "heartbeat") || random.IntN(2) == 0 {
		s.heartbeat = time.Millisecond
	}
	s.again = random.IntN(3) == 0
	if r.chains() {
		s.ofChain(random, p)
	}
	return s
}

// ofChain makes the shape that of a chain.
func (s *shape) ofChain(random *rand.Rand, p point) {
	s.objects, s.scope, s.ledger = flowObjects(), nil, false
	s.moves = p.way == onPin
	s.folding = p.way == onFolder || random.IntN(4) == 0
	s.retryCount++ // one attempt more than those that are to fail
	if p.way == onTheEnd {
		s.retryCount = s.failing - 1
	}
	one := random.IntN(len(chained))
	if p.way == onPin { // its readers are yet to come
		one = 0
	}
	s.broken = nil
	if s.failing > 0 {
		s.nth = 1
		s.broken = []object{{chained[one], sourced[chained[one]], cdm.FullPartition}}
	} else if p.step >= 2 && p.step <= 11 && p.way == onTheWay { // of which dataflow
		s.nth = 1 + random.IntN(len(chained))
	}
	if s.wake == "commit" {
		s.wake = "claim"
	}
}

// params are those of the refresh that meets the fault.
func (s shape) params(mode string) refresh.Params {
	if s.standard {
		return refresh.Params{}
	}
	if mode == allOrNothing || mode == commitEach {
		mode = transactional
	}
	kind, parallel, retries := "full", int64(s.parallel), int64(s.retryCount)
	params := refresh.Params{Type: &kind, CommitMode: &mode, MaxParallelism: &parallel, RetryCount: &retries}
	for _, o := range s.scope { // none of dataflows, of which all is refreshed
		params.Objects = append(params.Objects, refresh.Object{Table: o.Table, Partition: o.Partition})
	}
	if s.ledger {
		params.Objects = append(params.Objects, refresh.Object{Table: "Ledger"})
	}
	return params
}

// rowsOf are the rows of a partition in a generation, as they stand in its file.
func (r run) rowsOf(o object, generation int) [][]string {
	random := r.random(fmt.Sprint("rows of ", o, generation))
	rows := make([][]string, 1+random.IntN(60))
	for i := range rows {
		note := []string{"plain", `with "quotes"`, "with, a comma", "two\nlines", "äöü – ∑"}[random.IntN(5)]
		rows[i] = []string{strconv.Itoa(random.IntN(1000)), strconv.Itoa(generation), fmt.Sprintf("%d.%03d%d", random.IntN(100000), random.IntN(1000), 1+random.IntN(9)), note}
	}
	return rows
}

func fileOf(dir string, o object) string {
	return filepath.Join(dir, o.Item+o.Table+"-"+o.Partition+".csv")
}

// writeRows writes a partition's file. It is there whole or not at all.
func (r run) writeRows(dir string, o object, generation int) error {
	var text strings.Builder
	w := csv.NewWriter(&text)
	if err := w.WriteAll(append([][]string{{"Id", "Generation", "Amount", "Note"}}, r.rowsOf(o, generation)...)); err != nil {
		return err
	}
	return replaceFile(fileOf(dir, o), text.String())
}

func breakRows(dir string, o object) error {
	return replaceFile(fileOf(dir, o), "Id,Generation,Amount,Note\nnot a number,2,1.0000,broken\n")
}

func replaceFile(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// recount is what a partition must hold: counted from its file by nothing of Freshet.
func recount(dir string, o object) (string, error) {
	file, err := os.Open(fileOf(dir, o))
	if err != nil {
		return "", err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return "", err
	}
	return digest(rows[1:]), nil
}

// digest is a checksum of rows in their order.
func digest(rows [][]string) string {
	hash := sha256.New()
	for _, row := range rows {
		fmt.Fprintf(hash, "%q\n", row)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// definition is the model of a run, as it is deployed.
func (s shape) definition(dir string) ([]byte, error) {
	type node = map[string]any
	columns := []node{
		{"name": "Id", "dataType": "int64", "sourceColumn": "Id"}, {"name": "Generation", "dataType": "int64", "sourceColumn": "Generation"},
		{"name": "Amount", "dataType": "decimal", "sourceColumn": "Amount"}, {"name": "Note", "dataType": "string", "sourceColumn": "Note"},
	}
	partition := func(name, expression string) node {
		return node{"name": name, "mode": "import", "source": node{"type": "m", "expression": expression}}
	}
	partitions := map[string][]node{}
	var names []string
	for _, o := range s.objects {
		if partitions[o.Table] == nil {
			names = append(names, o.Table)
		}
		partitions[o.Table] = append(partitions[o.Table], partition(o.Partition, fmt.Sprintf(`let
    Source = Csv.Document(File.Contents(%q), [Delimiter=",", Encoding=65001, QuoteStyle=QuoteStyle.Csv]),
    Promoted = Table.PromoteHeaders(Source, [PromoteAllScalars=true]),
    Typed = Table.TransformColumnTypes(Promoted, {{"Id", Int64.Type}, {"Generation", Int64.Type}, {"Amount", Currency.Type}, {"Note", type text}}, "en-US")
in
    Typed`, fileOf(dir, o))))
	}
	var tables []node
	for _, name := range names {
		tables = append(tables, node{"name": name, "columns": columns, "partitions": partitions[name]})
	}
	if s.ledger {
		tables = append(tables, node{"name": "Ledger", "columns": columns,
			"partitions": []node{partition("Ledger", `PostgreSQL.Database("127.0.0.1:1", "ledger"){[Schema="public", Item="ledger"]}[Data]`)}})
	}
	return json.Marshal(node{"name": "Faulty", "compatibilityLevel": 1567, "model": node{"culture": "en-US", "tables": tables}})
}
