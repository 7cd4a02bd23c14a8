package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/boards"
)

// The folder has the boards at the range that is asked for, and no board of before.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "boards")
	if err := write(dir, boards.Olist()); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "old.json")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, boards.Range{From: "now-7d", To: "now"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("an old board is still there: %v", err)
	}
	for name, sales := range map[string]bool{"funnel.json": true, "gmv.json": true, "drop_off.json": true, "payments.json": true, "health.json": false} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"from": "now-7d"`) != sales {
			t.Errorf("%s opens at another time", name)
		}
	}
}
