package embedpg

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const childDir = "EMBEDPG_TEST_CHILD_DIR"

// TestChild is not a test by itself: TestDiesWithParent runs it in another process
// and kills that.
func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("runs within TestDiesWithParent")
	}
	if _, err := Start(t.Context(), Options{Dir: dir, NoSync: true}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("started")
	select {}
}

func TestDiesWithParent(t *testing.T) {
	start(t, Options{}) // skips where there is no Postgres
	dir := filepath.Join(openDir(t), "data")
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "started" {
	}
	pidFile := filepath.Join(dir, "postmaster.pid")
	if _, err := os.Stat(pidFile); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// A clean shutdown removes the file; the server is nobody's child now, so there
	// is nothing to wait for but that.
	for deadline := time.Now().Add(stopTimeout); ; time.Sleep(pollEvery) {
		if _, err := os.Stat(pidFile); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server outlived its parent")
		}
	}
}
