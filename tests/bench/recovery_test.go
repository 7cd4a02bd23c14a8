package bench

import (
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/bench/workload"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// BenchmarkRecovery kills Tidemark half way through a backlog, starts it again at
// once, and measures to the first row of a minute that had none. All rows must be right
// in the end.
func BenchmarkRecovery(b *testing.B) {
	events, runs := setting(b, eventsEnv, million), setting(b, runsEnv, 5)
	for range b.N {
		d := newDrains(b)
		d.load(workload.Config{Events: events}, defaultPartitions)
		var all []report.Recovery
		for range runs {
			all = append(all, d.recovery())
		}
		measured.Recovery = all
		b.ReportMetric(0, "ns/op") // a run's own time says nothing
		b.ReportMetric(1000*report.MedianOf(all, func(r report.Recovery) float64 { return r.Seconds }), "ms-to-new-rows")
	}
}

func (d *drains) recovery() report.Recovery {
	d.Helper()
	pg := d.database()
	c := d.command(pg, "--stop-at-end")
	rows := progress{d, pg, "order_funnel", d.group}
	var begin, end int64
	query(d, pg, "select min(minute), max(minute) from oracle.funnel", nil, &begin, &end)
	first := kit.Start(d, c)
	for rows.newest() < (begin+end)/2 {
		if !first.Running() {
			d.Fatal("it ended before half of the minutes had rows")
		}
		time.Sleep(glance)
	}
	first.Signal(d, syscall.SIGKILL)
	first.Wait(d, patience)
	killed := float64(rows.newest()-begin) / float64(end-begin)
	second, took := rows.restart(c)
	if r := second.Wait(d, patience); r.Code != 0 {
		d.Fatalf("exit code %d", r.Code)
	}
	d.check(pg, report.Tidemark)
	return report.Recovery{Events: d.events, Killed: killed, Seconds: took.Seconds()}
}
