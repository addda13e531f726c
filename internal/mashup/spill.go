package mashup

import (
	"bytes"
	"cmp"
	enc "encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"syscall"
	"weak"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
)

// What a step cannot hold in memory it sorts in runs on the disk: a table of records of a key and a row, in files that have no name.
// DuckDB could do that too, but not while the statement that waits for these rows has its memory and threads.

const (
	mostRuns  = 64       // that are merged at once
	runBuffer = 64 << 10 // bytes read of a run at once, at most
	placeLen  = 8        // a record's key ends with its place among all, so that no two are equal
	entrySize = 24
)

// spillFile is a file without a name: it is gone when it is closed, however the process ends.
type spillFile struct {
	file *os.File
	of   *spills
	size int64
}

// spills are the files of an evaluation, which its end closes.
type spills struct {
	dir  string
	room func() int64 // Env.DiskRoom

	mu     sync.Mutex
	paid   int64                     // bytes that may be written before room is asked again
	files  []weak.Pointer[spillFile] // one that is forgotten closes itself
	closed bool
}

// roomStep is how much is written between two looks at the room on the disk.
const roomStep = 8 << 20

// pay tells whether there is room for more bytes.
func (s *spills) pay(bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paid -= bytes; s.paid >= 0 || s.room == nil {
		return nil
	}
	need := max(bytes, roomStep)
	if room := s.room(); room > 0 && room < need {
		return spillFailed(fmt.Errorf("%w: only %s may be used", errNoRoom, mebibytes(room)))
	}
	s.paid = need
	return nil
}

var errNoRoom = errors.New("there is no room")

func spillFailed(err error) error {
	if errors.Is(err, errNoRoom) || errors.Is(err, syscall.ENOSPC) {
		return fault.New(fault.Unavailable, fault.CodeDiskFull, "cannot leave rows on the disk: %w", err).
			WithHint(duck.SpillHint)
	}
	return fault.New(fault.Unavailable, fault.CodeStorage, "cannot leave rows on the disk: %w", err).
		WithHint("See that the disk of the folder to spill to is there and writable")
}

func readFailed(err error) error {
	return fault.New(fault.Unavailable, fault.CodeStorage, "cannot read back the rows that were left on the disk: %w", err).
		WithHint("See that the disk of the folder to spill to is there and readable")
}

func (s *spills) create() (*spillFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.Internal, fault.CodeInternal, "cannot leave rows on the disk: the table is closed")
	}
	if s.dir != "" {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return nil, spillFailed(err)
		}
	}
	file, err := os.CreateTemp(s.dir, "freshet-rows-*")
	if err != nil {
		return nil, spillFailed(err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, spillFailed(errors.Join(err, file.Close()))
	}
	made := &spillFile{file: file, of: s}
	s.files = append(slices.DeleteFunc(s.files, func(f weak.Pointer[spillFile]) bool { return f.Value() == nil }), weak.Make(made))
	return made, nil
}

func (s *spills) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, file := range s.files {
		if f := file.Value(); f != nil {
			errs = append(errs, f.close())
		}
	}
	s.files = nil
	return errors.Join(errs...)
}

// close may be called again.
func (f *spillFile) close() error {
	if err := f.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return spillFailed(err)
	}
	return nil
}

// write appends.
func (f *spillFile) write(b []byte) error {
	if err := f.of.pay(int64(len(b))); err != nil {
		return err
	}
	n, err := f.file.WriteAt(b, f.size)
	f.size += int64(n)
	if err != nil {
		return spillFailed(err)
	}
	return nil
}

// spillReader reads a part of a file.
type spillReader struct {
	file    *spillFile
	at, end int64
	buffer  []byte
	held    []byte // of buffer: read, not taken yet
}

func (r *spillReader) left() int64 { return int64(len(r.held)) + r.end - r.at }

// peek returns the next n bytes, fewer at the end. They are the reader's until the next call.
func (r *spillReader) peek(n int) ([]byte, error) {
	n = int(min(int64(n), r.left()))
	if len(r.held) >= n {
		return r.held[:n], nil
	}
	if n > len(r.buffer) {
		r.buffer = make([]byte, max(n, int(min(2*int64(len(r.buffer)), r.left()))))
	}
	kept := copy(r.buffer, r.held)
	want := min(len(r.buffer), kept+int(min(int64(len(r.buffer)), r.end-r.at)))
	got, err := r.file.file.ReadAt(r.buffer[kept:want], r.at)
	if got < want-kept {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, readFailed(err)
	}
	r.at += int64(got)
	r.held = r.buffer[:want]
	return r.held[:n], nil
}

func (r *spillReader) size() (int, error) {
	b, err := r.peek(enc.MaxVarintLen64)
	if err != nil {
		return 0, err
	}
	u, n := enc.Uvarint(b)
	if n <= 0 || int64(u) > r.left() || int64(u) < 0 {
		return 0, readFailed(errBroken)
	}
	r.held = r.held[n:]
	return int(u), nil
}

// sized returns the next bytes with their length before them; nil at the end.
func (r *spillReader) sized() ([]byte, error) {
	if r.left() == 0 {
		return nil, nil
	}
	n, err := r.size()
	if err != nil {
		return nil, err
	}
	b, err := r.peek(n)
	r.held = r.held[len(b):]
	return b, err
}

// sorter gathers rows with keys and gives them back in the order of the keys' bytes, those of equal keys in the order of their coming.
// The first rows it holds as they are, with their lazy cells; when they become too many it writes all of them.
type sorter struct {
	codec   *rowCodec
	spills  *spills
	share   int64
	count   uint64    // of rows
	held    []heldRow // until the first is written
	holding *claim    // of held
	writing bool
	arena   []byte // records: key, place, row
	entries []spillEntry
	filling *claim // of the arena and the entries
	file    *spillFile
	runs    []run
	scratch []byte
}

type heldRow struct {
	key   []byte
	cells []Value
}

// spillEntry is a record in the arena.
type spillEntry struct {
	prefix       uint64 // the key's first bytes
	at, key, row uint32 // where, and how long each
}

type run struct{ from, to int64 }

func newSorter(ev *evaluation, by holder) *sorter { return newSorterOf(ev, newRowCodec(ev, by), by) }

// newSorterOf is a sorter of rows that another one has written.
func newSorterOf(ev *evaluation, codec *rowCodec, by holder) *sorter {
	return &sorter{codec: codec, spills: &ev.session.reading.spills, share: ev.session.account.share(), holding: ev.claim(by), filling: ev.claim(by)}
}

// add takes a row. The key is copied, the cells are not.
func (s *sorter) add(ev *evaluation, key []byte, cells []Value) error {
	if !s.writing {
		if s.holding.tryGrow(int64(128+len(key))+sizeOfRow(cells), s.share) {
			s.held = append(s.held, heldRow{bytes.Clone(key), cells})
			return nil
		}
		if err := s.spillHeld(ev); err != nil {
			return err
		}
	}
	return s.write(ev, key, cells)
}

// spillHeld writes the rows that are held.
func (s *sorter) spillHeld(ev *evaluation) error {
	s.writing = true
	for i, row := range s.held {
		if err := s.write(ev, row.key, row.cells); err != nil {
			return err
		}
		s.held[i] = heldRow{}
	}
	s.held = nil
	s.holding.release()
	return nil
}

func (s *sorter) write(ev *evaluation, key []byte, cells []Value) error {
	row, err := s.codec.write(ev, s.scratch[:0], cells)
	if err != nil {
		return err
	}
	s.scratch = row
	return s.addWritten(key, row)
}

// writeAll writes what is left of rows. ended is an error of the language that ends them: those before it count.
func (s *sorter) writeAll(ev *evaluation, in rows, keyOf func(ev *evaluation, cells []Value) ([]byte, error)) (ended, err error) {
	for {
		cells, ok, err := in.next(ev)
		var key []byte
		if ok && err == nil {
			key, err = keyOf(ev, cells)
		}
		if err != nil && raised(err) {
			return err, nil
		}
		if !ok || err != nil {
			return nil, err
		}
		if err := s.write(ev, key, cells); err != nil {
			return nil, err
		}
	}
}

// addWritten takes a row that the codec has written, in parts.
func (s *sorter) addWritten(key []byte, parts ...[]byte) error {
	s.writing = true
	length := 0
	for _, p := range parts {
		length += len(p)
	}
	if err := s.room(len(key) + placeLen + length); err != nil {
		return err
	}
	e := spillEntry{at: uint32(len(s.arena)), key: uint32(len(key) + placeLen), row: uint32(length)}
	s.arena = enc.BigEndian.AppendUint64(append(s.arena, key...), s.count)
	e.prefix = enc.BigEndian.Uint64(s.arena[e.at:])
	for _, p := range parts {
		s.arena = append(s.arena, p...)
	}
	s.entries = append(s.entries, e)
	s.count++
	return nil
}

// room makes room for a record: what the arena holds becomes a run when it has its share.
func (s *sorter) room(size int) error {
	need := func() int64 { return int64(len(s.arena)+size) + entrySize*int64(len(s.entries)+1) }
	if len(s.entries) > 0 && need() > s.share/2 {
		if err := s.writeRun(); err != nil {
			return err
		}
	}
	// A slice that grows has up to twice its length, and is counted as if it had.
	held := s.filling.held
	if 2*need() <= held || s.filling.tryGrow(max(2*need(), min(2*held, s.share))-held, math.MaxInt64) {
		return nil
	}
	if err := s.writeRun(); err != nil {
		return err
	}
	if 2*need() <= held {
		return nil
	}
	return s.filling.grow(2*need() - held)
}

func (s *sorter) record(e spillEntry) (key, row []byte) {
	return s.arena[e.at : e.at+e.key], s.arena[e.at+e.key : e.at+e.key+e.row]
}

// writeRun sorts what the arena holds and writes it.
func (s *sorter) writeRun() error {
	if len(s.entries) == 0 {
		return nil
	}
	slices.SortFunc(s.entries, func(a, b spillEntry) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		x, _ := s.record(a)
		y, _ := s.record(b)
		return bytes.Compare(x, y)
	})
	out, err := s.newRun()
	if err != nil {
		return err
	}
	for _, e := range s.entries {
		key, row := s.record(e)
		if err := out.write(key, row); err != nil {
			return err
		}
	}
	s.arena, s.entries = s.arena[:0], s.entries[:0]
	return out.finish()
}

// runWriter appends a run to the file.
type runWriter struct {
	sorter *sorter
	from   int64
	buffer []byte
}

func (s *sorter) newRun() (*runWriter, error) {
	if s.file == nil {
		var err error
		if s.file, err = s.spills.create(); err != nil {
			return nil, err
		}
	}
	return &runWriter{sorter: s, from: s.file.size}, nil
}

func (w *runWriter) write(key, row []byte) error {
	w.buffer = append(enc.AppendUvarint(w.buffer, uint64(len(key))), key...)
	w.buffer = append(enc.AppendUvarint(w.buffer, uint64(len(row))), row...)
	if len(w.buffer) < runBuffer {
		return nil
	}
	err := w.sorter.file.write(w.buffer)
	w.buffer = w.buffer[:0]
	return err
}

func (w *runWriter) finish() error {
	if err := w.sorter.file.write(w.buffer); err != nil {
		return err
	}
	w.sorter.runs = append(w.sorter.runs, run{w.from, w.sorter.file.size})
	return nil
}

// sorted begins to give the rows that were written in order; nothing is added any more. They can be read again, by another call.
func (s *sorter) sorted(ev *evaluation) (*merged, error) {
	if err := s.writeRun(); err != nil {
		return nil, err
	}
	s.arena, s.entries, s.scratch = nil, nil, nil
	s.filling.release()
	for most := max(2, min(mostRuns, int(s.share/(8<<10)))); len(s.runs) > most; {
		// Neighbours are merged, so that the runs stay in the order of their rows' coming.
		runs := s.runs
		s.runs = nil
		for part := range slices.Chunk(runs, most) {
			if err := s.mergeRuns(ev, part); err != nil {
				return nil, err
			}
		}
	}
	return s.merge(s.runs)
}

func (s *sorter) mergeRuns(ev *evaluation, runs []run) error {
	m, err := s.merge(runs)
	if err != nil {
		return err
	}
	defer m.close()
	out, err := s.newRun()
	if err != nil {
		return err
	}
	for {
		if err := ev.poll(); err != nil {
			return err
		}
		ok, err := m.next()
		if err != nil {
			return err
		}
		if !ok {
			return out.finish()
		}
		if err := out.write(m.full, m.row); err != nil {
			return err
		}
	}
}

// close gives back everything. Rows that were written elsewhere stay there.
func (s *sorter) close() {
	s.holding.release()
	s.filling.release()
	s.held, s.arena, s.entries, s.runs = nil, nil, nil, nil
	if s.file != nil {
		_ = s.file.close() // nothing of it is needed
	}
}

// merged is the records of runs in the order of their keys. After next, key, place and row are those of the record, until the next call.
type merged struct {
	heap  []*runReader
	claim *claim

	key   []byte
	place uint64 // of the row among those that were added
	row   []byte
	full  []byte // key and place as they are written
}

type runReader struct {
	spillReader
	key, row []byte
}

func (s *sorter) merge(runs []run) (*merged, error) {
	m := &merged{claim: &claim{account: s.filling.account, by: s.filling.by}}
	size := min(runBuffer, max(512, int(s.share)/(len(runs)+1)))
	if err := m.claim.grow(int64(len(runs)) * int64(size)); err != nil {
		return nil, err
	}
	for _, of := range runs {
		r := &runReader{spillReader: spillReader{file: s.file, at: of.from, end: of.to, buffer: make([]byte, size)}}
		if err := r.advance(); err != nil {
			return nil, err
		}
		if r.key != nil {
			m.heap = append(m.heap, r)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// advance reads the next record; its key is nil at the end.
func (r *runReader) advance() error {
	key, err := r.sized()
	if key == nil || err != nil {
		r.key = nil
		return err
	}
	r.key = append(r.key[:0], key...) // the buffer moves on
	row, err := r.sized()
	r.row = row
	return err
}

func (m *merged) less(i, j int) bool { return bytes.Compare(m.heap[i].key, m.heap[j].key) < 0 }

func (m *merged) sink(i int) {
	for {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(m.heap) && m.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

// next goes to the next record; ok is false at the end.
func (m *merged) next() (ok bool, err error) {
	if m.full != nil {
		if err := m.heap[0].advance(); err != nil {
			return false, err
		}
		if m.heap[0].key == nil {
			last := len(m.heap) - 1
			m.heap[0] = m.heap[last]
			m.heap = m.heap[:last]
		}
		m.sink(0)
	}
	if len(m.heap) == 0 {
		m.full = nil
		return false, nil
	}
	first := m.heap[0]
	m.full, m.row = first.key, first.row
	end := len(m.full) - placeLen
	m.key, m.place = m.full[:end], enc.BigEndian.Uint64(m.full[end:])
	return true, nil
}

func (m *merged) close() {
	m.heap, m.full = nil, nil
	m.claim.release()
}

// rowFile is rows one behind the other in a file, pieces of which are tables.
type rowFile struct {
	codec  *rowCodec
	file   *spillFile
	buffer []byte
}

func newRowFile(ev *evaluation, codec *rowCodec) (*rowFile, error) {
	file, err := ev.session.reading.spills.create()
	return &rowFile{codec: codec, file: file}, err
}

// at is where the next row begins.
func (f *rowFile) at() int64 { return f.file.size + int64(len(f.buffer)) }

// add appends a row that the codec has written.
func (f *rowFile) add(row []byte) error {
	f.buffer = append(enc.AppendUvarint(f.buffer, uint64(len(row))), row...)
	if len(f.buffer) < runBuffer {
		return nil
	}
	return f.flush()
}

func (f *rowFile) flush() error {
	err := f.file.write(f.buffer)
	f.buffer = f.buffer[:0]
	return err
}

// piece is the rows between two places of a row file.
type piece struct {
	of       *rowFile
	from, to int64
}

func (p piece) begin(*evaluation, *step) (rows, error) { return p.rows(), nil }

func (p piece) fold(*folding, *step, []*query) (*query, error) {
	return nil, refuse("the rows are those that an earlier step has made")
}

func (p piece) rows() rows {
	r := &spillReader{file: p.of.file, at: p.from, end: p.to, buffer: make([]byte, min(runBuffer, p.to-p.from))}
	return &rowStream{pull: func(*evaluation) ([]Value, bool, error) {
		row, err := r.sized()
		if row == nil || err != nil {
			return nil, false, err
		}
		cells, err := p.of.codec.read(row)
		return cells, err == nil, err
	}}
}
