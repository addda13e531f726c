package logtest_test

import (
	"testing"

	"freshet.dev/internal/refresh/logtest"
)

func TestMemory(t *testing.T) {
	logtest.Run(t, func(*testing.T) logtest.Subject { return logtest.NewMemory() })
}
