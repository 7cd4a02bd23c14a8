package kit

import (
	"io/fs"
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
	paths map[string]string // by build tag
}

// Binary is the path of the tidemark binary: $TIDEMARK_BINARY, or built from this
// tree once per test binary, with the race detector if TIDEMARK_TEST_RACE is set.
func Binary(t testing.TB) string {
	t.Helper()
	showSources(t)
	if path := os.Getenv(binaryEnv); path != "" {
		return path
	}
	return build(t, "")
}

// TaggedBinary is a binary built from this tree with a build tag, once per test
// binary, such as one that has the faults of package fault.
func TaggedBinary(t testing.TB, tag string) string {
	t.Helper()
	showSources(t)
	return build(t, tag)
}

func build(t testing.TB, tag string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path := built.paths[tag]; path != "" {
		return path
	}
	path := filepath.Join(Scratch(t), "tidemark")
	args := []string{"build", "-o", path, "-tags", tag}
	if os.Getenv(raceEnv) != "" {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "./cmd/tidemark")...)
	build.Dir = Root(t)
	if os.Getenv(raceEnv) == "" { // the race detector needs cgo
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // static, as make build and the image have it
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("kit: building tidemark: %v\n%s", err, out)
	}
	if built.paths == nil {
		built.paths = map[string]string{}
	}
	built.paths[tag] = path
	return path
}

// showSources looks at every file that the binary is made of. The go command
// caches a test's result together with the files that the test itself has looked
// at; it does not know what a child process is made of.
func showSources(t testing.TB) {
	t.Helper()
	for _, dir := range []string{"cmd", "configs", "internal", "plugins", "streams", "go.mod", "go.sum"} {
		err := filepath.WalkDir(filepath.Join(Root(t), dir), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal("kit:", err)
		}
	}
}
