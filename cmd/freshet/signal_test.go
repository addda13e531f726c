package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The first interrupt drains requests, the second does not wait for them.
func TestSecondInterrupt(t *testing.T) {
	folder := t.TempDir()
	config := filepath.Join(folder, "freshet.yaml")
	if err := os.WriteFile(config, []byte("listen: 127.0.0.1:0\nauth: {mode: none}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "serve", "--config", config, "--log", "error")
	cmd.Args[0] = "freshet" // TestMain makes the test binary the program
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n')
	_, rest, serves := strings.Cut(line, "http://")
	if err != nil || !serves {
		t.Fatalf("the server says %q, %v", line, err)
	}
	address, _, _ := strings.Cut(rest, ",")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1.0/freshet/datasets HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n", address)
	if answer, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(answer, "100 Continue") {
		t.Fatalf("the server answers %q, %v", answer, err)
	}
	// The request is in its handler, which waits for the body.
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the state tells
		close(ended)
	}()
	limit := time.After(15 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for signals := 0; ; signals++ {
		_ = cmd.Process.Signal(os.Interrupt) // refused when it has ended
		select {
		case <-ended:
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); signals == 0 || !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
				t.Errorf("after %d signals: %v", signals+1, cmd.ProcessState)
			}
			return
		case <-tick.C:
		case <-limit:
			_ = cmd.Process.Kill()
			t.Fatal("the second interrupt did not end the program")
		}
	}
}
