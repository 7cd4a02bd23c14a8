// Package kit gives tests the real things: Apache Kafka, Postgres, the Olist
// files and the tidemark binary run as a child process.
//
// A package that uses a server calls [Main] from its TestMain. Servers are then
// shared by all tests of that binary, started by the first test that asks, and
// ended with it. What a machine lacks makes a test skip with a line that says how
// to get it; with CI=true it makes the test fail, so that nothing is left out
// unnoticed.
package kit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// shared is what the tests of one binary have in common.
var shared struct {
	sync.Mutex
	dir   string // scratch folder, removed at the end; empty outside Main
	atEnd []func()
}

// Main runs the tests of a package, then closing, then ends the shared servers and
// removes their data. An error of closing fails the run. Use it as the whole body of
// TestMain.
func Main(m *testing.M, closing ...func() error) {
	os.Exit(run(m, closing))
}

func run(m *testing.M, closing []func() error) int {
	dir, err := os.MkdirTemp("", "tidemark-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "kit:", err)
		return 1
	}
	// A server that runs as another user has to be able to get through.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, "kit:", err)
		return 1
	}
	shared.Lock()
	shared.dir = dir
	shared.Unlock()
	defer func() {
		shared.Lock()
		defer shared.Unlock()
		for i := len(shared.atEnd) - 1; i >= 0; i-- {
			shared.atEnd[i]()
		}
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "kit:", err)
		}
	}()
	code := m.Run()
	for _, closes := range closing {
		if err := closes(); err != nil {
			fmt.Fprintln(os.Stderr, "kit:", err)
			code = 1
		}
	}
	return code
}

// Scratch makes an empty folder that lives as long as the test binary and that
// every user can read.
func Scratch(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.dir == "" {
		t.Fatal("kit: this package needs func TestMain(m *testing.M) { kit.Main(m) }")
	}
	dir, err := os.MkdirTemp(shared.dir, "")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal("kit:", err)
	}
	return dir
}

// atEnd registers f to run when the test binary ends, last registered first.
func atEnd(f func()) {
	shared.Lock()
	defer shared.Unlock()
	shared.atEnd = append(shared.atEnd, f)
}

// Missing ends the test because the machine lacks something: a skip with the
// line that says how to get it, or, with CI=true, a failure.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Root is the repository's folder.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("kit: the place of the sources is unknown")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// olistEnv names the folder of the Olist files when it is not beside the repository.
const olistEnv = "TIDEMARK_OLIST"

// Olist is the folder of the Olist CSV files.
func Olist(t testing.TB) string {
	t.Helper()
	dir, found := FindOlist(t)
	if !found {
		Missing(t, "no Olist files: set %s to the folder of the CSV files (Kaggle: olistbr/brazilian-ecommerce)", olistEnv)
	}
	return dir
}

// FindOlist looks for the Olist CSV files in $TIDEMARK_OLIST, or, where that is
// not set, in shared/olist beside the repository.
func FindOlist(t testing.TB) (dir string, found bool) {
	t.Helper()
	dir = os.Getenv(olistEnv)
	named := dir != ""
	if !named {
		dir = filepath.Join(Root(t), "..", "shared", "olist")
	}
	_, err := os.Stat(filepath.Join(dir, "olist_orders_dataset.csv"))
	if err != nil && named {
		t.Fatalf("%s: %v", olistEnv, err)
	}
	return dir, err == nil
}
