// Package file is the source kind File: files and folders of this machine below the folders that the configuration allows.
package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// Kind returns the source kind File.
func Kind() source.Kind {
	return source.Kind{
		Name:      "File",
		Normalize: normalize,
		Allows:    below,
		Resolve:   resolve,
		Example:   example,
		FromConnection: func(c source.Connection) (string, bool) {
			switch strings.ToLower(c.Protocol) {
			case "file", "folder":
				return c.Address["path"], true
			}
			return "", false
		},
		Connect: func(setting source.Setting) (source.Server, error) { return server{root: setting.Path}, nil },
	}
}

var windowsPath = regexp.MustCompile(`^(?:[A-Za-z]:[\\/]|\\\\)`)

func normalize(path string, setting bool) (string, error) {
	switch {
	case path == "":
		return "", errors.New("it is empty")
	case strings.ContainsRune(path, 0):
		return "", errors.New("it holds a zero byte")
	case filepath.Separator == '/' && windowsPath.MatchString(path):
		return "", errors.New("it is a path of Windows, and Freshet runs on another system; give the model the path on this machine, for example by a parameter")
	}
	if setting {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		return absolute, nil
	}
	if !filepath.IsAbs(path) {
		return "", errors.New("it is not absolute; a file is named by its full path")
	}
	return filepath.Clean(path), nil
}

// example allows the folder of what looks like a file, and what looks like a folder itself.
func example(asked string) source.Setting {
	if filepath.Ext(asked) != "" {
		asked = filepath.Dir(asked)
	}
	return source.Setting{Path: asked}
}

// below tells whether path is folder or lies in it. Both are clean.
func below(folder, path string) bool {
	return path == folder || folder == string(filepath.Separator) || strings.HasPrefix(path, folder+string(filepath.Separator))
}

func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", source.FileError(path, err)
	}
	return real, nil
}

type server struct{ root string }

func (s server) Open(_ context.Context, path string) (source.Conn, error) {
	return conn{path: path, root: s.root}, nil
}

func (s server) Close() error { return nil }

// conn is a file or folder: path is free of links.
type conn struct{ path, root string }

func (c conn) Ref() source.Ref { return source.Ref{Kind: "File", Path: c.path} }
func (c conn) Close() error    { return nil }

func (c conn) Content(context.Context) (source.Content, error) {
	info, err := os.Stat(c.path)
	if err != nil {
		return source.Content{}, source.FileError(c.path, err)
	}
	if info.IsDir() {
		return source.Content{}, fault.New(fault.Invalid, source.CodePath, "cannot read '%s': it is a folder, not a file", c.path).
			WithHint("Name a file in it, or list its files with Folder.Files.")
	}
	if !info.Mode().IsRegular() {
		// A pipe or a device could block for ever, or never end.
		return source.Content{}, fault.New(fault.Invalid, source.CodePath, "cannot read '%s': it is not a regular file", c.path)
	}
	return source.Content{Path: c.path, Size: info.Size(), Modified: info.ModTime()}, nil
}

func (c conn) List(ctx context.Context, recursive bool) ([]source.File, error) {
	root, err := filepath.EvalSymlinks(c.root)
	if err != nil {
		return nil, source.FileError(c.root, err)
	}
	info, err := os.Stat(c.path)
	if err != nil {
		return nil, source.FileError(c.path, err)
	}
	if !info.IsDir() {
		return nil, fault.New(fault.Invalid, source.CodePath, "cannot list '%s': it is a file, not a folder", c.path)
	}
	var files []source.File
	err = filepath.WalkDir(c.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return source.FileError(path, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if path == c.path {
			return nil
		}
		content := path
		if entry.Type()&fs.ModeSymlink != 0 {
			if content, err = filepath.EvalSymlinks(path); err != nil || !below(root, content) {
				return nil
			}
		}
		info, err := os.Stat(content)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since it was listed
		}
		if err != nil {
			return source.FileError(path, err)
		}
		switch {
		case info.IsDir() && !recursive:
			files = append(files, describe(path, content, info))
			if entry.IsDir() {
				return filepath.SkipDir
			}
		case info.Mode().IsRegular():
			files = append(files, describe(path, content, info))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sort.Slice(files, func(i, j int) bool {
		if files[i].Folder != files[j].Folder {
			return files[i].Folder < files[j].Folder
		}
		return files[i].Name < files[j].Name
	})
	return files, nil
}

func describe(path, content string, info fs.FileInfo) source.File {
	accessed, created := times(info)
	f := source.File{
		Name: filepath.Base(path), Extension: filepath.Ext(path), Folder: filepath.Dir(path) + string(filepath.Separator),
		IsFolder: info.IsDir(), Modified: info.ModTime(), Accessed: accessed, Created: created,
	}
	if f.Folder == "//" {
		f.Folder = "/"
	}
	if !f.IsFolder {
		f.Content = source.Content{Path: content, Size: info.Size(), Modified: info.ModTime()}
	}
	return f
}

// orModified is what a file system that keeps no such time is said to have.
func orModified(info fs.FileInfo) (accessed, created time.Time) {
	return info.ModTime(), info.ModTime()
}
