package join

import (
	"cmp"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

var (
	orders   = event.NewSchema("order", "k", "n")
	items    = event.NewSchema("item", "k", "price")
	payments = event.NewSchema("payment", "n", "k", "ok")
)

func config(before, within event.Duration) Config {
	where, err := filter.Parse("this.ok")
	if err != nil {
		panic(err)
	}
	return Config{
		Key: "k", Anchor: "orders", Before: before, Within: within,
		Streams: []Stream{{Name: "items", Topic: "items"}, {Name: "payments", Topic: "payments", Where: where}},
	}
}

// row makes an event; n numbers it.
func row(topic, key string, at event.Time, n int, ok bool) event.Row {
	r := event.Row{Time: at, Source: &event.Source{Topic: topic, Offset: int64(n), Partition: 3, Value: []byte("v")}}
	k := event.StringOf(key)
	if key == "" {
		k = event.Value{}
	}
	switch topic {
	case "orders":
		r.Schema, r.Values = orders, []event.Value{k, event.IntOf(int64(n))}
	case "payments":
		r.Schema, r.Values = payments, []event.Value{event.IntOf(int64(n)), k, event.BoolOf(ok)}
	default:
		r.Schema, r.Values = items, []event.Value{k, event.IntOf(int64(n))}
	}
	return r
}

// schedule draws events of few keys with a watermark that never goes back, at the
// bounds of the join more often than by chance.
func schedule(t *rapid.T, cfg Config, delay event.Duration) []event.Row {
	w := event.MinTime
	var rows []event.Row
	var times []event.Time // of the events so far
	steps := []event.Duration{0, 1, cfg.Before, cfg.Before + 1, cfg.Within, cfg.Within + 1}
	step := rapid.SampledFrom(steps)
	for i := range rapid.IntRange(1, 40).Draw(t, "rows") {
		at := event.Time(rapid.Int64Range(-30, 30).Draw(t, "at"))
		if len(times) > 0 && rapid.IntRange(0, 3).Draw(t, "related") > 0 {
			at = rapid.SampledFrom(times).Draw(t, "to")
			if d := step.Draw(t, "by"); rapid.Bool().Draw(t, "earlier") {
				at -= event.Time(d)
			} else {
				at += event.Time(d)
			}
			if m := at.Add(step.Draw(t, "mark")).Add(delay).Add(event.Duration(rapid.IntRange(-1, 1).Draw(t, "off"))); m > w && rapid.IntRange(0, 4).Draw(t, "move") == 0 {
				w = m
			}
		}
		times = append(times, at)
		r := row(
			rapid.SampledFrom([]string{"orders", "orders", "items", "items", "payments", "others"}).Draw(t, "topic"),
			rapid.SampledFrom([]string{"a", "a", "a", "b", "b", ""}).Draw(t, "key"),
			at, i, rapid.Bool().Draw(t, "ok"),
		)
		r.Watermark = w
		rows = append(rows, r)
	}
	return rows
}

// TestModel: what is emitted, in its order, is rejected and counted is what the
// rules say, however the events are cut into batches and whenever a flush comes.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := config(
			event.Duration(rapid.SampledFrom([]int{0, 1, 5, 20}).Draw(t, "before")),
			event.Duration(rapid.SampledFrom([]int{0, 1, 10, 50}).Draw(t, "within")),
		)
		delay := event.Duration(rapid.SampledFrom([]int{0, 0, 7}).Draw(t, "delay"))
		rows := schedule(t, cfg, delay)
		memory := state.NewMemory()
		d := tasktest.New(t, task.Shape{Delay: delay}, task.Stage{Label: "op", Op: New(cfg, memory)})
		if d.Out.Delay != delay+cfg.Within {
			t.Fatalf("the join delays by %d", d.Out.Delay)
		}
		for _, r := range rows {
			d.Add(r)
			if rapid.Bool().Draw(t, "cut") {
				d.Cut()
				d.Balance()
			}
			if rapid.IntRange(0, 9).Draw(t, "flush") == 0 {
				d.Flush()
			}
		}
		d.End()
		tasktest.Empty(t, memory)
		emitted, rejected, counts := model(cfg, delay, rows)
		if diff := tasktest.Diff(tasktest.Texts(d.Sink.Rows), emitted); diff != "" {
			t.Fatalf("emitted: %s", diff)
		}
		var got []string
		for i := range d.Sink.Rejects {
			r := &d.Sink.Rejects[i]
			got = append(got, rejection(r, r.Row.Watermark))
		}
		if !slices.IsSortedFunc(d.Sink.Rejects, func(a, b task.Reject) int { return cmp.Compare(a.Row.Watermark, b.Row.Watermark) }) {
			t.Fatalf("rejects go back in time: %v", got)
		}
		slices.Sort(got)
		if diff := tasktest.Diff(got, rejected); diff != "" {
			t.Fatalf("rejected: %s", diff)
		}
		for _, l := range d.Accounts() {
			if l.Counts != *counts[l.Topic] {
				t.Fatalf("%s: counts %v, want %v", l.Topic, l.Counts, counts[l.Topic])
			}
		}
	})
}

// TestEmittedRowsAreOnTime: a row that the join emits is never older than the
// watermark that it hands on.
func TestEmittedRowsAreOnTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := config(event.Duration(rapid.IntRange(0, 20).Draw(t, "before")), event.Duration(rapid.IntRange(0, 30).Draw(t, "within")))
		rows := schedule(t, cfg, 0)
		d := tasktest.Op(t, New(cfg, state.NewMemory()))
		for _, r := range rows {
			d.Add(r)
		}
		d.End()
		mark := event.MinTime
		for i := range d.Sink.Rows {
			r := &d.Sink.Rows[i]
			if r.Watermark < mark {
				t.Fatalf("the watermark of the rows goes back from %v to %v", mark, r.Watermark)
			}
			mark = r.Watermark
			if r.Time < r.Watermark.Add(-d.Out.Delay) {
				t.Fatalf("%s comes at %v, which is later than %d", tasktest.Text(r), r.Watermark, d.Out.Delay)
			}
		}
	})
}

// TestOrderIndependence: for any order of arrival within the watermark's bound, the
// same children join the same anchors, and nothing that is within the join's bounds
// is late or an orphan.
func TestOrderIndependence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const bound = 15
		cfg := config(5, 20)
		var rows []event.Row
		n := 0
		add := func(topic, key string, at event.Time) {
			rows = append(rows, row(topic, key, at, n, true))
			n++
		}
		want := 0
		for i := range rapid.IntRange(1, 6).Draw(t, "anchors") {
			key := string(rune('a' + i))
			at := event.Time(rapid.Int64Range(-100, 100).Draw(t, "anchor"))
			add("orders", key, at)
			for range rapid.IntRange(0, 4).Draw(t, "children") {
				add(rapid.SampledFrom([]string{"items", "payments"}).Draw(t, "stream"), key, at+event.Time(rapid.Int64Range(-int64(cfg.Before), int64(cfg.Within)).Draw(t, "child")))
				want++
			}
		}
		run := func(rows []event.Row) []string {
			memory := state.NewMemory()
			d := tasktest.Op(t, New(cfg, memory))
			for _, r := range rows {
				d.Add(r)
			}
			d.End()
			tasktest.Empty(t, memory)
			if len(d.Sink.Rejects) > 0 {
				t.Fatalf("rejected: %v", tasktest.RejectTexts(d.Sink.Rejects))
			}
			if n := len(d.Sink.Rows); n != len(rows)+len(rows)-want {
				t.Fatalf("%d rows of %d anchors and %d children", n, len(rows)-want, want)
			}
			var last []string
			for i := range d.Sink.Rows {
				if r := &d.Sink.Rows[i]; r.Get("change").Str() == ChangeClosed {
					last = append(last, tasktest.Text(r))
				}
			}
			slices.Sort(last)
			return last
		}
		inOrder := slices.SortedStableFunc(slices.Values(rows), func(a, b event.Row) int { return cmp.Compare(a.Time, b.Time) })
		for i := range inOrder {
			inOrder[i].Watermark = inOrder[i].Time - bound
		}
		if diff := tasktest.Diff(run(tasktest.Arrive(t, rows, bound)), run(inOrder)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestRowsWithoutSourcePass: what stands for many events is no event to join, and is not counted.
func TestRowsWithoutSourcePass(t *testing.T) {
	d := tasktest.Op(t, New(config(1, 1), state.NewMemory()))
	d.Add(event.Row{Time: 5, Schema: orders, Values: []event.Value{event.StringOf("a"), {}}})
	d.End()
	if got := tasktest.Texts(d.Sink.Rows); len(got) != 1 || got[0] != "5 k=a n=null" || len(d.Accounts()) != 0 {
		t.Errorf("emitted %v, counted %v", got, d.Accounts())
	}
}

// TestPlaces: a joined row tells the record that caused it, a dead letter of a held
// child where it came from; payloads are not kept in the state.
func TestPlaces(t *testing.T) {
	d := tasktest.Op(t, New(config(5, 5), state.NewMemory()))
	for _, r := range []event.Row{row("items", "a", 0, 1, true), row("orders", "a", 1, 2, true), row("items", "a", 2, 3, true), row("items", "b", 2, 4, true)} {
		d.Add(r)
		d.Cut()
	}
	d.End()
	want := []struct {
		change, topic string
		offset        int64
	}{{"anchor", "orders", 2}, {"items", "items", 1}, {"items", "items", 3}, {"closed", "orders", 2}}
	// Of the row that released it, the held child tells its own record.
	for i, w := range want {
		r := &d.Sink.Rows[i]
		if r.Get("change").Str() != w.change || r.Source.Topic != w.topic || r.Source.Offset != w.offset || r.Source.Partition != 3 {
			t.Errorf("row %d is %s from %+v, want %+v", i, tasktest.Text(r), *r.Source, w)
		}
	}
	if s := d.Sink.Rejects[0].Row.Source; s.Topic != "items" || s.Offset != 4 || s.Value != nil {
		t.Errorf("the orphan came from %+v", *s)
	}
}

// TestShapesStayBounded: rows of ever new shapes do not fill the memory.
func TestShapesStayBounded(t *testing.T) {
	j := New(config(5, 5), state.NewMemory())
	d := tasktest.Op(t, j)
	d.Add(row("orders", "a", 0, 0, true))
	for range 10_000 {
		r := row("items", "a", 0, 1, true)
		r.Schema = event.NewSchema("item", "k", "price")
		d.Add(r)
	}
	d.Cut()
	if n := len(j.shapes); n > maxShapes {
		t.Errorf("%d shapes are kept", n)
	}
}

// reading is an operator that reads some fields of the rows that it passes.
type reading struct {
	task.Stateless
	fields task.Fields
}

func (reading) Bind(in task.Shape) (task.Shape, error) { return in, nil }

func (r reading) Reads(task.Fields) task.Fields { return r.fields }

func (reading) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		out.Pass(&rows[i])
	}
}

// TestPrune: what somebody behind the join reads is what whole rows have, and what
// nobody reads is not there.
func TestPrune(t *testing.T) {
	all := []string{"k", "n", "change", "items_count", "payments_count", "items.k", "items.price", "payments.n", "payments.k", "payments.ok"}
	rapid.Check(t, func(t *rapid.T) {
		cfg := config(5, 10)
		rows := schedule(t, cfg, 0)
		read := task.FieldsOf(rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID[string]).Draw(t, "read")...)
		join := func(fields task.Fields) []event.Row {
			d := tasktest.New(t, task.Shape{}, task.Stage{Label: "op", Op: New(cfg, state.NewMemory())},
				task.Stage{Label: "reading", Op: reading{fields: fields}})
			for _, r := range rows {
				d.Add(r)
			}
			d.End()
			return d.Sink.Rows
		}
		whole, pruned := join(nil), join(read)
		if len(whole) != len(pruned) {
			t.Fatalf("%d rows, of which %d are left", len(whole), len(pruned))
		}
		for i := range whole {
			w, p := &whole[i], &pruned[i]
			for _, f := range all {
				there := w.Schema.Index(f) >= 0 && read.Has(f)
				if p.Schema.Index(f) >= 0 != there || there && p.Get(f) != w.Get(f) {
					t.Fatalf("row %d, %s of %v: %v; whole: %v", i, f, p.Schema.Fields, p.Get(f), w.Get(f))
				}
			}
		}
	})
}

// picking is an operator that passes only rows of some changes, and tells so.
type picking struct {
	reading
	want map[string]bool
}

func (p picking) Skips(r *event.Row) bool { return !p.want[r.Get("change").Str()] }

func (p picking) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		if p.want[rows[i].Get("change").Str()] {
			out.Pass(&rows[i])
		} else {
			out.Count(&rows[i], task.Passed)
		}
	}
}

// TestSkipped: rows that nobody looks at are not made, and nothing else changes.
func TestSkipped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := config(5, 10)
		rows := schedule(t, cfg, 0)
		want := map[string]bool{}
		for _, change := range rapid.SliceOf(rapid.SampledFrom([]string{"anchor", "items", "payments", "closed"})).Draw(t, "want") {
			want[change] = true
		}
		join := func(behind task.Operator) (emitted []string) {
			local, err := state.OpenLocal(vfs.NewMem(), "state", "it", 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := local.Close(); err != nil {
					t.Error(err)
				}
			}()
			d := tasktest.New(t, task.Shape{}, task.Stage{Label: "op", Op: New(cfg, local.Operator("op"))}, task.Stage{Label: "behind", Op: behind})
			for i, r := range rows {
				d.Add(r)
				if i%3 == 0 { // anchors leave memory
					for range local.Changes() {
					}
					if err := errors.Join(local.Apply(nil), local.Write()); err != nil {
						t.Fatal(err)
					}
					local.Shrink(0)
				}
			}
			d.End()
			for i := range d.Sink.Rows {
				emitted = append(emitted, string(d.Sink.Rows[i].Text()))
			}
			return emitted
		}
		told, kept := join(picking{want: want}), join(struct{ task.Operator }{picking{want: want}})
		if !slices.Equal(told, kept) {
			t.Fatalf("%v\nwant %v", told, kept)
		}
	})
}

// TestStreamsOfOneSchema: children of two streams may share a schema, as JSON behind a
// mapping does; their fields stand under the name of their own stream.
func TestStreamsOfOneSchema(t *testing.T) {
	cfg := config(10, 10)
	cfg.Streams[1].Where = nil
	d := tasktest.Op(t, New(cfg, state.NewMemory().Operator("join")))
	for i, topic := range []string{"orders", "items", "payments"} {
		r := row(topic, "a", 0, i, true)
		r.Schema, r.Values = items, []event.Value{event.StringOf("a"), event.IntOf(int64(i))}
		d.Add(r)
	}
	d.Cut()
	var got []string
	for _, r := range d.Sink.Rows {
		got = append(got, r.Get("change").Str()+" "+r.Get("items.price").Key()+" "+r.Get("payments.price").Key())
	}
	if want := []string{"anchor  ", "items 1 ", "payments  2"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
