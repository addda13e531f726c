package source

import (
	"errors"
	"io/fs"
	"strings"

	"freshet.dev/internal/fault"
)

// FileError says what is wrong with a file in terms of the person who configured it. It keeps a fault.Error as it is.
func FileError(path string, err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, CodeNotFound, "cannot open '%s': there is no such file or folder", path).
			WithHint("Check the path, as the machine that runs Freshet sees it, and that what writes the file has run.")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, CodeCredentials, "cannot open '%s': the user that runs Freshet may not read it", path).
			WithHint("Give that user the right to read the file and to enter the folders above it.")
	}
	return fault.New(fault.Unavailable, CodeUnavailable, "cannot read '%s': %w", path, err)
}

// Scrub returns a text of a driver or a server without the setting's password.
func (s Setting) Scrub(text string) string {
	if s.Password == "" {
		return text
	}
	return strings.ReplaceAll(text, s.Password, "***")
}
