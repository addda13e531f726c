package file

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// tree makes allowed/{a.csv, sub/b.csv, sub/deep/c.txt} and secret/x.csv beside it, with links between them. It returns the folder of both.
func tree(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"allowed/a.csv", "allowed/sub/b.csv", "allowed/sub/deep/c.txt", "secret/x.csv"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"allowed/out": "../secret", "allowed/out.csv": "../secret/x.csv", "allowed/in.csv": "sub/b.csv", "allowed/broken": "nowhere", "linked": "allowed",
		"allowed/loop": "loop",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func registry(t *testing.T, folders ...string) *source.Registry {
	t.Helper()
	var settings []source.Setting
	for _, folder := range folders {
		settings = append(settings, source.Setting{Kind: "file", Path: folder})
	}
	r, err := source.NewRegistry([]source.Kind{Kind()}, source.Formats{}, settings)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// F13: M reaches only the files that the configuration allows, by whatever path.
func TestF13OnlyBelowAllowedFolders(t *testing.T) {
	root := tree(t)
	r := registry(t, root+"/allowed/")
	for _, c := range []struct {
		path string
		kind fault.Kind // Internal: it opens
		want string     // the text, or what the error holds
	}{
		{"/allowed/a.csv", fault.Internal, "allowed/a.csv"},
		{"/allowed/sub/../a.csv", fault.Internal, "allowed/a.csv"},
		{"/allowed//sub/./b.csv", fault.Internal, "allowed/sub/b.csv"},
		{"/allowed/in.csv", fault.Internal, "allowed/sub/b.csv"},
		{"/secret/x.csv", fault.Denied, "path: \"" + root + "/secret\"}"},
		{"/allowed/../secret/x.csv", fault.Denied, "(" + root + "/secret/x.csv): no entry of dataSources"},
		{"/allowed/out/x.csv", fault.Denied, "(" + root + "/secret/x.csv): no entry of dataSources"},
		{"/allowed/out.csv", fault.Denied, "no entry of dataSources"},
		{"/allowed2/x.csv", fault.Denied, "no entry of dataSources"},
		// What exists where nothing is allowed is not told.
		{"/secret/nothing.csv", fault.Denied, "no entry of dataSources"},
		{"/allowed/nothing.csv", fault.NotFound, "there is no such file or folder"},
		{"/allowed/broken", fault.NotFound, "there is no such file or folder"},
		{"/allowed/loop", fault.Unavailable, "too many links"},
		{"/allowed/sub", fault.Invalid, "it is a folder, not a file"},
	} {
		text, err := read(r, t, root+c.path)
		switch {
		case c.kind == fault.Internal && (err != nil || text != c.want):
			t.Errorf("%s: %q %v", c.path, text, err)
		case c.kind != fault.Internal && (fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %v %s", c.path, err, c.kind, c.want)
		}
	}
	if _, err := read(registry(t), t, root+"/allowed/a.csv"); fault.CodeOf(err) != "DataSourceNotAllowed" ||
		!strings.Contains(err.Error(), "These lines of freshet.yaml would allow it:\ndataSources:\n  - {kind: File, path: \""+root+"/allowed\"}") {
		t.Error(err)
	}
}

func read(r *source.Registry, t *testing.T, path string) (string, error) {
	files, err := r.Files(t.Context(), path)
	if err != nil {
		return "", err
	}
	content, err := files.Content(t.Context())
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(content.Path)
	if int64(len(text)) != content.Len() {
		t.Errorf("%s has %d bytes, said to be %d", path, len(text), content.Len())
	}
	return string(text), err
}

// An allowed folder may be a link itself, and a link may lead from one allowed folder to another.
func TestLinkedFolders(t *testing.T) {
	root := tree(t)
	if text, err := read(registry(t, root+"/linked"), t, root+"/linked/a.csv"); err != nil || text != "allowed/a.csv" {
		t.Error(text, err)
	}
	if text, err := read(registry(t, root+"/allowed", root+"/secret"), t, root+"/allowed/out.csv"); err != nil || text != "secret/x.csv" {
		t.Error(text, err)
	}
}

func TestPaths(t *testing.T) {
	r := registry(t, "/")
	for _, c := range []struct{ path, want string }{
		{"", "it is empty"},
		{"a.csv", "it is not absolute"},
		{"./a.csv", "it is not absolute"},
		{`C:\data\a.csv`, "it is a path of Windows"},
		{`C:/data/a.csv`, "it is a path of Windows"},
		{`\\server\share\a.csv`, "it is a path of Windows"},
		{"/a\x00.csv", "zero byte"},
	} {
		_, err := r.Files(t.Context(), c.path)
		if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != source.CodePath || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.path, err)
		}
	}
}

func TestPipesAreRefused(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mkfifo(folder+"/pipe", 0o600); err != nil {
		t.Skipf("SKIPPED: no pipes here: %v", err)
	}
	if _, err := read(registry(t, folder), t, folder+"/pipe"); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	root := tree(t)
	for _, c := range []struct {
		path      string
		recursive bool
		want      []string
	}{
		{"/allowed", true, []string{"allowed/a.csv", "allowed/in.csv", "allowed/sub/b.csv", "allowed/sub/deep/c.txt"}},
		{"/allowed", false, []string{"allowed/a.csv", "allowed/in.csv", "allowed/sub/"}},
		{"/allowed/sub", true, []string{"allowed/sub/b.csv", "allowed/sub/deep/c.txt"}},
	} {
		files, err := registry(t, root+"/allowed").Files(t.Context(), root+c.path)
		if err != nil {
			t.Fatal(err)
		}
		found, err := files.List(t.Context(), c.recursive)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			name := strings.TrimPrefix(f.Folder, root+"/") + f.Name
			if f.IsFolder {
				name += "/"
			} else if f.Content.Len() == 0 || f.Modified.IsZero() || f.Created.IsZero() || f.Extension != filepath.Ext(f.Name) {
				t.Errorf("%+v", f)
			}
			got = append(got, name)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	files, err := registry(t, root+"/allowed").Files(t.Context(), root+"/allowed/a.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.List(t.Context(), true); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

func TestConnections(t *testing.T) {
	r := registry(t)
	ref, err := r.Resolve(source.Connection{Protocol: "file", Address: map[string]string{"path": "/srv/x.csv"}})
	if err != nil || ref != (source.Ref{Kind: "File", Path: "/srv/x.csv"}) {
		t.Error(ref, err)
	}
}
