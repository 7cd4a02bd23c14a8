package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// figures are what one run of an engine cost.
type figures struct {
	Engine  string  `json:"engine"`
	Records int64   `json:"records"`
	Wall    float64 `json:"seconds_from_start"`   // from the start of the process to its end
	Drain   float64 `json:"seconds_from_reading"` // from its readiness to read
	CPU     float64 `json:"cpu_seconds"`          // of the process, user and system
	PeakRSS int64   `json:"peak_rss_bytes"`
	Others  float64 `json:"other_cpu_seconds"` // of everything else on the machine, servers included; 0 if unknown
}

func (f figures) rate() float64       { return float64(f.Records) / f.Drain }
func (f figures) cpuMillion() float64 { return f.CPU / float64(f.Records) * 1e6 }

type report []figures

func (r report) of(engine string) (runs report) {
	for _, f := range r {
		if f.Engine == engine {
			runs = append(runs, f)
		}
	}
	return runs
}

// medianOf is the middle of a figure over the runs.
func (r report) medianOf(figure func(figures) float64) float64 {
	var all []float64
	for _, f := range r {
		all = append(all, figure(f))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// ratio is the median of Tidemark's rate over the floor's, each pair of runs one after
// the other, so that what slows the machine slows both.
func (r report) ratio() float64 {
	floor, tidemark := r.of(floorEngine), r.of(tidemarkEngine)
	var all []float64
	for i := range tidemark {
		all = append(all, tidemark[i].rate()/floor[i].rate())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func (r report) print(b *testing.B) {
	b.Helper()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "engine\tevents/s\tfrom start\tseconds\tCPU s\tCPU s per 1 M\tpeak MiB\tothers' CPU s\t")
	for _, f := range r {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%d\t%.2f\t\n", f.Engine, f.rate(), float64(f.Records)/f.Wall,
			f.Drain, f.CPU, f.cpuMillion(), f.PeakRSS>>20, f.Others)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d records, every row as the oracle has it; ratio to the floor %.3f\n%s", r[0].Records, r.ratio(), text.String())
}

func (r report) metrics(b *testing.B) {
	b.ReportMetric(0, "ns/op") // a run's own time says nothing
	for _, engine := range []string{floorEngine, tidemarkEngine} {
		runs := r.of(engine)
		b.ReportMetric(runs.medianOf(figures.rate), engine+"-events/s")
		b.ReportMetric(runs.medianOf(figures.cpuMillion), engine+"-cpu-s/M")
		b.ReportMetric(runs.medianOf(func(f figures) float64 { return float64(f.PeakRSS >> 20) }), engine+"-peak-MiB")
	}
	b.ReportMetric(r.ratio(), "ratio")
}

// seconds of a duration, for the figures.
func seconds(d time.Duration) float64 { return d.Seconds() }
