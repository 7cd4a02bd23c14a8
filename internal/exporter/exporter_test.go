package exporter

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"

	_ "github.com/tidemark-streams/tidemark/plugins"
)

// page is what the handler tells.
func page(t *testing.T, h http.Handler, accept string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// One endpoint tells the metrics of Benthos and ours, for a config that says prometheus.
func TestOneEndpoint(t *testing.T) {
	mux := http.NewServeMux()
	b := service.NewStreamBuilder()
	b.SetHTTPMux(mux)
	if err := b.SetYAML(`
metrics: { prometheus: { use_histogram_timing: true, add_go_metrics: true } }
logger: { level: OFF }
input:
  stateful:
    name: exporter
    state_dir: ` + t.TempDir() + `
    event_time: root = this.at
    input: { generate: { count: 20, interval: "", mapping: 'root = {"id": count("exporter"), "at": now()}' } }
    processors:
      - label: once
        dedup: { key: id, ttl: 1m }
output: { drop: {} }
`); err != nil {
		t.Fatal(err)
	}
	s, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := page(t, mux, "")
	for _, want := range []string{
		"input_received{", "input_latency_ns_bucket{", "go_goroutines ",
		`tidemark_events_total{operator="once",stream="exporter",task="0",topic="exporter"} 20`,
		`tidemark_event_outcomes_total{operator="once",outcome="passed",stream="exporter",task="0",topic="exporter"} 20`,
		`tidemark_row_latency_seconds_count{stream="exporter"} 20`,
		`tidemark_tasks{state="running",stream="exporter"} 0`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "tidemark_state_keys{") {
		t.Error("the gauges of a stream that has ended are told")
	}
	if open := page(t, mux, "application/openmetrics-text; version=1.0.0"); !strings.Contains(open, "tidemark_events_total{") {
		t.Errorf("nothing for who asks for OpenMetrics:\n%s", open)
	}
}

// The fields of the stock exporter are taken and linted.
func TestConfig(t *testing.T) {
	l := service.GlobalEnvironment().NewComponentConfigLinter()
	for text, lints := range map[string]int{
		"prometheus: { histogram_buckets: [ 1, 2 ] }": 0,
		"prometheus: { no_such_field: 1 }":            1,
	} {
		if got, err := l.LintMetricsYAML([]byte(text)); err != nil || len(got) != lints {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

// A stream that is deleted leaves nothing, and one that comes again shows what is new.
func TestDeletedSeries(t *testing.T) {
	e := newTestExporter(t)
	count := e.NewCounterCtor("seen", "path", "stream")
	count("a", "one").Incr(1)
	count("b", "one").Incr(2)
	count("a", "two").Incr(3)
	e.DeleteSeriesPartialMatch(map[string]string{"stream": "one"})
	got := page(t, e.HandlerFunc(), "")
	if strings.Contains(got, `stream="one"`) || !strings.Contains(got, `seen{path="a",stream="two"} 3`) {
		t.Errorf("after the deletion:\n%s", got)
	}
	count("b", "one").Incr(5)
	got = page(t, e.HandlerFunc(), "")
	if strings.Contains(got, `path="a",stream="one"`) || !strings.Contains(got, `seen{path="b",stream="one"} 7`) {
		t.Errorf("after it came again:\n%s", got)
	}
	e.DeleteSeriesPartialMatch(map[string]string{"stream": "one"})
	if got = page(t, e.HandlerFunc(), ""); strings.Contains(got, `stream="one"`) {
		t.Errorf("after the second deletion:\n%s", got)
	}
}

func newTestExporter(t *testing.T) *exporter {
	t.Helper()
	var made *exporter
	view, _ := stock.GetMetricsConfig(name)
	spec, err := specOf(view)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := spec.ParseYAML("{}", stock)
	if err != nil {
		t.Fatal(err)
	}
	if made, err = newExporter(conf, service.MockResources().Logger()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close(t.Context()) })
	return made
}
