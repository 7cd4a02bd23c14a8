package kit

import (
	"os"
	"path/filepath"
	"testing"
)

// StreamFolder is a folder with copies of the shipped analytics streams of these names,
// for tests of what befalls streams: each further one costs them time and shows no more.
func StreamFolder(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(Root(t), "streams", "analytics", name+".yaml"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".yaml"), text, 0o600)
		}
		if err != nil {
			t.Fatal("kit:", err)
		}
	}
	return dir
}
