// Package cdmfolder writes the rows of dataflows as folders of the Common Data Model: CSV files and a model.json that names them.
//
// A folder is an output that follows the catalog. Its model.json says which version of which dataflow it describes, and Sync writes those that are
// behind: after each commit, at the start, and again after a failure. So a crash loses nothing. Readers see one version: new files come first, under
// names that no file had before; then one rename puts the new model.json in the place of the old one; files that neither names go
// afterwards.
package cdmfolder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/store"
)

// Flow is a dataflow.
type Flow struct {
	ID            string
	WorkspaceID   string
	WorkspaceName string
	Name          string
	Description   string
	Version       int64 // of its rows, the current one
}

// flows reads the dataflows of the server.
type flows interface {
	// Dataflows lists all of them.
	Dataflows(ctx context.Context) ([]Flow, error)
	// Dataflow returns the files and the model of one revision.
	Dataflow(ctx context.Context, id string, revision int64) (map[string][]byte, *model.Model, error)
}

// Root is where the folders of a workspace's dataflows are.
type Root struct {
	Workspace string // a name or an id; "" = of all that no other root names
	Path      string // an absolute path
}

// Options are what a Service works with.
type Options struct {
	Roots    []Root
	Flows    flows
	Store    *store.Store
	Capacity *capacity.Capacity     // whose memory the writing takes
	MinFree  int64                  // bytes that stay free on the disk of a root
	TempDir  string                 // for what DuckDB spills
	Ended    func() <-chan struct{} // a channel that is closed at the next end of a refresh
	Logger   *slog.Logger
	// –––
	Failpoint func(point string) error // for tests: its error is that of the writing at that point
}

// Service writes folders. One goroutine uses it.
type Service struct {
	options Options
	written map[string]string // by dataflow: the path and state that its model.json has
}

// New returns a Service.
func New(options Options) *Service {
	return &Service{options: options, written: map[string]string{}}
}

// again is how long Run waits at most: a folder that could not be written is tried again, and a deployment, which ends no refresh, is seen.
const again = time.Minute

// Run keeps the folders up to date until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		ended := s.options.Ended() // before looking, so that no end is missed
		if err := s.Sync(ctx); err != nil && ctx.Err() == nil {
			s.options.Logger.Error("cannot list the dataflows to write as CDM folders", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
		case <-tick.C:
		}
	}
}

// Sync writes the folders of the dataflows whose current version they do not have. What fails is logged, and is for the next Sync.
func (s *Service) Sync(ctx context.Context) error {
	list, err := s.options.Flows.Dataflows(ctx)
	if err != nil {
		return err
	}
	s.tellLeft(list)
	for _, flow := range list {
		folder := s.folder(flow)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if folder == "" || s.has(folder, flow) {
			continue
		}
		if err := s.write(ctx, folder, flow); err != nil && ctx.Err() == nil {
			s.options.Logger.Error("cannot write the CDM folder of a dataflow; trying again", "dataflow", flow.WorkspaceName+"/"+flow.Name, "id", flow.ID, "folder", folder, "error", err)
		}
	}
	return nil
}

// tellLeft tells, once, of the folders whose dataflows were deleted or have other folders now. They stay: only their readers know when they have done.
func (s *Service) tellLeft(list []Flow) {
	for id, known := range s.written {
		folder, _, _ := strings.Cut(known, "\x00")
		if i := slices.IndexFunc(list, func(f Flow) bool { return f.ID == id }); i >= 0 && s.folder(list[i]) == folder {
			continue
		}
		s.options.Logger.Warn("a CDM folder is not written any more: its dataflow was deleted or has another name; delete the folder when nobody reads it", "folder", folder, "id", id)
		delete(s.written, id)
	}
}

// folder is where a dataflow's folder is; "" where none is configured.
func (s *Service) folder(flow Flow) string {
	path := ""
	for _, root := range s.options.Roots {
		switch {
		case root.Workspace == "":
			path = root.Path
		case model.EqualNames(root.Workspace, flow.WorkspaceName), strings.EqualFold(root.Workspace, flow.WorkspaceID):
			return filepath.Join(root.Path, part(flow.WorkspaceName), part(flow.Name))
		}
	}
	if path == "" {
		return ""
	}
	return filepath.Join(path, part(flow.WorkspaceName), part(flow.Name))
}

// state says what a model.json describes.
func (f Flow) state() string {
	sum := sha256.Sum256([]byte(f.Name + "\x00" + f.Description))
	return fmt.Sprintf("%s version %d %s", f.ID, f.Version, hex.EncodeToString(sum[:4]))
}

// has tells whether the folder has the dataflow's current version already.
func (s *Service) has(folder string, flow Flow) bool {
	want := folder + "\x00" + flow.state()
	if s.written[flow.ID] == want {
		return true
	}
	content, err := os.ReadFile(filepath.Join(folder, cdm.ModelFile))
	if err != nil || cdm.State(content) != flow.state() {
		return false
	}
	for path := range named(content) { // somebody may have deleted one
		if _, err := os.Stat(filepath.Join(folder, path)); err != nil {
			return false
		}
	}
	s.written[flow.ID] = want
	return true
}

// write writes the folder of a dataflow.
func (s *Service) write(ctx context.Context, folder string, flow Flow) error {
	version, release, err := s.options.Store.Pin(ctx, flow.ID)
	if err != nil {
		return err
	}
	defer release()
	flow.Version = version.Number
	former, err := os.ReadFile(filepath.Join(folder, cdm.ModelFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !slices.ContainsFunc(version.Parts, func(p store.Part) bool { return p.State == store.Ready }):
		return nil // nothing was ever refreshed
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return diskError(err)
	}
	files, m, err := s.options.Flows.Dataflow(ctx, flow.ID, version.ModelRevision)
	if err != nil {
		return err
	}
	headered, err := cdm.Headered(files)
	if err != nil {
		return err
	}
	output := cdm.Output{Name: flow.Name, Description: flow.Description, Written: version.CommittedAt, State: flow.state(), Model: m, Partitions: map[string][]cdm.OutputPartition{}}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return diskError(err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w := &writing{service: s, folder: folder, disk: store.NewDisk(folder, s.options.MinFree, nil), evict: func() { stop(errEvicted) }}
	defer w.close()
	for _, table := range version.Partitioned(m).Tables {
		for _, partition := range table.Partitions {
			held := version.Part(table.Name, partition.Name)
			if held == nil || held.State != store.Ready {
				continue
			}
			for i, file := range held.Files {
				location, err := w.file(ctx, table, partition.Name, file, headered[table.Name])
				if err != nil {
					return err
				}
				name := partition.Name
				if i > 0 {
					name = fmt.Sprintf("%s-%d", name, i+1)
				}
				output.Partitions[table.Name] = append(output.Partitions[table.Name], cdm.OutputPartition{Name: name, ReadAt: held.ReadAt, Location: location})
			}
		}
	}
	content, err := cdm.OutputFile(files, output)
	if err != nil {
		return err
	}
	if err := s.replace(filepath.Join(folder, cdm.ModelFile), func(file *os.File) error {
		_, err := file.Write(content)
		return err
	}); err != nil {
		return err
	}
	s.written[flow.ID] = folder + "\x00" + flow.state()
	s.options.Logger.Info("wrote the CDM folder of a dataflow", "dataflow", flow.WorkspaceName+"/"+flow.Name, "version", version.Number, "folder", folder)
	return sweep(folder, former, content)
}

// writing is the writing of one folder.
type writing struct {
	service *Service
	folder  string
	disk    *store.Disk
	evict   func() // called when others need the memory
	grant   *capacity.Grant
	db      *duck.DB
	conn    *duck.Conn
}

// memory is what the writing of a folder takes, of that of refreshes.
const memory = 128 << 20

// errEvicted ends a writing; the next Sync begins it again, and the files that are whole stay.
var errEvicted = errors.New("a reader needs the memory of the writing of a CDM folder")

// open opens DuckDB when the first file is to be written.
func (w *writing) open(ctx context.Context) (err error) {
	if w.conn != nil {
		return nil
	}
	if w.grant, err = w.service.options.Capacity.GrantRefresh(ctx, memory, memory, w.evict); err != nil {
		return err
	}
	if w.db, err = duck.Open(ctx, duck.Options{MemoryLimit: w.grant.Bytes(), Threads: 1, TempDir: w.service.options.TempDir}); err != nil {
		return err
	}
	w.conn, err = w.db.Conn(ctx)
	return err
}

func (w *writing) close() {
	if w.conn != nil {
		_ = w.conn.Close() // it only read
	}
	if w.db != nil {
		_ = w.db.Close()
	}
	if w.grant != nil {
		w.grant.Release()
	}
}

// file writes the rows of one of the store's files, unless that was done, and returns where it is. Its name says what is in it: another file of the
// store, or another form of its columns, has another name.
func (w *writing) file(ctx context.Context, table *model.Table, partition string, file store.File, header bool) (location string, err error) {
	columns := selected(table)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%t\x00%s", file.ID, header, columns))
	name := part(partition) + "-" + hex.EncodeToString(sum[:8]) + suffix
	location = url.PathEscape(part(table.Name)) + "/" + url.PathEscape(name)
	target := filepath.Join(w.folder, part(table.Name), name)
	if _, err := os.Stat(target); err == nil {
		return location, nil // it was renamed when it was whole
	}
	if err := w.disk.Room(); err != nil {
		return "", err
	}
	source, err := w.service.options.Store.Path(ctx, file)
	if err != nil {
		return "", err
	}
	if err := w.open(ctx); err != nil {
		return "", err
	}
	return location, w.service.replace(target, func(out *os.File) error {
		rows, err := w.csv(ctx, out, "SELECT "+columns+" FROM read_parquet("+duck.List([]string{source})+")", table, header)
		if err == nil && rows != file.Rows {
			err = fault.New(fault.Internal, fault.CodeInternal, "cannot write a CSV file: %d rows became %d", file.Rows, rows)
		}
		return err
	})
}

// replace writes a file beside its place, makes it durable, and only then gives it its name.
func (s *Service) replace(path string, write func(*os.File) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return diskError(err)
	}
	file, err := os.OpenFile(path+draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return diskError(err)
	}
	err = write(file)
	if err == nil {
		err = s.at("written " + filepath.Base(path))
	}
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(path+draft, path)
	}
	if err == nil {
		err = s.at("renamed " + filepath.Base(path))
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err == nil {
		err = syncFolder(filepath.Dir(filepath.Dir(path))) // the folder may be new, too
	}
	return diskError(err)
}

func (s *Service) at(point string) error {
	if s.options.Failpoint == nil {
		return nil
	}
	return s.options.Failpoint(point)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// diskError says what to do. Faults stay what they are.
func diskError(err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return fault.New(fault.Unavailable, fault.CodeStorage, "cannot write a CDM folder: %w", err).WithHint("See that the disk of dataflowFolders is there, writable and not full.")
}

// What files of a folder are called: part()-HASH.csv, and while they are written with draft at the end.
const (
	suffix = ".csv"
	draft  = ".tmp"
)

// sweep deletes the files that neither the model.json nor the one before it names: who has begun to read by that one may finish. Files that are not
// of this room's making stay.
func sweep(folder string, models ...[]byte) error {
	kept := named(models...)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil || kept[relative] || !ours(relative) {
			return err
		}
		return os.Remove(path)
	})
	return diskError(err)
}

// named are the paths, below the folder, of the files that one of the model.json names.
func named(models ...[]byte) map[string]bool {
	paths := map[string]bool{}
	for _, content := range models {
		for _, location := range cdm.Locations(content) {
			if path, err := url.PathUnescape(location); err == nil {
				paths[filepath.FromSlash(path)] = true
			}
		}
	}
	return paths
}

// ours tells whether a path below a folder is that of a CSV file, or of one half written.
func ours(relative string) bool {
	if relative == cdm.ModelFile+draft {
		return true
	}
	name := strings.TrimSuffix(filepath.Base(relative), draft)
	name, is := strings.CutSuffix(name, suffix)
	i := strings.LastIndexByte(name, '-')
	if !is || i < 0 || len(name)-i-1 != 16 || strings.Count(relative, string(filepath.Separator)) != 1 {
		return false
	}
	_, err := hex.DecodeString(name[i+1:])
	return err == nil
}

// part is a name as one part of a path: letters, digits, spaces and a few signs stay, all else is written %XX. Long names are cut, and told apart by a hash.
func part(name string) string {
	const most = 100 // bytes; a file's name may have 255
	var b bytes.Buffer
	for i, r := range name {
		switch {
		case r == '.' && i > 0, r == ' ' && i > 0 && i < len(name)-1, r == '-' || r == '_' || r == '(' || r == ')',
			r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		default:
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
	}
	if b.Len() <= most {
		return b.String()
	}
	sum := sha256.Sum256([]byte(name))
	return strings.TrimRight(b.String()[:most], "%") + "~" + hex.EncodeToString(sum[:8])
}
