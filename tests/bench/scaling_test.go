package bench

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/bench/workload"
)

// Charts that a point of the scaling benchmark may be part of.
const (
	bySize       = "events"
	byPartitions = "partitions"
	byLiveOrders = "live orders"
)

// shape is a workload of the scaling benchmark.
type shape struct {
	name       string // what it varies
	charts     []string
	partitions int32
	config     workload.Config
}

// shapes vary one thing at a time from the plain workload of n events, the largest
// last: they are left out where time is up.
func shapes(n int) []shape {
	plain := workload.Config{Events: n}
	live := func(events int, orders int64) workload.Config {
		c := workload.Config{Events: events}
		c.Span = c.SpanFor(orders)
		return c
	}
	hot, late := plain, plain
	hot.Hot, late.LateApprovals = true, true
	return []shape{
		{"plain", []string{bySize, byPartitions, byLiveOrders}, defaultPartitions, plain},
		{"size", []string{bySize}, defaultPartitions, workload.Config{Events: n / 10}},
		{"partitions", []string{byPartitions}, 1, plain},
		{"partitions", []string{byPartitions}, 6, plain},
		{"partitions", []string{byPartitions}, 12, plain},
		{"live orders", []string{byLiveOrders}, defaultPartitions, live(n, int64(n)/1000)},
		{"live orders", []string{byLiveOrders}, defaultPartitions, live(n, int64(n)/100)},
		{"live orders", []string{byLiveOrders}, defaultPartitions, live(n, int64(n))}, // all of them
		{"hot orders", nil, defaultPartitions, hot},
		{"late approvals", nil, defaultPartitions, late},
		{"live orders", []string{byLiveOrders}, defaultPartitions, live(n*32/10, int64(n))},
		{"size", []string{bySize}, defaultPartitions, workload.Config{Events: 10 * n}},
		{"live orders", []string{byLiveOrders}, defaultPartitions, live(16*n, 5*int64(n))},
	}
}

// BenchmarkScaling drains backlogs of many sizes and shapes, with the floor and with
// Tidemark in turn, and compares every row with the oracle after each run.
func BenchmarkScaling(b *testing.B) {
	n, runs := setting(b, eventsEnv, million), setting(b, runsEnv, 3)
	limit := time.Duration(setting(b, minutesEnv, 25)) * time.Minute
	for range b.N {
		d, began := newDrains(b), time.Now()
		measured.Scaling = nil
		for _, s := range shapes(n) {
			if time.Since(began) > limit {
				measured.LeftOut = append(measured.LeftOut, fmt.Sprintf("%s: %d events, %d partitions, %d live orders",
					s.name, s.config.Events, s.partitions, s.config.LiveOrders()))
				continue
			}
			measured.Scaling = append(measured.Scaling, d.point(s, runs, func() bool { return time.Since(began) > limit }))
		}
		b.ReportMetric(0, "ns/op") // a run's own time says nothing
		b.ReportMetric(float64(len(measured.Scaling)), "workloads")
	}
}

// point measures one workload: once where it is larger than the plain one, as its
// length evens out the noise, or where time is up.
func (d *drains) point(s shape, runs int, over func() bool) report.Point {
	d.Helper()
	d.load(s.config, s.partitions)
	p := report.Point{
		Name: s.name, Charts: s.charts, Events: s.config.Events, Partitions: int(s.partitions),
		LiveOrders: s.config.LiveOrders(), Rows: d.oracle.Rows(),
	}
	for i := range runs {
		if i > 0 && (over() || s.config.Events > million) {
			break
		}
		p.Drains = append(p.Drains, d.floor(), d.tidemark())
	}
	return p
}

// The shapes are those that the page of performance promises.
func TestShapes(t *testing.T) {
	found := map[string]map[string]bool{}
	note := func(what string, of any) {
		if found[what] == nil {
			found[what] = map[string]bool{}
		}
		found[what][fmt.Sprint(of)] = true
	}
	for _, s := range shapes(million) {
		for _, c := range s.charts {
			switch c {
			case bySize:
				note(c, s.config.Events)
			case byPartitions:
				note(c, s.partitions)
			case byLiveOrders:
				note(c, fmt.Sprintf("%.0e", float64(s.config.LiveOrders())))
			}
		}
	}
	for what, want := range map[string][]string{
		bySize:       {"100000", "1000000", "10000000"},
		byPartitions: {"1", "3", "6", "12"},
		byLiveOrders: {"1e+03", "1e+04", "7e+04", "3e+05", "1e+06", "5e+06"},
	} {
		if got := slices.Sorted(maps.Keys(found[what])); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("by %s: %v, want %v", what, got, want)
		}
	}
}
