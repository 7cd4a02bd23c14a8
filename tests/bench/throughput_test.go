package bench

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/bench/workload"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// Settings of BenchmarkThroughput in the environment.
const (
	eventsEnv  = "TIDEMARK_BENCH_EVENTS"  // size of the workload, 1000000 by default
	runsEnv    = "TIDEMARK_BENCH_RUNS"    // runs of each engine, 5 by default
	jsonEnv    = "TIDEMARK_BENCH_JSON"    // file for the figures of every run
	profileEnv = "TIDEMARK_BENCH_PROFILE" // folder for a CPU profile of each run of Tidemark
)

// BenchmarkThroughput drains a backlog into Postgres, with the hand-written floor and
// with Tidemark in turn, and compares every row with the oracle after each run.
func BenchmarkThroughput(b *testing.B) {
	events, runs := setting(b, eventsEnv, 1_000_000), setting(b, runsEnv, 5)
	for range b.N {
		bench := &drains{B: b, kafka: kit.Kafka(b), floorBinary: buildFloor(b)}
		bench.load(events)
		var all report
		for i := range runs {
			all = append(all, bench.floor(), bench.tidemark(i))
		}
		all.print(b)
		all.metrics(b)
		if file := os.Getenv(jsonEnv); file != "" {
			all.write(b, file)
		}
	}
}

func setting(b *testing.B, name string, otherwise int) int {
	b.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(otherwise)))
	if err != nil || n < 1 {
		b.Fatalf("%s=%q: want a number above 0", name, os.Getenv(name))
	}
	return n
}

func (r report) write(b *testing.B, file string) {
	b.Helper()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		b.Fatal(err)
	}
}

// makeWorkload makes the workload and hands its records to send.
func makeWorkload(tb testing.TB, events int, send func(workload.Record)) *workload.Oracle {
	tb.Helper()
	schemas := filepath.Join(kit.Root(tb), "configs", "avro")
	o, err := workload.Make(workload.Config{Events: events, Seed: 1, Schemas: schemas}, send)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}
