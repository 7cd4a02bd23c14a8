package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins"
)

// Streams of the input stateful are reset without Kafka, unless they run.
func TestStateResetOnDisk(t *testing.T) {
	dir, streams := t.TempDir(), t.TempDir()
	config := "input: { stateful: { name: shop, input: { generate: { mapping: 'root = 1' } } } }\noutput: { drop: {} }\n"
	if err := os.WriteFile(filepath.Join(streams, "shop.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	folders := func() (there []string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			there = append(there, e.Name())
		}
		return there
	}
	for _, name := range []string{"shop", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "task-0"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	reset := func(args ...string) (string, error) {
		return run(t, stateCommand(), append([]string{"reset", "--yes", "--no-postgres", "--state-dir", dir, "--brokers", "127.0.0.1:1"}, args...)...)
	}

	inUse, err := plugins.LockState(filepath.Join(dir, "shop"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reset("--stream", "other", "--stream", "shop"); err == nil || !strings.Contains(err.Error(), "stream shop: stop it first") {
		t.Errorf("of a stream that runs: %v", err)
	}
	if got := folders(); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
	if err := inUse.Close(); err != nil {
		t.Fatal(err)
	}

	out, err := reset("--streams", streams)
	if want := "shop: deleted folder " + filepath.Join(dir, "shop") + "\n"; err != nil || out != want {
		t.Errorf("%v, %q, want %q", err, out, want)
	}
	if got := folders(); len(got) != 1 || got[0] != "other" {
		t.Errorf("left: %v", got)
	}
	out, err = reset("--stream", "shop", "--stream", "other")
	if want := "shop: nothing to delete\nother: deleted folder " + filepath.Join(dir, "other") + "\n"; err != nil || out != want {
		t.Errorf("%v, %q, want %q", err, out, want)
	}
	if _, err := reset("--stream", "../x"); err == nil || !strings.Contains(err.Error(), "cannot name a folder") {
		t.Error(err)
	}
}
