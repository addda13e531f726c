//go:build !linux

package file

import (
	"io/fs"
	"time"
)

func times(info fs.FileInfo) (accessed, created time.Time) { return orModified(info) }
