package prometheus

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// scrape reads what a registry tells, through the text format and back: series by name
// and labels, a histogram as its count.
func scrape(t *testing.T, from *meter.Registry) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(&Collector{from})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	read, err := p.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]float64{}
	for name, f := range read {
		for _, m := range f.Metric {
			series[name+labelsOf(m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return series
}

func labelsOf(m *dto.Metric) string {
	var b []string
	for _, l := range m.Label {
		b = append(b, l.GetValue()) // in the order of the labels' names
	}
	return "{" + strings.Join(b, ",") + "}"
}

func expect(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for _, series := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[series]; !ok || v != want[series] {
			t.Errorf("%s is %v (there: %v), want %v", series, v, ok, want[series])
		}
	}
}

func line(operator string, in, passed, held, late int64) task.Line {
	l := task.Line{Operator: operator, Topic: "orders"}
	l.Counts[task.In], l.Counts[task.Passed], l.Counts[task.Held], l.Counts[task.Late] = in, passed, held, late
	return l
}

// busy is a registry in which everything has a value.
func busy() (*meter.Registry, *meter.Stream, *meter.Task) {
	r := meter.NewRegistry()
	s := r.Stream("sales")
	t := s.Begin(2)
	t.Restore(30, 100)
	t.Run(7, []task.Line{line("input", 10, 10, 0, 0)}, meter.Live{
		Ends: func(i int) (meter.End, bool) {
			return meter.End{Offset: 100, Newest: 9000}, i == 0
		},
		Disk: func() int64 { return 4096 },
	})
	t.Stand(2500, true, []meter.Source{
		{Topic: "orders", Partition: 2, Next: 60, Seen: 4500, Waiting: 5, Holder: true},
		{Topic: "items", Partition: 2, Next: 8, Seen: event.MinTime, Waited: true, Idle: true},
	})
	t.Commit([]task.Line{line("input", 14, 14, 0, 0), line("join", 14, 9, 3, 2)})
	t.Store([]state.Usage{{Operator: "join", Keys: 11, Memory: 2000, Hits: 5, Misses: 1}})
	s.Committed(meter.PhaseState, 20*time.Millisecond)
	s.CommitFailed()
	s.Restarted()
	s.Rebalanced(meter.Lost)
	s.Rows("funnel", "written", 12)
	s.Acknowledged(12, 300*time.Millisecond)
	return r, s, t
}

func TestFigures(t *testing.T) {
	r, _, _ := busy()
	got := scrape(t, r)
	expect(t, got, map[string]float64{
		"tidemark_tasks{running,sales}":                             1,
		"tidemark_tasks{restoring,sales}":                           0,
		"tidemark_watermark_timestamp_seconds{sales,2}":             2.5,
		"tidemark_watermark_holder{2,sales,2,orders}":               1,
		"tidemark_watermark_holder{2,sales,2,items}":                0,
		"tidemark_merge_waits{2,sales,2,items}":                     1,
		"tidemark_partition_idle{2,sales,2,items}":                  1,
		"tidemark_merged_timestamp_seconds{2,sales,2,orders}":       4.5,
		"tidemark_lag_records{2,sales,2,orders}":                    40,
		"tidemark_lag_seconds{2,sales,2,orders}":                    4.5,
		"tidemark_waiting_records{2,sales,2,orders}":                5,
		"tidemark_events_total{input,sales,2,orders}":               4, // ten are of runs before this process
		"tidemark_events_total{join,sales,2,orders}":                14,
		"tidemark_event_outcomes_total{join,late,sales,2,orders}":   2,
		"tidemark_event_outcomes_total{join,passed,sales,2,orders}": 9,
		"tidemark_event_outcomes_total{join,orphan,sales,2,orders}": 0,
		"tidemark_held_events{join,sales,2,orders}":                 3,
		"tidemark_state_keys{join,sales,2}":                         11,
		"tidemark_state_memory_bytes{join,sales,2}":                 2000,
		"tidemark_state_disk_bytes{sales,2}":                        4096,
		"tidemark_state_lookups_total{join,hit,sales,2}":            5,
		"tidemark_state_lookups_total{join,miss,sales,2}":           1,
		"tidemark_commit_duration_seconds{state,sales}":             1,
		"tidemark_commit_duration_seconds{outputs,sales}":           0,
		"tidemark_commit_failures_total{sales}":                     1,
		"tidemark_task_restarts_total{sales}":                       1,
		"tidemark_restored_records_total{sales}":                    30,
		"tidemark_restore_remaining_records{sales,2}":               0,
		"tidemark_rebalances_total{lost,sales}":                     1,
		"tidemark_rebalances_total{assigned,sales}":                 0,
		"tidemark_pg_upsert_rows_total{written,sales,funnel}":       12,
		"tidemark_row_latency_seconds{sales}":                       12,
	})
	for _, unknown := range []string{"tidemark_lag_records{2,sales,2,items}", "tidemark_lag_seconds{2,sales,2,items}", "tidemark_merged_timestamp_seconds{2,sales,2,items}"} {
		if v, ok := got[unknown]; ok {
			t.Errorf("%s is %v, which nobody knows", unknown, v)
		}
	}
	for _, d := range Definitions() {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(s string) bool { return strings.HasPrefix(s, d.Name+"{") }) {
			t.Errorf("%s is defined and not told", d.Name)
		}
	}
}

// Names, types and units follow Prometheus' conventions.
func TestNames(t *testing.T) {
	r, _, _ := busy()
	problems, err := testutil.CollectAndLint(&Collector{r})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, d := range Definitions() {
		if !strings.HasPrefix(d.Name, "tidemark_") || !slices.Contains(d.Labels, "stream") {
			t.Errorf("%s %v: every metric is of a stream of Tidemark", d.Name, d.Labels)
		}
		if strings.HasSuffix(d.Name, "_total") != (d.Kind == Counter) {
			t.Errorf("%s is a %s", d.Name, d.Kind)
		}
	}
}

// What a task stands at is gone with it, what it has counted stays.
func TestTaskMovesAway(t *testing.T) {
	r, s, here := busy()
	before := scrape(t, r)
	here.End()
	after := scrape(t, r)
	for _, d := range Definitions() {
		for series, v := range before {
			if !strings.HasPrefix(series, d.Name+"{") {
				continue
			}
			now, there := after[series]
			switch {
			case d.Kind != Gauge && (!there || now < v):
				t.Errorf("%s was %v and is %v (there: %v)", series, v, now, there)
			case d.Kind == Gauge && there && d.Name != "tidemark_tasks":
				t.Errorf("%s is %v after the task has gone", series, now)
			}
		}
	}
	expect(t, after, map[string]float64{"tidemark_tasks{running,sales}": 0})

	// Another process had it meanwhile, and has counted what it has committed.
	here = s.Begin(2)
	here.Run(12, []task.Line{line("input", 500, 500, 0, 0), line("join", 500, 490, 8, 2)}, meter.Live{})
	back := scrape(t, r)
	expect(t, back, map[string]float64{
		"tidemark_events_total{input,sales,2,orders}": 4,
		"tidemark_held_events{join,sales,2,orders}":   8,
	})
	here.Commit([]task.Line{line("input", 501, 501, 0, 0), line("join", 501, 492, 7, 2)})
	expect(t, scrape(t, r), map[string]float64{
		"tidemark_events_total{input,sales,2,orders}":               5,
		"tidemark_event_outcomes_total{join,passed,sales,2,orders}": 11,
		"tidemark_held_events{join,sales,2,orders}":                 7,
	})
}

// A run that is repeated counts what it commits, once.
func TestGenerations(t *testing.T) {
	r := meter.NewRegistry()
	here := r.Stream("sales").Begin(0)
	in := func(want float64) {
		t.Helper()
		expect(t, scrape(t, r), map[string]float64{"tidemark_events_total{input,sales,0,orders}": want})
	}
	account := func(n int64) []task.Line { return []task.Line{line("input", n, n, 0, 0)} }
	here.Run(1, account(0), meter.Live{})
	in(0)
	here.Commit(account(10))
	in(10)
	here.Close() // what came behind the commit is lost
	here.Run(2, account(10), meter.Live{})
	in(10)
	here.Close() // a commit has come about, and its answer was lost
	here.Run(3, account(25), meter.Live{})
	in(25)
	here.Close() // an operator, or the whole stream, starts afresh
	here.Run(4, account(0), meter.Live{})
	in(25)
	here.Commit(account(5))
	in(30)
}

// While a stream is reloaded two instances have the same task.
func TestOverlap(t *testing.T) {
	r, s, old := busy()
	next := s.Begin(2)
	expect(t, scrape(t, r), map[string]float64{"tidemark_tasks{restoring,sales}": 1, "tidemark_tasks{running,sales}": 0})
	old.End()
	next.Run(8, nil, meter.Live{})
	expect(t, scrape(t, r), map[string]float64{"tidemark_tasks{restoring,sales}": 0, "tidemark_tasks{running,sales}": 1})
}

// Who looks asks nothing of a run that is over.
func TestNobodyIsAskedAfterTheEnd(t *testing.T) {
	r := meter.NewRegistry()
	s := r.Stream("sales")
	for range 100 {
		here := s.Begin(0)
		open := true
		here.Run(1, nil, meter.Live{Disk: func() int64 {
			if !open {
				t.Error("asked after the end")
			}
			return 0
		}})
		read := make(chan struct{})
		go func() { defer close(read); s.Read() }()
		here.Close()
		open = false
		<-read
		here.End()
	}
}

// The oldest record counts, in seconds, by the row.
func TestBuckets(t *testing.T) {
	r := meter.NewRegistry()
	s := r.Stream("sales")
	s.Begin(0)
	s.Acknowledged(3, 250*time.Millisecond) // a bound belongs to its bucket
	s.Acknowledged(2, 251*time.Millisecond)
	s.Acknowledged(1, time.Hour)
	d := s.Read().Latency
	if n := d.Below[250*time.Millisecond]; n != 3 {
		t.Errorf("%d of at most 250 ms", n)
	}
	if n := d.Below[500*time.Millisecond]; n != 5 {
		t.Errorf("%d of at most 500 ms", n)
	}
	if d.Count != 6 || d.Sum != 3*250*time.Millisecond+2*251*time.Millisecond+time.Hour {
		t.Errorf("%d in %v", d.Count, d.Sum)
	}
}
