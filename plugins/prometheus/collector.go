package prometheus

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Collector collects the figures of streams when they are asked for. So the gauges of a
// task that went to another process are gone, and those of one that runs are as it stands.
type Collector struct{ from *meter.Registry }

// NewCollector is the collector of all streams of this process.
func NewCollector() *Collector { return &Collector{meter.Process} }

// Describe tells the definitions.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range definitions {
		out <- d.desc
	}
}

// Collect tells how the streams stand.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.from.Streams() {
		f := s.Read()
		counters(&f, out)
		if !f.HasTasks { // an output counts rows of other streams too
			continue
		}
		totals(&f, out)
		for i := range f.Tasks {
			gauges(f.Stream, &f.Tasks[i], out)
		}
	}
}

// counters are those whose labels are known once there is something to count.
func counters(f *meter.Figures, out chan<- prometheus.Metric) {
	for at, n := range f.Accounts {
		number := strconv.Itoa(int(at.Task))
		out <- events.one(float64(n[task.In]), f.Stream, number, at.Operator, at.Topic)
		for _, o := range outcomes() {
			out <- outcome.one(float64(n[o]), f.Stream, number, at.Operator, at.Topic, o.String())
		}
	}
	for at, n := range f.Lookups {
		number := strconv.Itoa(int(at.Task))
		out <- lookups.one(float64(n.Hits), f.Stream, number, at.Operator, "hit")
		out <- lookups.one(float64(n.Misses), f.Stream, number, at.Operator, "miss")
	}
	for kind, n := range f.Rows {
		out <- rows.one(float64(n), f.Stream, kind.Table, kind.Outcome)
	}
}

// totals are there from the start, so that the first of a kind is seen as an increase.
func totals(f *meter.Figures, out chan<- prometheus.Metric) {
	states := map[meter.State]int{}
	for i := range f.Tasks {
		states[f.Tasks[i].State]++
	}
	for _, s := range meter.States() {
		out <- tasks.one(float64(states[s]), f.Stream, string(s))
	}
	for _, p := range meter.Phases() {
		out <- commits.many(f.Commits[p], f.Stream, string(p))
	}
	for _, c := range meter.Changes() {
		out <- rebalances.one(float64(f.Rebalances[c]), f.Stream, string(c))
	}
	out <- latency.many(f.Latency, f.Stream)
	out <- commitFailures.one(float64(f.CommitFailures), f.Stream)
	out <- restarts.one(float64(f.Restarts), f.Stream)
	out <- restored.one(float64(f.Restored), f.Stream)
}

func gauges(stream string, g *meter.Gauges, out chan<- prometheus.Metric) {
	number := strconv.Itoa(int(g.Task))
	out <- remaining.one(float64(g.Remaining), stream, number)
	if g.HasWatermark && finite(g.Watermark) {
		out <- watermark.one(seconds(g.Watermark), stream, number)
	}
	if g.Disk >= 0 {
		out <- disk.one(float64(g.Disk), stream, number)
	}
	for _, h := range g.Held {
		out <- held.one(float64(h.Events), stream, number, h.Operator, h.Topic)
	}
	for _, u := range g.Tables {
		out <- keys.one(float64(u.Keys), stream, number, u.Operator)
		out <- hot.one(float64(u.Memory), stream, number, u.Operator)
	}
	for i := range g.Sources {
		source(stream, number, &g.Sources[i], out)
	}
}

func source(stream, number string, s *meter.Source, out chan<- prometheus.Metric) {
	at := []string{stream, number, s.Topic, strconv.Itoa(int(s.Partition))}
	out <- holder.one(flag(s.Holder), at...)
	out <- waited.one(flag(s.Waited), at...)
	out <- idle.one(flag(s.Idle), at...)
	out <- waiting.one(float64(s.Waiting), at...)
	if finite(s.Seen) {
		out <- seen.one(seconds(s.Seen), at...)
	}
	if n, known := s.LagRecords(); known {
		out <- lagRecords.one(float64(n), at...)
	}
	if lag, known := s.Lag(); known {
		out <- lagSeconds.one(float64(lag)/float64(event.Second), at...)
	}
}

func finite(t event.Time) bool { return t != event.MinTime && t != event.MaxTime }

func seconds(t event.Time) float64 { return float64(t) / float64(event.Second) }

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
