package e2e

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// read returns the oracle's view of a folder of CSV files.
func read(t testing.TB, dir string, limit int) ([]golden.Event, []golden.Reject) {
	t.Helper()
	events, rejects, err := golden.Read(dir, golden.Selection{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return events, rejects
}

// wanted returns the rows that the first limit orders of dir make, 0 for all.
func wanted(t testing.TB, dir string, limit int) golden.Tables {
	t.Helper()
	events, _ := read(t, dir, limit)
	return golden.Compute(events, golden.Defaults())
}

var generated struct {
	sync.Mutex
	dir string
}

// dataset is the folder of the Olist files where they are, otherwise of generated
// ones of about the same size.
func dataset(t testing.TB) string {
	t.Helper()
	if dir, ok := kit.FindOlist(t); ok {
		return dir
	}
	generated.Lock()
	defer generated.Unlock()
	if generated.dir == "" {
		dir := filepath.Join(kit.Scratch(t), "dataset")
		kit.MustRun(t, kit.Command{Args: []string{"generate", "--orders", "8000", "--seed", "1", "--out", dir}}, patience)
		generated.dir = dir
	}
	return generated.dir
}

// withBrokenRows copies the dataset with rows added that break the rules.
func withBrokenRows(t testing.TB, dir string, broken map[string]string) string {
	t.Helper()
	out := t.TempDir()
	for _, name := range []string{golden.OrdersFile, golden.ItemsFile, golden.PaymentsFile, "olist_customers_dataset.csv"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			continue // customers are not needed for the rows
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(out, name), append(text, broken[name]...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
