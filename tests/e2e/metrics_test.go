package e2e

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// sample is a series of a metric at one moment; a histogram's value is its count.
type sample struct {
	metric string
	labels map[string]string
	value  float64
	counts bool // it is a counter or a histogram
}

// name tells the series from all others.
func (s sample) name() string { return fmt.Sprint(s.metric, s.labels) }

// task is the stream and the task that the series is about.
func (s sample) task() string { return s.labels["stream"] + "/" + s.labels["task"] }

type samples []sample

// where are the samples of a metric with the labels, name and value by turns.
func (all samples) where(metric string, labels ...string) (found samples) {
	for _, s := range all {
		fits := s.metric == metric
		for i := 0; i < len(labels); i += 2 {
			fits = fits && s.labels[labels[i]] == labels[i+1]
		}
		if fits {
			found = append(found, s)
		}
	}
	return found
}

func (all samples) sum() (n float64) {
	for _, s := range all {
		n += s.value
	}
	return n
}

// tasks are the tasks that the samples are about.
func (all samples) tasks() []string {
	found := map[string]bool{}
	for _, s := range all {
		found[s.task()] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// metered is a consumer whose metrics are read.
type metered struct {
	*pipeline
	process *kit.Process
	address string
	last    samples
}

// meteredConsumer starts a consumer with a state folder of its own.
func meteredConsumer(p *pipeline) *metered {
	p.Helper()
	m := &metered{pipeline: p, address: kit.FreeAddress(p)}
	c := p.command("consume", "--no-console")
	c.Env = append(slices.Clone(c.Env), "TIDEMARK_HTTP_ADDRESS="+m.address, "TIDEMARK_STATE_DIR="+p.TempDir())
	m.process = kit.Start(p, c)
	kit.Eventually(p, patience, func() (bool, string) {
		resp, err := http.Get("http://" + m.address + "/ready")
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		return true, ""
	})
	return m
}

// scrape reads the metrics, and makes sure that no counter has gone back or away.
func (m *metered) scrape() samples {
	m.Helper()
	resp, err := http.Get("http://" + m.address + "/metrics")
	if err != nil {
		m.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		m.Fatal(err)
	}
	var all samples
	for name, f := range families {
		if !strings.HasPrefix(name, "tidemark_") {
			continue
		}
		for _, x := range f.Metric {
			s := sample{name, map[string]string{}, valueOf(x), f.GetType() != dto.MetricType_GAUGE}
			for _, l := range x.Label {
				s.labels[l.GetName()] = l.GetValue()
			}
			all = append(all, s)
		}
	}
	now := map[string]float64{}
	for _, s := range all {
		now[s.name()] = s.value
	}
	for _, s := range m.last {
		if v, there := now[s.name()]; s.counts && (!there || v < s.value) {
			m.Errorf("%s was %v and is %v (there: %v)", s.name(), s.value, v, there)
		}
	}
	m.last = all
	return all
}

func valueOf(m *dto.Metric) float64 {
	return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
}

// scrapeAll reads the metrics of several consumers.
func scrapeAll(consumers ...*metered) (all samples) {
	for _, m := range consumers {
		all = append(all, m.scrape()...)
	}
	return all
}

// rest waits until the consumers have committed so many events, by stream and topic, and
// stand still: nothing lags, and the watermarks are the ledger's. It returns the metrics.
func (p *pipeline) rest(want map[string]int64, consumers ...*metered) (all samples) {
	p.Helper()
	kit.Eventually(p, patience, func() (bool, string) {
		all = scrapeAll(consumers...)
		for at, n := range want {
			stream, topic, _ := strings.Cut(at, " ")
			if got := all.where("tidemark_events_total", "stream", stream, "operator", "input", "topic", topic).sum(); int64(got) != n {
				return false, fmt.Sprintf("%s has read %v of %s, want %d", stream, got, topic, n)
			}
		}
		for _, s := range slices.Concat(all.where("tidemark_lag_records"), all.where("tidemark_lag_seconds")) {
			if s.value != 0 {
				return false, fmt.Sprintf("%s is %v", s.name(), s.value)
			}
		}
		told := p.watermarks()
		for _, s := range all.where("tidemark_watermark_timestamp_seconds") {
			if w, ok := told[s.task()]; !ok || math.Abs(w-s.value) > 0.0005 {
				return false, fmt.Sprintf("%s is %f, the ledger says %f", s.name(), s.value, w)
			}
		}
		return true, ""
	})
	p.eachHasOne(all)
	p.balanced(all)
	return all
}

// watermarks are those of the ledger, in seconds, by stream and task.
func (p *pipeline) watermarks() map[string]float64 {
	p.Helper()
	rows, err := p.pg.DB.QueryContext(p.Context(), `select stream, task, extract(epoch from watermark)::float8 from tidemark_tasks where isfinite(watermark)`)
	if err != nil {
		p.Fatal(err)
	}
	defer rows.Close()
	told := map[string]float64{}
	for rows.Next() {
		var stream string
		var task int
		var w float64
		if err := rows.Scan(&stream, &task, &w); err != nil {
			p.Fatal(err)
		}
		told[fmt.Sprintf("%s/%d", stream, task)] = w
	}
	if err := rows.Err(); err != nil {
		p.Fatal(err)
	}
	return told
}

// statefulStreams are the shipped ones that have tasks; each has three here.
var statefulStreams = []string{"tidemark-funnel", "tidemark-gmv", "tidemark-payments", "tidemark-dimensions"}

// eachHasOne checks that every task runs in one process, which alone tells its gauges.
func (p *pipeline) eachHasOne(all samples) {
	p.Helper()
	for _, stream := range statefulStreams {
		if n := all.where("tidemark_tasks", "stream", stream, "state", "running").sum(); n != 3 {
			p.Errorf("%s has %v tasks that run", stream, n)
		}
	}
	seen := map[string]bool{}
	for _, s := range all {
		_, ofTask := s.labels["task"]
		if s.counts || !ofTask {
			continue
		}
		if seen[s.name()] {
			p.Errorf("two processes tell %s", s.name())
		}
		seen[s.name()] = true
	}
	for _, metric := range []string{"tidemark_watermark_timestamp_seconds", "tidemark_state_disk_bytes", "tidemark_lag_records", "tidemark_state_keys"} {
		if n := len(slices.DeleteFunc(all.where(metric).tasks(), func(at string) bool {
			return !slices.ContainsFunc(statefulStreams, func(s string) bool { return strings.HasPrefix(at, s+"/") })
		})); n != 3*len(statefulStreams) {
			p.Errorf("%s of %d tasks", metric, n)
		}
	}
}

// balanced checks that every event has one outcome, or is held.
func (p *pipeline) balanced(all samples) {
	p.Helper()
	open := map[string]float64{}
	at := func(s sample) string { return fmt.Sprint(s.task(), s.labels["operator"], s.labels["topic"]) }
	for _, s := range all.where("tidemark_events_total") {
		open[at(s)] += s.value
	}
	for _, s := range slices.Concat(all.where("tidemark_event_outcomes_total"), all.where("tidemark_held_events")) {
		open[at(s)] -= s.value
	}
	for account, n := range open {
		if n != 0 {
			p.Errorf("%v events of %s have no outcome", n, account)
		}
	}
}

// eventsBy are the events that streams read of each topic.
func eventsBy(events []golden.Event, times int64) map[string]int64 {
	n := map[string]int64{}
	for _, e := range events {
		switch e.Kind {
		case golden.Order:
			n["tidemark-funnel olist.orders"] += times
			n["tidemark-dimensions olist.orders"] += times
		case golden.Item:
			n["tidemark-funnel olist.order_items"] += times
			n["tidemark-gmv olist.order_items"] += times
			n["tidemark-dimensions olist.order_items"] += times
		case golden.Payment:
			n["tidemark-funnel olist.payments"] += times
			n["tidemark-payments olist.payments"] += times
		}
	}
	return n
}

// TestMetrics reads the metrics of consumers that run, while they read the Olist events, at
// rest, and while tasks move between them.
func TestMetrics(t *testing.T) {
	dir := dataset(t)
	p := newPipeline(t, 3)
	events, _ := read(t, dir, 0)

	a := meteredConsumer(p)
	producer := p.start(produceArgs(dir)...)
	for producer.Running() {
		a.scrape()
		time.Sleep(50 * time.Millisecond)
	}
	p.succeeds(producer)
	alone := p.rest(eventsBy(events, 1), a)
	p.expectFigures(alone)
	p.expectLive(wanted(t, dir, 0))

	b := meteredConsumer(p)
	kit.Eventually(p, patience, func() (bool, string) {
		n := b.scrape().where("tidemark_tasks", "state", "running").sum()
		return n >= float64(len(statefulStreams)), fmt.Sprintf("the second runs %v tasks", n)
	})
	shared := p.rest(eventsBy(events, 1), a, b)
	moved := b.last.where("tidemark_watermark_timestamp_seconds").tasks()
	for _, at := range moved {
		for _, s := range a.last {
			if _, ofTask := s.labels["task"]; !s.counts && ofTask && s.task() == at {
				t.Errorf("the first still tells %s = %v", s.name(), s.value)
			}
		}
	}
	if len(moved) < len(statefulStreams) {
		t.Errorf("only %v have moved", moved)
	}
	if n := b.last.where("tidemark_rebalances_total", "change", "assigned").sum(); n < float64(len(statefulStreams)) {
		t.Errorf("the second process was assigned tasks in %v rebalances", n)
	}
	if was, is := alone.where("tidemark_events_total").sum(), shared.where("tidemark_events_total").sum(); was != is {
		t.Errorf("%v events were counted before tasks moved and %v after", was, is)
	}

	p.produce(dir) // all are duplicates, or late
	twice := p.rest(eventsBy(events, 2), a, b)
	if n := b.last.where("tidemark_events_total", "operator", "input").sum(); n == 0 {
		t.Error("the second process has counted nothing")
	}
	p.stall(a, b)

	p.interrupt(b.process)
	p.interrupt(a.process)
	p.sameAccounts(twice, p.consume().Output())
}

// expectFigures checks what a consumer tells that has read everything.
func (p *pipeline) expectFigures(all samples) {
	p.Helper()
	for _, stream := range statefulStreams[:3] {
		for _, metric := range []string{"tidemark_row_latency_seconds", "tidemark_commit_duration_seconds", "tidemark_pg_upsert_rows_total", "tidemark_state_keys", "tidemark_state_memory_bytes"} {
			if all.where(metric, "stream", stream).sum() == 0 {
				p.Errorf("%s of %s is 0", metric, stream)
			}
		}
		written := all.where("tidemark_pg_upsert_rows_total", "stream", stream, "outcome", "written").sum() +
			all.where("tidemark_pg_upsert_rows_total", "stream", stream, "outcome", "superseded").sum()
		if n := all.where("tidemark_row_latency_seconds", "stream", stream).sum(); n > written {
			p.Errorf("%s: the latency of %v rows, and %v were written", stream, n, written)
		}
		for _, metric := range []string{"tidemark_commit_failures_total", "tidemark_task_restarts_total", "tidemark_restore_remaining_records"} {
			if n := all.where(metric, "stream", stream).sum(); n != 0 {
				p.Errorf("%s of %s is %v", metric, stream, n)
			}
		}
	}
}

// stall lets only the orders of one partition go on, and checks that it is told who holds
// the watermark.
func (p *pipeline) stall(consumers ...*metered) {
	p.Helper()
	task := []string{"stream", "tidemark-funnel", "task", "0"}
	before := scrapeAll(consumers...)
	seen := map[string]float64{}
	holder := ""
	for _, s := range before.where("tidemark_merged_timestamp_seconds", task...) {
		seen[s.labels["topic"]] = s.value
	}
	for _, topic := range []string{"olist.order_items", "olist.payments"} {
		if holder == "" || seen[topic] < seen[holder] {
			holder = topic
		}
	}
	if len(seen) != 3 || seen["olist.orders"] == 0 {
		p.Fatalf("newest events %v", seen)
	}
	ahead := time.Unix(int64(max(seen["olist.orders"], seen["olist.order_items"], seen["olist.payments"])), 0).Add(time.Hour)
	r := &kgo.Record{Topic: "olist.orders", Partition: 0, Timestamp: ahead, Key: []byte("x"), Value: []byte("no order, but it has a time")}
	if err := p.kafka.Client(p, kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(p.Context(), r).FirstErr(); err != nil {
		p.Fatal(err)
	}
	kit.Eventually(p, patience, func() (bool, string) {
		all := scrapeAll(consumers...)
		newest := all.where("tidemark_merged_timestamp_seconds", append(task, "topic", "olist.orders")...).sum()
		if newest != float64(ahead.Unix()) {
			return false, fmt.Sprintf("the newest order is of %f", newest)
		}
		for _, s := range all.where("tidemark_watermark_holder", task...) {
			if (s.value == 1) != (s.labels["topic"] == holder) {
				return false, fmt.Sprintf("%s is %v, and %s stalls", s.name(), s.value, holder)
			}
		}
		const outOfOrder = 120
		if w := all.where("tidemark_watermark_timestamp_seconds", task...).sum(); math.Abs(w-(seen[holder]-outOfOrder)) > 0.0005 {
			return false, fmt.Sprintf("the watermark is %f, and %s has come to %f", w, holder, seen[holder])
		}
		invalid := all.where("tidemark_event_outcomes_total", append(task, "operator", "decode", "outcome", "invalid")...).sum()
		return invalid == 1, fmt.Sprintf("%v invalid events", invalid)
	})
}

// sameAccounts holds what was counted against the account that a bounded run prints. One
// invalid order came in between.
func (p *pipeline) sameAccounts(all samples, output string) {
	p.Helper()
	var header []string
	compared := 0
	for line := range strings.Lines(output) {
		cells := strings.Fields(line)
		if len(cells) > 4 && cells[0] == "stream" && cells[1] == "operator" {
			header = cells
			continue
		}
		if header == nil || len(cells) != len(header) || !slices.Contains([]string{"input", "decode", "dedup"}, cells[1]) {
			continue // behind a join, the end of time makes more events
		}
		at := []string{"stream", cells[0], "operator", cells[1], "topic", cells[2]}
		extra := int64(0)
		if cells[2] == "olist.orders" && cells[1] != "dedup" {
			extra = 1
		}
		check := func(what string, got float64, printed int64) {
			p.Helper()
			compared++
			if int64(got) != printed {
				p.Errorf("%v: %s %v counted, %d printed", at, what, got, printed)
			}
		}
		check("in", all.where("tidemark_events_total", at...).sum(), number(p, cells[3])-extra)
		for i, outcome := range header {
			if outcome == "duplicate" || outcome == "late" || outcome == "future" {
				check(outcome, all.where("tidemark_event_outcomes_total", append(at, "outcome", outcome)...).sum(), number(p, cells[i]))
			}
		}
	}
	if compared < 20 {
		p.Errorf("only %d figures were compared", compared)
	}
}
