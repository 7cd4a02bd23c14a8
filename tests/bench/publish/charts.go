package main

import (
	"cmp"
	"slices"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
)

// charts are those that the points of the scaling benchmark are part of.
func charts(points []report.Point) []chart {
	kinds := []struct {
		name, file, axis string
		x                func(report.Point) float64
	}{
		{"events", "performance-events.svg", "events in the backlog", func(p report.Point) float64 { return float64(p.Events) }},
		{"partitions", "performance-partitions.svg", "partitions of each topic", func(p report.Point) float64 { return float64(p.Partitions) }},
		{"live orders", "performance-live-orders.svg", "orders that are remembered at a time", func(p report.Point) float64 { return float64(p.LiveOrders) }},
	}
	var all []chart
	for _, k := range kinds {
		var of []report.Point
		for _, p := range points {
			if slices.Contains(p.Charts, k.name) && len(p.Drains) > 0 {
				of = append(of, p)
			}
		}
		slices.SortFunc(of, func(a, b report.Point) int { return cmp.Compare(k.x(a), k.x(b)) })
		line := func(engine, color string, y func(report.Drain) float64) series {
			s := series{name: engine, color: color}
			for _, p := range of {
				s.x = append(s.x, k.x(p))
				s.y = append(s.y, report.MedianOf(report.Of(engine, p.Drains), y))
			}
			return s
		}
		all = append(all, chart{file: k.file, axis: k.axis, panels: []panel{
			{"events/s", []series{line(report.Tidemark, "#0b6e99", report.Drain.Rate), line(report.Floor, "#8a8a8a", report.Drain.Rate)}},
			{"peak MiB", []series{line(report.Tidemark, "#0b6e99", report.Drain.PeakMiB)}},
		}})
	}
	return all
}
