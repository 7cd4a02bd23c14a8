package window

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

var schema = event.NewSchema("t", "event_id", "g", "h", "v", "s", "ok")

// everything has each kind of aggregate, over all rows and over some of them.
func everything(t *rapid.T) []Aggregate {
	where, err := filter.Parse("this.ok")
	if err != nil {
		t.Fatal(err)
	}
	var list []Aggregate
	add := func(a Aggregate) {
		a.Name = fmt.Sprintf("%s_%s", a.Kind, a.Field)
		if a.Smallest {
			a.Name += "_smallest"
		}
		if rapid.Bool().Draw(t, a.Name) {
			list = append(list, a)
		}
		if rapid.Bool().Draw(t, a.Name+" where") {
			a.Name += "_ok"
			a.Where = where
			list = append(list, a)
		}
	}
	add(Aggregate{Kind: Count})
	for _, kind := range []string{Sum, Avg} {
		add(Aggregate{Kind: kind, Field: "v"})
	}
	for _, kind := range []string{Min, Max, First, Last, Distinct} {
		add(Aggregate{Kind: kind, Field: "v"})
		add(Aggregate{Kind: kind, Field: "s"})
	}
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	for _, smallest := range []bool{false, true} {
		add(Aggregate{Kind: Collect, Field: "s", Limit: limit, Smallest: smallest})
		add(Aggregate{Kind: Collect, Field: "v", Limit: limit, Smallest: smallest})
	}
	return list
}

func drawConfig(t *rapid.T) Config {
	c := Config{
		Label: "w", ID: "event_id", Aggregates: everything(t),
		Size:            event.Duration(rapid.IntRange(1, 20).Draw(t, "size")),
		Offset:          event.Duration(rapid.SampledFrom([]int{0, 0, 1, 7, 30}).Draw(t, "offset")),
		AllowedLateness: event.Duration(rapid.SampledFrom([]int{0, 0, 1, 10}).Draw(t, "lateness")),
		GroupBy:         rapid.SampledFrom([][]string{nil, {"g"}, {"g", "h"}}).Draw(t, "group"),
		OnUpdate:        rapid.Bool().Draw(t, "on_update"),
	}
	c.Slide = c.Size
	if rapid.Bool().Draw(t, "hopping") {
		c.Slide = event.Duration(rapid.IntRange(1, 25).Draw(t, "slide"))
	}
	return c
}

func drawRow(t *rapid.T, i int, text bool) event.Row {
	orNull := func(v event.Value, label string) event.Value {
		if rapid.IntRange(0, 5).Draw(t, label) == 0 {
			return event.Value{}
		}
		return v
	}
	v := event.DecimalOf(rapid.Int64Range(-300, 300).Draw(t, "cents"), 2)
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		v = event.IntOf(rapid.Int64Range(-3, 3).Draw(t, "int"))
	case 1:
		if text {
			v = event.StringOf("text")
		}
	}
	return event.Row{
		Schema: schema, Source: &event.Source{Topic: "x", Offset: int64(i)},
		Values: []event.Value{
			event.StringOf(fmt.Sprintf("%c%d", rune('a'+rapid.IntRange(0, 25).Draw(t, "id")), i)),
			orNull(event.StringOf(rapid.StringMatching("[ab]?").Draw(t, "g")), "g null"),
			orNull(event.IntOf(rapid.Int64Range(0, 1).Draw(t, "h")), "h null"),
			orNull(v, "v null"),
			orNull(event.StringOf(rapid.StringMatching("[x-z]{0,2}").Draw(t, "s")), "s null"),
			orNull(event.BoolOf(rapid.Bool().Draw(t, "ok")), "ok null"),
		},
	}
}

// figures is an emitted row as the model writes it.
func figures(r *event.Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %d time %d:", r.Watermark, r.Time)
	for i, f := range r.Schema.Fields {
		fmt.Fprintf(&b, " %s=%s", f, show(r.Values[i]))
	}
	return b.String()
}

// TestModel: every emission, reject and count is what the rules say, for windows of
// all kinds, before and after 1970, however the rows are cut into batches.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		delay := event.Duration(rapid.SampledFrom([]int{0, 0, 3, 40}).Draw(t, "delay"))
		mixed := rapid.IntRange(0, 3).Draw(t, "text among the numbers") == 0
		if mixed { // text and numbers have no order: only a sum tells them apart alike for any order
			cfg.Aggregates = slices.DeleteFunc(cfg.Aggregates, func(a Aggregate) bool {
				return a.Field == "v" && (a.Kind == Min || a.Kind == Max || a.Smallest)
			})
		}
		memory := state.NewMemory()
		op := New(cfg, memory)
		op.most = rapid.IntRange(1, 4).Draw(t, "panes of a flush")
		d := tasktest.New(t, task.Shape{Delay: delay}, task.Stage{Label: "op", Op: op})
		m := &model{cfg: cfg, delay: delay, panes: map[string]*rows{}, mark: event.MinTime}
		done, w := 0, event.MinTime
		check := func() {
			var got []string
			for i := range d.Sink.Rows[done:] {
				got = append(got, figures(&d.Sink.Rows[done+i]))
			}
			done = len(d.Sink.Rows)
			slices.Sort(got)
			if diff := tasktest.Diff(got, m.flush()); diff != "" {
				t.Fatalf("emitted %s", diff)
			}
		}
		for i := range rapid.IntRange(1, 40).Draw(t, "rows") {
			if rapid.IntRange(0, 3).Draw(t, "move") == 0 {
				if w == event.MinTime {
					w = event.Time(rapid.Int64Range(-60, 30).Draw(t, "mark"))
				} else {
					w += event.Time(rapid.Int64Range(0, 30).Draw(t, "by"))
				}
			}
			r := drawRow(t, i, mixed)
			base := max(w, -30).Add(-delay)
			r.Time, r.Watermark = base+event.Time(rapid.Int64Range(-40, 40).Draw(t, "at")), w
			d.Add(r)
			m.advance(w)
			m.add(r)
			if rapid.Bool().Draw(t, "cut") {
				d.Cut()
				d.Balance()
			}
			if rapid.IntRange(0, 5).Draw(t, "flush") == 0 {
				d.Flush()
				check()
			}
		}
		d.End()
		tasktest.Empty(t, memory)
		m.advance(event.MaxTime)
		check()
		var rejects []string
		for i := range d.Sink.Rejects {
			rejects = append(rejects, fmt.Sprint(d.Sink.Rejects[i].Reason, " ", d.Sink.Rejects[i].Row.Source.Offset))
		}
		if diff := tasktest.Diff(rejects, m.rejects); diff != "" {
			t.Fatalf("rejected %s", diff)
		}
		if got := d.Total("op"); got != m.counts {
			t.Fatalf("counts %v, want %v", got, m.counts)
		}
		if !slices.IsSortedFunc(d.Sink.Rows, func(a, b event.Row) int { return cmp.Compare(a.Watermark, b.Watermark) }) {
			t.Fatal("emissions go back in time")
		}
		if !cfg.OnUpdate {
			once(t, d.Sink.Rows, len(m.panes))
		}
	})
}

// last is the last row of each window and group.
func last(cfg Config, emitted []event.Row) map[string]string {
	finals := map[string]string{}
	for i := range emitted {
		r := &emitted[i]
		key := figures(&event.Row{Schema: event.NewSchema("", r.Schema.Fields[:3+len(cfg.GroupBy)]...), Values: r.Values})
		_, text, _ := strings.Cut(figures(r), ":")
		finals[key] = text
	}
	return finals
}

func once(t *rapid.T, emitted []event.Row, windows int) {
	if len(emitted) != windows {
		t.Fatalf("%d rows of %d windows", len(emitted), windows)
	}
}

// TestOrderIndependence: for any order of arrival within the watermark's bound, any
// batches and any flushes, the last rows are the same, and nothing is late.
func TestOrderIndependence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		var rows []event.Row
		for i := range rapid.IntRange(1, 40).Draw(t, "rows") {
			r := drawRow(t, i, false)
			r.Time = event.Time(rapid.Int64Range(-50, 50).Draw(t, "at"))
			rows = append(rows, r)
		}
		run := func(bound event.Duration) []string {
			memory := state.NewMemory()
			d := tasktest.Op(t, New(cfg, memory))
			for _, r := range tasktest.Arrive(t, rows, bound) {
				d.Add(r)
				if rapid.Bool().Draw(t, "cut") {
					d.Cut()
				}
				if rapid.IntRange(0, 5).Draw(t, "flush") == 0 {
					d.Flush()
				}
			}
			d.End()
			tasktest.Empty(t, memory)
			if len(d.Sink.Rejects) > 0 {
				t.Fatalf("rejected: %v", tasktest.RejectTexts(d.Sink.Rejects))
			}
			finals := last(cfg, d.Sink.Rows)
			if !cfg.OnUpdate {
				once(t, d.Sink.Rows, len(finals))
			}
			var texts []string
			for _, text := range finals {
				texts = append(texts, text)
			}
			slices.Sort(texts)
			return texts
		}
		if diff := tasktest.Diff(run(event.Duration(rapid.IntRange(0, 60).Draw(t, "bound"))), run(0)); diff != "" {
			t.Fatal(diff)
		}
	})
}
