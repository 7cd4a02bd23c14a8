package main

import (
	"fmt"
	"strings"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
)

// fill replaces what stands between the marks of a block.
func fill(text, name, block string) (string, error) {
	begin, end := "<!-- measured: "+name+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf("%s has no block %q", page, name)
	}
	return before + begin + "\n" + block + "\n" + end + after, nil
}

func rows(head string, lines ...string) string {
	columns := strings.Count(head, "|") - 1
	return head + "\n|" + strings.Repeat("---|", columns) + "\n" + strings.Join(lines, "\n") + "\n"
}

func machine(m report.Machine) string {
	return fmt.Sprintf("Measured on %s: %s, %d CPUs (%s), %.0f GiB, %s, Kafka %s, Postgres %s, all on this one machine.\n\n",
		m.Date, m.OS, m.CPUs, m.CPU, float64(m.MemoryMiB)/1024, m.Go, m.Kafka, m.Postgres)
}

func goals(f *report.File) string {
	var lines []string
	for _, g := range f.Goals {
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |", g.What, g.Figure(), g.Wanted(), g.Verdict()))
	}
	return machine(f.Machine) + rows("| goal | median | wanted | |", lines...)
}

func throughput(f *report.File) string {
	var lines []string
	for _, all := range [][]report.Drain{f.Throughput, f.Large} {
		for _, engine := range []string{report.Floor, report.Tidemark} {
			runs := report.Of(engine, all)
			if len(runs) == 0 {
				continue
			}
			median := func(figure func(report.Drain) float64) float64 { return report.MedianOf(runs, figure) }
			lines = append(lines, fmt.Sprintf("| %s | %s | %d | %s | %.2f | %.2f | %.2f | %.0f |", count(float64(runs[0].Events)), engine, len(runs),
				count(median(report.Drain.Rate)), median(func(d report.Drain) float64 { return d.Drain }), median(func(d report.Drain) float64 { return d.Wall }),
				median(report.Drain.CPUMillion), median(report.Drain.PeakMiB)))
		}
	}
	return rows("| events | engine | runs | events/s | seconds | from start to end | CPU s per 1 M | peak MiB |", lines...)
}

func latency(f *report.File) string {
	byRate := map[int][]report.Latency{}
	var order []int
	for _, l := range f.Latency {
		if byRate[l.Rate] == nil {
			order = append(order, l.Rate)
		}
		byRate[l.Rate] = append(byRate[l.Rate], l)
	}
	var lines []string
	for _, rate := range order {
		median := func(figure func(report.Latency) float64) float64 { return report.MedianOf(byRate[rate], figure) }
		lines = append(lines, fmt.Sprintf("| %s | %s | %d | %.1f | %.1f | %.1f | %.2f | %.0f |", count(float64(rate)),
			count(median(func(l report.Latency) float64 { return l.Reached })), len(byRate[rate]),
			median(func(l report.Latency) float64 { return l.P50 }), median(func(l report.Latency) float64 { return l.P99 }),
			median(func(l report.Latency) float64 { return l.Max }), median(func(l report.Latency) float64 { return l.CPU }),
			median(func(l report.Latency) float64 { return float64(l.PeakRSS >> 20) })))
	}
	return rows("| events/s | sent/s | runs | p50 ms | p99 ms | max ms | CPU cores | peak MiB |", lines...)
}

func restarts(f *report.File) string {
	var lines []string
	if len(f.Recovery) > 0 {
		lines = append(lines, fmt.Sprintf("| kill -9 half way through a backlog, to the first new row | %d | %.2f s |", len(f.Recovery),
			report.MedianOf(f.Recovery, func(r report.Recovery) float64 { return r.Seconds })))
	}
	if r := f.Restart; r != nil {
		lines = append(lines,
			fmt.Sprintf("| kill -9 of a live stream, to the first new row, with the local store | 5 | %.2f s |", r.WithStore/1000),
			fmt.Sprintf("| the same, the local store lost: from the changelog | 5 | %.2f s |", r.FromChangelog/1000))
	}
	if r := f.Reload; r != nil {
		lines = append(lines,
			fmt.Sprintf("| reload of a live stream by a request, to the first new row | 9 | %.2f s |", r.Request/1000),
			fmt.Sprintf("| the same by its file, from when that is saved | 9 | %.2f s |", max(r.Written, r.Replaced)/1000))
	}
	if r := f.Restore; r != nil {
		lines = append(lines, fmt.Sprintf("| start and restore of %s changelog records, without a local store | 1 | %.2f s |", count(float64(r.Records)), r.Seconds))
	}
	return rows("| from the start of the process | runs | median |", lines...)
}

func table(f *report.File) string {
	var lines []string
	for _, p := range f.Scaling {
		runs := report.Of(report.Tidemark, p.Drains)
		lines = append(lines, fmt.Sprintf("| %s | %s | %d | %s | %.2f | %s | %s | %.2f | %.2f | %.0f | %d |", p.Name, count(float64(p.Events)), p.Partitions,
			count(float64(p.LiveOrders)), float64(p.Rows)/float64(p.Events), count(report.MedianOf(runs, report.Drain.Rate)),
			count(report.MedianOf(report.Of(report.Floor, p.Drains), report.Drain.Rate)), report.Ratio(p.Drains),
			report.MedianOf(runs, report.Drain.CPUMillion), report.MedianOf(runs, report.Drain.PeakMiB), len(runs)))
	}
	text := machine(f.Machine) + rows("| workload | events | partitions | live orders | rows per event | events/s | floor's | ratio | CPU s per 1 M | peak MiB | runs |", lines...)
	if len(f.LeftOut) > 0 {
		text += "\nLeft out, as time was up: " + strings.Join(f.LeftOut, "; ") + ".\n"
	}
	return text
}

// count is a number with three figures.
func count(v float64) string {
	switch {
	case v >= 999_500:
		return fmt.Sprintf("%.3g M", v/1e6)
	case v >= 1000:
		return fmt.Sprintf("%.3g k", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}
