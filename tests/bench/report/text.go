package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes the closing tables: every run of each benchmark that was made, then
// the goals.
func (f *File) Print(w io.Writer) error {
	p := &printer{w: w}
	m := f.Machine
	p.line("\n%s, %d CPUs (%s), %d MiB, %s, Kafka %s, Postgres %s", m.OS, m.CPUs, m.CPU, m.MemoryMiB, m.Go, m.Kafka, m.Postgres)
	p.drains(f.Throughput)
	p.drains(f.Large)
	p.latency(f.Latency)
	p.restarts(f)
	p.scaling(f.Scaling)
	if len(f.LeftOut) > 0 {
		p.line("\nLeft out, as time was up: %s.", strings.Join(f.LeftOut, "; "))
	}
	if len(f.Throughput)+len(f.Large)+len(f.Latency)+len(f.Recovery) > 0 {
		p.goals(f.judge())
	}
	return p.err
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); err != nil && p.err == nil {
		p.err = err
	}
}

// table writes cells that are parted by tabs, right-aligned.
func (p *printer) table(title string, rows []string) {
	p.line("\n%s", title)
	w := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range rows {
		fmt.Fprintln(w, r+"\t")
	}
	if err := w.Flush(); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *printer) drains(all []Drain) {
	if len(all) == 0 {
		return
	}
	rows := []string{"engine\tevents/s\tseconds\tfrom start to end\tCPU s per 1 M\tpeak MiB\tothers' CPU s"}
	add := func(name string, rate, drain, wall, cpu, peak, others float64) {
		rows = append(rows, fmt.Sprintf("%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.0f\t%.2f", name, rate, drain, wall, cpu, peak, others))
	}
	for _, d := range all {
		add(d.Engine, d.Rate(), d.Drain, d.Wall, d.CPUMillion(), d.PeakMiB(), d.Others)
	}
	for _, engine := range []string{Floor, Tidemark} {
		if runs := Of(engine, all); len(runs) > 1 {
			median := func(figure func(Drain) float64) float64 { return MedianOf(runs, figure) }
			add(engine+", median", median(Drain.Rate), median(func(d Drain) float64 { return d.Drain }), median(func(d Drain) float64 { return d.Wall }),
				median(Drain.CPUMillion), median(Drain.PeakMiB), median(func(d Drain) float64 { return d.Others }))
		}
	}
	p.table(fmt.Sprintf("Throughput: %d records to Postgres, every row as the oracle has it", all[0].Records), rows)
}

func (p *printer) latency(all []Latency) {
	if len(all) == 0 {
		return
	}
	rows := []string{"events/s\tsent/s\tprobes\tp50 ms\tp99 ms\tmax ms\tCPU cores\tpeak MiB"}
	for _, l := range all {
		rows = append(rows, fmt.Sprintf("%d\t%.0f\t%d\t%.1f\t%.1f\t%.1f\t%.2f\t%d", l.Rate, l.Reached, l.Probes, l.P50, l.P99, l.Max, l.CPU, l.PeakRSS>>20))
	}
	p.table("Latency: from the sending of an event to its row in Postgres, every row as the oracle has it", rows)
}

func (p *printer) restarts(f *File) {
	if len(f.Recovery) > 0 {
		rows := []string{"killed at\tseconds to new rows"}
		for _, r := range f.Recovery {
			rows = append(rows, fmt.Sprintf("%.0f %%\t%.2f", 100*r.Killed, r.Seconds))
		}
		p.table("Recovery: kill -9 amid a backlog, restart and restore, every row as the oracle has it", rows)
	}
	if r := f.Restart; r != nil {
		p.line("\nRestart of a live stream after kill -9, to the first new row: %.0f ms with the local store, %.0f ms from the changelog", r.WithStore, r.FromChangelog)
	}
	if r := f.Reload; r != nil {
		p.line("\nReload of a live stream, to the first new row: %.0f ms by request, %.0f ms by a file that is written, %.0f ms by one that is replaced", r.Request, r.Written, r.Replaced)
	}
	if r := f.Restore; r != nil {
		p.line("\nRestore from the changelog alone: %d records in %.2f s", r.Records, r.Seconds)
	}
}

func (p *printer) scaling(points []Point) {
	if len(points) == 0 {
		return
	}
	rows := []string{"workload\tevents\tpartitions\tlive orders\trows\tevents/s\tfloor\tratio\tCPU s per 1 M\tpeak MiB"}
	for _, q := range points {
		runs := Of(Tidemark, q.Drains)
		rows = append(rows, fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t%.2f\t%.2f\t%.0f", q.Name, q.Events, q.Partitions, q.LiveOrders, q.Rows,
			MedianOf(runs, Drain.Rate), MedianOf(Of(Floor, q.Drains), Drain.Rate), Ratio(q.Drains), MedianOf(runs, Drain.CPUMillion), MedianOf(runs, Drain.PeakMiB)))
	}
	p.table("Scaling: every row as the oracle has it", rows)
}

func (p *printer) goals(goals []Goal) {
	rows := []string{"goal\tmedian\twanted\t"}
	var short []string
	for _, g := range goals {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s", g.What, g.Figure(), g.Wanted(), g.Verdict()))
		if g.Measured != nil && !g.Met {
			short = append(short, fmt.Sprintf("%s (%s, wanted %s)", g.What, g.Figure(), g.Wanted()))
		}
	}
	p.table("Goals", rows)
	if len(short) == 0 {
		p.line("\nEverything that was measured meets its goal.")
		return
	}
	p.line("\nFalls short: %s.", strings.Join(short, "; "))
}
