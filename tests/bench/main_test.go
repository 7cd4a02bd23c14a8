// Package bench measures the built binary on a real Kafka and a real Postgres:
//
//	go test -run '^$' -bench . -skip Scaling -benchtime 1x -timeout 2h ./tests/bench
//
// It asserts no times, since machines differ and are noisy; it prints them, beside the
// goals. It fails where a row in Postgres is not as the oracle has it.
package bench

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// Settings in the environment.
const (
	eventsEnv    = "TIDEMARK_BENCH_EVENTS"     // size of the workload, 1000000 by default
	runsEnv      = "TIDEMARK_BENCH_RUNS"       // runs of everything whose median counts, 5 by default
	largeRunsEnv = "TIDEMARK_BENCH_LARGE_RUNS" // the same with ten million events, 3 by default
	minutesEnv   = "TIDEMARK_BENCH_MINUTES"    // after which the scaling benchmark begins nothing more, 25 by default
	jsonEnv      = "TIDEMARK_BENCH_JSON"       // file for every figure, an absolute path
	profileEnv   = "TIDEMARK_BENCH_PROFILE"    // folder for a CPU profile of each run of Tidemark
)

const million = 1_000_000

// measured is what the benchmarks of this run have found.
var measured report.File

func TestMain(m *testing.M) { kit.Main(m, publish) }

// publish prints the closing tables, and writes the file that was asked for.
func publish() error {
	if measured.Machine.CPUs == 0 {
		return nil // no benchmark has run
	}
	if err := measured.Print(os.Stdout); err != nil {
		return err
	}
	path := os.Getenv(jsonEnv)
	if path == "" {
		return nil
	}
	if err := measured.Write(path); err != nil {
		return err
	}
	fmt.Println("\nEvery figure:", path)
	return nil
}

func setting(b *testing.B, name string, otherwise int) int {
	b.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(otherwise)))
	if err != nil || n < 1 {
		b.Fatalf("%s=%q: want a number above 0", name, os.Getenv(name))
	}
	return n
}
