package report

import (
	"fmt"
	"slices"
)

// Goal is a bound that a figure ought to keep, and whether it does.
type Goal struct {
	What     string   `json:"goal"`
	Unit     string   `json:"unit,omitempty"`
	Bound    float64  `json:"bound"`
	AtLeast  bool     `json:"at_least,omitempty"` // the bound is a lower one
	Aim      float64  `json:"aim,omitempty"`      // what is hoped for beyond the bound
	Measured *float64 `json:"measured,omitempty"` // median; absent where it was not measured
	Met      bool     `json:"met"`
}

// Sizes of the workload for which there are goals of memory.
const (
	million    = 1_000_000
	tenMillion = 10 * million
)

// judge holds what was measured against the goals.
func (f *File) judge() []Goal {
	tidemark := Of(Tidemark, f.Throughput)
	size := func(events int) []Drain {
		var runs []Drain
		for _, d := range Of(Tidemark, slices.Concat(f.Throughput, f.Large)) {
			if d.Events == events {
				runs = append(runs, d)
			}
		}
		return runs
	}
	latency := func(rate int) []Latency {
		var runs []Latency
		for _, l := range f.Latency {
			if l.Rate == rate {
				runs = append(runs, l)
			}
		}
		return runs
	}
	p50 := func(l Latency) float64 { return l.P50 }
	p99 := func(l Latency) float64 { return l.P99 }
	var reloads []float64
	if f.Reload != nil {
		reloads = append(reloads, max(f.Reload.Written, f.Reload.Replaced)/1000)
	}
	return []Goal{
		judged(Goal{What: "events/s to the floor's", Bound: 0.6, AtLeast: true, Aim: 0.8}, len(tidemark), Ratio(f.Throughput)),
		judged(Goal{What: "CPU for 1 M events", Unit: "s", Bound: 3.5}, len(tidemark), MedianOf(tidemark, Drain.CPUMillion)),
		judged(Goal{What: "peak RSS at 1 M events", Unit: "MiB", Bound: 350}, len(size(million)), MedianOf(size(million), Drain.PeakMiB)),
		judged(Goal{What: "peak RSS at 10 M events", Unit: "MiB", Bound: 500}, len(size(tenMillion)), MedianOf(size(tenMillion), Drain.PeakMiB)),
		judged(Goal{What: "p50 latency at 5 k events/s", Unit: "ms", Bound: 60}, len(latency(5000)), MedianOf(latency(5000), p50)),
		judged(Goal{What: "p50 latency at 20 k events/s", Unit: "ms", Bound: 60}, len(latency(20000)), MedianOf(latency(20000), p50)),
		judged(Goal{What: "p99 latency at 20 k events/s", Unit: "ms", Bound: 250}, len(latency(20000)), MedianOf(latency(20000), p99)),
		judged(Goal{What: "new rows after kill -9", Unit: "s", Bound: 1.5}, len(f.Recovery), MedianOf(f.Recovery, func(r Recovery) float64 { return r.Seconds })),
		judged(Goal{What: "new rows after a file is saved", Unit: "s", Bound: 1}, len(reloads), Median(reloads)),
	}
}

func judged(g Goal, runs int, median float64) Goal {
	if runs > 0 {
		g.Measured = &median
		g.Met = g.AtLeast == (median >= g.Bound) || median == g.Bound
	}
	return g
}

// Wanted is the bound as text.
func (g Goal) Wanted() string {
	sign := "≤"
	if g.AtLeast {
		sign = "≥"
	}
	text := sign + " " + g.number(g.Bound)
	if g.Aim != 0 {
		text += fmt.Sprintf(" (aim %s)", g.number(g.Aim))
	}
	return text
}

// Figure is what was measured as text.
func (g Goal) Figure() string {
	if g.Measured == nil {
		return "–"
	}
	return g.number(*g.Measured)
}

// Verdict is whether the goal is met as text.
func (g Goal) Verdict() string {
	switch {
	case g.Measured == nil:
		return "not measured"
	case g.Met:
		return "met"
	}
	return "NOT MET"
}

func (g Goal) number(v float64) string {
	switch g.Unit {
	case "":
		return fmt.Sprintf("%.2f", v)
	case "s":
		return fmt.Sprintf("%.2f s", v)
	}
	return fmt.Sprintf("%.0f %s", v, g.Unit)
}
