package task_test

import (
	"cmp"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// schema of the rows of the probe: a number, and how long after the earliest time
// that it may the row sets a timer; null for none.
var schema = event.NewSchema("t", "n", "timer")

// probe writes down all that happens to it, and sets the timers that its rows ask for.
type probe struct {
	timers state.Timers[string]
	log    []string
	fired  event.Time
}

func (p *probe) Bind(in task.Shape) (task.Shape, error) {
	p.fired = event.MinTime
	return in, nil
}

func (p *probe) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		r := &rows[i]
		p.Advance(r.Watermark, out)
		name := fmt.Sprint(r.Values[0].Int())
		p.log = append(p.log, fmt.Sprintf("row %s at %d, watermark %d", name, r.Time, r.Watermark))
		if v := r.Values[1]; !v.IsNull() {
			p.timers.Set(earliest(r).Add(event.Duration(v.Int())), name)
		}
		out.Pass(r)
	}
}

// earliest is the earliest time for which a row may set a timer.
func earliest(r *event.Row) event.Time { return max(r.Time, r.Watermark) }

func (p *probe) Restore() error { return nil }

func (p *probe) Advance(w event.Time, out *task.Output) {
	for t := p.timers.Next(); t < w; t = p.timers.Next() {
		name, _ := p.timers.Pop(t)
		p.log = append(p.log, fmt.Sprintf("timer %d of %s", t, name))
		out.Emit(event.Row{Time: t, Watermark: t, Schema: schema, Values: []event.Value{event.StringOf("timer of " + name), {}}})
	}
}

func (p *probe) Flush(event.Time, *task.Output) bool { return false }

// record makes a record that the probe understands.
func record(source, n int, at event.Time, timer event.Value) event.Row {
	return event.Row{
		Time: at, Schema: schema, Values: []event.Value{event.IntOf(int64(n)), timer},
		Source: &event.Source{Topic: fmt.Sprint("t", source), Offset: int64(n)},
	}
}

// backlog draws the records of some partitions; sorted says whether they are in the order of their times.
func backlog(t *rapid.T, sorted bool) [][]event.Row {
	parts := make([][]event.Row, rapid.IntRange(1, 4).Draw(t, "sources"))
	n := 0
	for s := range parts {
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			var timer event.Value
			if rapid.Bool().Draw(t, "timer") {
				timer = event.IntOf(rapid.Int64Range(0, 20).Draw(t, "after"))
			}
			parts[s] = append(parts[s], record(s, n, event.Time(rapid.Int64Range(-40, 40).Draw(t, "at")), timer))
			n++
		}
		if sorted {
			slices.SortStableFunc(parts[s], func(a, b event.Row) int { return cmp.Compare(a.Time, b.Time) })
		}
	}
	return parts
}

// expected is what the probe has to write down of a backlog, by the rules, one
// record at a time, and the records that lie in the future.
func expected(parts [][]event.Row, ooo event.Duration, horizon event.Time) (log, future []string) {
	type timer struct {
		at   event.Time
		name string
	}
	var timers []timer
	fire := func(w event.Time) {
		slices.SortStableFunc(timers, func(a, b timer) int { return cmp.Compare(a.at, b.at) })
		for len(timers) > 0 && timers[0].at < w {
			log = append(log, fmt.Sprintf("timer %d of %s", timers[0].at, timers[0].name))
			timers = timers[1:]
		}
	}
	at := make([]int, len(parts))
	seen := slices.Repeat([]event.Time{event.MinTime}, len(parts))
	w := event.MinTime
	for {
		next := -1
		for s := range parts {
			if at[s] < len(parts[s]) && (next < 0 || parts[s][at[s]].Time < parts[next][at[next]].Time) {
				next = s
			}
		}
		if next < 0 {
			break
		}
		r := parts[next][at[next]]
		if r.Time > horizon {
			at[next]++
			future = append(future, fmt.Sprint(r.Values[0].Int(), " at ", r.Time))
			continue
		}
		seen[next] = max(seen[next], r.Time)
		low := event.MaxTime
		for s := range parts {
			if at[s] < len(parts[s]) {
				low = min(low, seen[s].Add(-ooo))
			}
		}
		w = max(w, low)
		at[next]++
		fire(w)
		r.Watermark = w
		log = append(log, fmt.Sprintf("row %d at %d, watermark %d", r.Values[0].Int(), r.Time, w))
		if v := r.Values[1]; !v.IsNull() {
			timers = append(timers, timer{earliest(&r).Add(event.Duration(v.Int())), fmt.Sprint(r.Values[0].Int())})
		}
	}
	fire(event.MaxTime)
	return log, future
}
