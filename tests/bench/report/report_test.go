package report

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func drain(engine string, events int, seconds, cpu float64, mib int64) Drain {
	return Drain{Engine: engine, Events: events, Records: int64(events), Drain: seconds, CPU: cpu, PeakRSS: mib << 20}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 1: {1}, 3: {3, 1, 9}, 5: {5, 1}} {
		if got := Median(values); got != want {
			t.Errorf("%v: %v, want %v", values, got, want)
		}
	}
}

// Runs are compared in pairs: the machine was slow for the second one.
func TestRatio(t *testing.T) {
	got := Ratio([]Drain{
		drain(Floor, 100, 1, 0, 0), drain(Tidemark, 100, 2, 0, 0),
		drain(Floor, 100, 10, 0, 0), drain(Tidemark, 100, 20, 0, 0),
		drain(Floor, 100, 1, 0, 0), drain(Tidemark, 100, 4, 0, 0),
	})
	if got != 0.5 {
		t.Error(got)
	}
}

func TestGoals(t *testing.T) {
	f := &File{
		Throughput: []Drain{drain(Floor, 1_000_000, 6, 1, 1), drain(Tidemark, 1_000_000, 10, 3.6, 350)},
		Latency:    []Latency{{Rate: 20_000, P50: 61, P99: 250}},
		Recovery:   []Recovery{{Seconds: 9}, {Seconds: 1.4}, {Seconds: 1.2}},
		Reload:     &Reload{Request: 2000, Written: 700, Replaced: 900},
	}
	want := map[string]string{
		"events/s to the floor's":        "0.60 met",
		"CPU for 1 M events":             "3.60 s NOT MET",
		"peak RSS at 1 M events":         "350 MiB met",
		"peak RSS at 10 M events":        "– not measured",
		"p50 latency at 5 k events/s":    "– not measured",
		"p50 latency at 20 k events/s":   "61 ms NOT MET",
		"p99 latency at 20 k events/s":   "250 ms met",
		"new rows after kill -9":         "1.40 s met",
		"new rows after a file is saved": "0.90 s met",
	}
	got := map[string]string{}
	for _, g := range f.judge() {
		got[g.What] = g.Figure() + " " + g.Verdict()
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var text strings.Builder
	if err := f.Print(&text); err != nil {
		t.Fatal(err)
	}
	const end = "\nFalls short: CPU for 1 M events (3.60 s, wanted ≤ 3.50 s); p50 latency at 20 k events/s (61 ms, wanted ≤ 60 ms).\n"
	if !strings.HasSuffix(text.String(), end) {
		t.Errorf("%s\nwant at the end: %s", text.String(), end)
	}
	f.Throughput[1].CPU, f.Latency[0].P50 = 3.5, 60
	text.Reset()
	if err := f.Print(&text); err != nil || !strings.HasSuffix(text.String(), "\nEverything that was measured meets its goal.\n") {
		t.Errorf("%v\n%s", err, text.String())
	}
}

func TestWriteAndRead(t *testing.T) {
	f := &File{Machine: Machine{CPUs: 2}, Restore: &Restore{Records: 7}, Scaling: []Point{{Name: "a", Drains: []Drain{drain(Floor, 1, 2, 3, 4)}}}}
	path := filepath.Join(t.TempDir(), "f.json")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("%v: %+v, want %+v", err, got, f)
	}
}
