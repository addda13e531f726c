package source

import (
	"errors"
	"io/fs"

	"freshet.dev/internal/fault"
)

// fileError says what is wrong with a file in terms of the person who configured it.
func fileError(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, CodeNotFound, "cannot open '%s': there is no such file or folder", path)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, CodeCredentials, "cannot open '%s': the user that runs Freshet may not read it", path)
	}
	return fault.New(fault.Unavailable, CodeUnavailable, "cannot open '%s': %w", path, err)
}
