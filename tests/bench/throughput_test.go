package bench

import (
	"testing"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/bench/workload"
)

// BenchmarkThroughput drains a backlog into Postgres, with the hand-written floor and
// with Tidemark in turn, and compares every row with the oracle after each run.
func BenchmarkThroughput(b *testing.B) {
	measured.Throughput = drain(b, setting(b, eventsEnv, million), setting(b, runsEnv, 5))
}

// BenchmarkLarge is BenchmarkThroughput with ten million events.
func BenchmarkLarge(b *testing.B) {
	measured.Large = drain(b, 10*million, setting(b, largeRunsEnv, 3))
}

func drain(b *testing.B, events, runs int) (all []report.Drain) {
	for range b.N {
		d := newDrains(b)
		d.load(workload.Config{Events: events}, defaultPartitions)
		all = nil
		for range runs {
			all = append(all, d.floor(), d.tidemark())
		}
		b.ReportMetric(0, "ns/op") // a run's own time says nothing
		for _, engine := range []string{report.Floor, report.Tidemark} {
			of := report.Of(engine, all)
			b.ReportMetric(report.MedianOf(of, report.Drain.Rate), engine+"-events/s")
			b.ReportMetric(report.MedianOf(of, report.Drain.CPUMillion), engine+"-cpu-s/M")
			b.ReportMetric(report.MedianOf(of, report.Drain.PeakMiB), engine+"-peak-MiB")
		}
		b.ReportMetric(report.Ratio(all), "ratio")
	}
	return all
}
