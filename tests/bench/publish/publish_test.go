package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
)

const docs = "../../../docs"

// What is published is what publish makes of the figures that lie beside it.
func TestDocsAreFresh(t *testing.T) {
	files, err := publish(docs)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil || string(got) != want {
			t.Errorf("%s is stale (%v): run make bench-docs", name, err)
		}
	}
}

func TestFill(t *testing.T) {
	const before = "a\n<!-- measured: x -->\nold\n<!-- end -->\nb\n<!-- measured: y -->\n<!-- end -->\n"
	got, err := fill(before, "x", "new\n")
	if want := strings.Replace(before, "old\n", "\nnew\n\n", 1); err != nil || got != want {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
	if _, err := fill(before, "z", ""); err == nil {
		t.Error("a block that is not there was filled")
	}
}

// A chart is well-formed, and every point of it lies within the frame, at its place.
func TestChart(t *testing.T) {
	drains := func(seconds float64) []report.Drain {
		return []report.Drain{
			{Engine: report.Floor, Records: 1000, Drain: seconds / 2, PeakRSS: 1 << 30},
			{Engine: report.Tidemark, Records: 1000, Drain: seconds, PeakRSS: 2 << 30},
		}
	}
	points := []report.Point{
		{Charts: []string{"events"}, Events: 10_000, Drains: drains(1)},
		{Charts: []string{"events"}, Events: 100, Drains: drains(2)},
		{Charts: []string{"events"}, Events: 1000, Drains: drains(4)},
		{Events: 7, Drains: drains(9)}, // part of none
	}
	all := charts(points)
	if len(all) != 3 {
		t.Fatal(len(all))
	}
	svg := all[0].svg()
	decoder := xml.NewDecoder(strings.NewReader(svg))
	circles := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			circles++
		}
	}
	if circles != 9 { // three points of three series
		t.Errorf("%d points", circles)
	}
	// Tidemark's 500, 250 and 1000 events/s of at most 2000, over 100, 1000 and 10000 events.
	const line = `points="80.0,169.0 345.0,191.5 610.0,124.0"`
	if !strings.Contains(svg, line) {
		t.Errorf("no %s in\n%s", line, svg)
	}
}

func TestStep(t *testing.T) {
	for most, want := range map[float64]float64{0: 1, 9: 1, 4: 1, 3: 0.5, 1: 0.25, 520_000: 100_000} {
		if got := stepFor(most); got != want {
			t.Errorf("%v: %v, want %v", most, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 12: "12", 999: "999", 1500: "1.5 k", 72_600: "72.6 k", 999_999: "1 M", 16e6: "16 M"} {
		if got := count(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
