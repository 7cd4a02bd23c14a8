package kit

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const (
	binaryEnv = "TIDEMARK_BINARY"    // a binary that is built already
	raceEnv   = "TIDEMARK_TEST_RACE" // set: build with the race detector
)

var built struct {
	sync.Mutex
	path string
}

// Binary is the path of the tidemark binary: $TIDEMARK_BINARY, or built from this
// tree once per test binary, with the race detector if TIDEMARK_TEST_RACE is set.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(binaryEnv); path != "" {
		return path
	}
	built.Lock()
	defer built.Unlock()
	if built.path != "" {
		return built.path
	}
	path := filepath.Join(Scratch(t), "tidemark")
	args := []string{"build", "-o", path}
	if os.Getenv(raceEnv) != "" {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "./cmd/tidemark")...)
	build.Dir = Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("kit: building tidemark: %v\n%s", err, out)
	}
	built.path = path
	return path
}
