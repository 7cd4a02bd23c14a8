package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/bench/workload"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// BenchmarkLatency measures, at steady rates, from the sending of an event to the
// commit in Postgres of the row that follows from it. In the end every row is compared
// with the oracle.
func BenchmarkLatency(b *testing.B) {
	runs := setting(b, runsEnv, 5)
	for _, rate := range []int{5_000, 20_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			for range b.N {
				d := newDrains(b)
				var all []report.Latency
				for range runs {
					all = append(all, d.latency(rate))
				}
				measured.Latency = append(measured.Latency, all...)
				b.ReportMetric(0, "ns/op") // a run's own time says nothing
				b.ReportMetric(report.MedianOf(all, func(l report.Latency) float64 { return l.P50 }), "ms-p50")
				b.ReportMetric(report.MedianOf(all, func(l report.Latency) float64 { return l.P99 }), "ms-p99")
				b.ReportMetric(report.MedianOf(all, func(l report.Latency) float64 { return l.CPU }), "cpu-cores")
			}
		})
	}
}

const (
	warmUp   = 5 * time.Second
	steady   = 15 * time.Second
	probing  = 100 // probes in a second
	portions = 500
)

// latency is one run. The events are made beforehand, so that this takes nothing of
// the machine meanwhile, and sent in portions of two milliseconds.
func (d *drains) latency(rate int) report.Latency {
	d.Helper()
	d.kafka.Reset(d, defaultPartitions, workload.Topics...)
	var records []workload.Record
	d.events = rate * int((warmUp + steady).Seconds())
	d.oracle = makeWorkload(d, workload.Config{Events: d.events}, func(r workload.Record) { records = append(records, r) })
	prober, err := workload.NewProber(schemas(d), d.oracle)
	if err != nil {
		d.Fatal(err)
	}
	pg := d.emptyDatabase()
	c := d.command(pg)
	cpu, began := childrenCPU(d), time.Now()
	engine := kit.Start(d, c)
	kit.Eventually(d, patience, func() (bool, string) {
		return strings.Count(engine.Output(), readiness) >= defaultPartitions, "not every task is ready"
	})

	p := newProducer(d, d.kafka, 0)
	sent, first := map[string]time.Time{}, time.Now()
	for i, r := range records {
		if i%(rate/portions) == 0 {
			time.Sleep(time.Until(first.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		p.send(r)
		if i%(rate/probing) == 0 && time.Since(first) > warmUp {
			kind := fmt.Sprintf("probe %d", i)
			sent[kind] = time.Now()
			p.send(prober.Payment(r.Time, kind))
		}
	}
	took := time.Since(first)
	p.finish()
	p.client.Close()
	latencies := d.arrivals(pg, sent)
	engine.Signal(d, os.Interrupt)
	r := engine.Wait(d, patience)
	if r.Code != 0 {
		d.Fatalf("exit code %d", r.Code)
	}
	used := (childrenCPU(d) - cpu) / time.Since(began).Seconds()
	// Live, the last windows wait for events that let the watermark pass.
	d.expect(pg)
	c.Args = append(c.Args, "--stop-at-end")
	kit.MustRun(d, c, patience)
	d.check(pg, report.Tidemark)
	at := func(q float64) float64 {
		return float64(latencies[int(q*float64(len(latencies)-1))].Microseconds()) / 1000
	}
	return report.Latency{
		Rate: rate, Reached: float64(len(records)) / took.Seconds(), Probes: len(latencies),
		P50: at(.5), P99: at(.99), Max: at(1), CPU: used, PeakRSS: r.PeakRSS,
	}
}

// arrivals waits until every probe has its row, and returns how long each took, the
// shortest first.
func (d *drains) arrivals(pg *kit.Database, sent map[string]time.Time) []time.Duration {
	d.Helper()
	kit.Eventually(d, patience, func() (bool, string) {
		var n int
		if err := pg.DB.QueryRowContext(d.Context(), "select count(*) from payment_totals where payment_type like 'probe%'").Scan(&n); err != nil {
			d.Fatal(err)
		}
		return n == len(sent), fmt.Sprintf("%d of %d probes have rows", n, len(sent))
	})
	rows, err := pg.DB.QueryContext(d.Context(), "select payment_type, pg_xact_commit_timestamp(xmin) from payment_totals where payment_type like 'probe%'")
	if err != nil {
		d.Fatal(err)
	}
	defer rows.Close()
	var all []time.Duration
	for rows.Next() {
		var kind string
		var at time.Time
		if err := rows.Scan(&kind, &at); err != nil {
			d.Fatal(err)
		}
		all = append(all, at.Sub(sent[kind]))
	}
	if err := rows.Err(); err != nil {
		d.Fatal(err)
	}
	slices.Sort(all)
	return all
}
