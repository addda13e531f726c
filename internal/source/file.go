package source

import (
	"bytes"
	"context"
	"io"
	"os"
	"time"
)

// Files is a Conn to a file or a folder below an allowed folder. Paths are absolute and free of symbolic links when they come out.
type Files interface {
	Conn
	// Content returns the file that the Conn's path names.
	Content(ctx context.Context) (Content, error)
	// List returns the files (and, unless recursive, the folders) below the Conn's path, ordered by folder and name; links that
	// lead out of the allowed folder are left out.
	List(ctx context.Context, recursive bool) ([]File, error)
}

// File is an entry of a folder, with what M's Folder.Files tells.
type File struct {
	Name      string // with extension
	Extension string // with its dot, or ""
	Folder    string // ends in a separator
	IsFolder  bool
	Modified  time.Time
	Accessed  time.Time
	Created   time.Time // where the file system does not tell, the time of its last change of status
	Content   Content   // zero for a folder
}

// Content is a run of bytes: a file (Path) or bytes in memory (Data). The zero value is empty.
type Content struct {
	Path     string
	Data     []byte
	Size     int64     // of a file
	Modified time.Time // of a file
}

// Len returns the number of bytes.
func (c Content) Len() int64 {
	if c.Path != "" {
		return c.Size
	}
	return int64(len(c.Data))
}

// Open returns a reader of the bytes. Big ones should not be read whole.
func (c Content) Open() (io.ReadCloser, error) {
	if c.Path == "" {
		return io.NopCloser(bytes.NewReader(c.Data)), nil
	}
	f, err := os.Open(c.Path)
	if err != nil {
		return nil, FileError(c.Path, err)
	}
	return f, nil
}
