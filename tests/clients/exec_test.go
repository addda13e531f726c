package clients

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestExec holds what freshet exec promises of any program, with curl for one.
func TestExec(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		missing(t, "curl")
	}
	h, home := start(t), t.TempDir()
	ways := map[string]string{"by the proxy": ""}
	if os.Geteuid() == 0 {
		ways["by the hosts file"] = "unset HTTPS_PROXY https_proxy; "
	} else {
		t.Log("SKIPPED: a hosts file of the program's own needs root")
	}
	for name, first := range ways {
		t.Run(name, func(t *testing.T) {
			for _, url := range []string{"https://api.powerbi.com/healthz", "https://login.microsoftonline.com/healthz"} {
				if out, err := h.run(t, home, "sh", "-c", first+"curl -sS --max-time 20 "+url); err != nil || strings.TrimSpace(out) != `{"status":"ok"}` {
					t.Errorf("%s: %q, %v", url, out, err)
				}
			}
		})
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil || strings.Contains(string(hosts), "powerbi") {
		t.Errorf("the machine's own hosts file: %q, %v", hosts, err)
	}
	// What the server does not stand for is let through as it is: here to where nobody listens.
	if _, err := h.run(t, home, "curl", "-sS", "--max-time", "20", "https://localhost:1/"); err == nil || !strings.Contains(err.Error(), "exit status 56") {
		t.Errorf("another host: %v", err)
	}
	if _, err := h.run(t, home, "sh", "-c", "exit 7"); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("the program's exit code: %v", err)
	}
	if _, err := h.run(t, home, "sh", "-c", "kill -TERM $$"); err == nil || !strings.Contains(err.Error(), "exit status 143") {
		t.Errorf("a program that a signal ended: %v", err)
	}
	if _, err := h.run(t, home, "no-such-program"); err == nil || !strings.Contains(err.Error(), "cannot run no-such-program") {
		t.Errorf("no program: %v", err)
	}
}
