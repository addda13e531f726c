package file

import (
	"io/fs"
	"syscall"
	"time"
)

func times(info fs.FileInfo) (accessed, created time.Time) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return orModified(info)
	}
	return time.Unix(stat.Atim.Unix()), time.Unix(stat.Ctim.Unix())
}
