package boards

import (
	"os"
	"path/filepath"
	"testing"
)

// dir is where the boards lie in the repository, seen from here.
const dir = "../../configs/grafana/dashboards"

func TestBoardsAreCurrent(t *testing.T) {
	all := All(Olist())
	for name, board := range all {
		want, err := JSON(board)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is stale: run make boards", name)
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if _, known := all[filepath.Base(path)]; !known {
			t.Errorf("%s is no board: run make boards", filepath.Base(path))
		}
	}
}

// A board that Grafana would not run as it stands is not written.
func TestJSONRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*SQL){
		"no SQL":        func(q *SQL) { q.RawSQL = "" },
		"no format":     func(q *SQL) { q.Format = "csv" },
		"query builder": func(q *SQL) { q.EditorMode = "builder" },
	} {
		board := funnel(Olist())
		spoil(board.Panels[1].Panel.Targets[0].(*SQL))
		if _, err := JSON(board); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
