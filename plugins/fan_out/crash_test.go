package fanout_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/dedup"
	fanout "github.com/tidemark-streams/tidemark/plugins/fan_out"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/join"
	"github.com/tidemark-streams/tidemark/plugins/window"
)

// The schemas are made anew for each life of the operators, as a decoder does.
func schemas() (order, item *event.Schema) {
	return event.NewSchema("Order", "id", "order", "status"), event.NewSchema("Item", "id", "order", "price")
}

func where(text string) *filter.Expr {
	e, err := filter.Parse(text)
	if err != nil {
		panic(err) // a text of this test
	}
	return e
}

// chain is dedup, join and two windows with every kind of aggregate.
func chain(t *rapid.T, backend state.Backend, order, item *event.Schema) *task.Chain {
	var aggs []window.Aggregate
	for _, k := range window.Kinds {
		a := window.Aggregate{Name: k, Kind: k, Field: "items.price", Limit: 2, Where: where(`this.change == "items"`)}
		if k == window.Count {
			a.Field = ""
		}
		aggs = append(aggs, a)
	}
	counts := []window.Aggregate{
		{Name: "total", Kind: window.Count, Where: where(`this.change == "anchor"`)},
		{Name: "lost", Kind: window.Count, Where: where(`this.change == "closed" && this.items_count == 0`)},
	}
	minutes := window.New(window.Config{Label: "minutes", Size: 10, Slide: 5, ID: "items.id", Aggregates: aggs, OnUpdate: true}, backend.Operator("minutes"))
	hours := window.New(window.Config{Label: "hours", Size: 30, Slide: 30, GroupBy: []string{"status"}, ID: "id", Aggregates: counts}, backend.Operator("hours"))
	c, _, err := task.NewChain([]task.Stage{
		{Label: "dedup", Op: dedup.New(dedup.Config{Key: "id", TTL: 40}, backend.Operator("dedup"))},
		{Label: "join", Op: join.New(join.Config{Key: "order", Anchor: "orders", Before: 4, Within: 25, Streams: []join.Stream{{Name: "items", Topic: "items"}}}, backend.Operator("join"))},
		{Label: "fan", Op: fanout.New([][]task.Stage{{{Label: "minutes", Op: minutes}}, {{Label: "hours", Op: hours}}})},
	}, task.Shape{Schemas: []task.Known{{Topic: "orders", Schema: order}, {Topic: "items", Schema: item}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// input is one event, as both lives of the operators see it.
type input struct {
	time, mark event.Time
	topic      string
	values     []event.Value
	offset     int64
}

func inputs(t *rapid.T) []input {
	var list []input
	seen := event.Time(-1000)
	for i := range rapid.IntRange(1, 80).Draw(t, "events") {
		seen = max(seen, event.Time(i*3+rapid.IntRange(-12, 6).Draw(t, "jitter")))
		in := input{time: seen - event.Time(rapid.IntRange(0, 9).Draw(t, "behind")), mark: seen - 8, topic: "items"}
		id := event.StringOf(fmt.Sprint("e", rapid.IntRange(0, 60).Draw(t, "id")))
		order := event.StringOf(fmt.Sprint("o", rapid.IntRange(0, 12).Draw(t, "order")))
		third := event.DecimalOf(rapid.Int64Range(0, 500).Draw(t, "cents"), 2)
		if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
			in.topic, third = "orders", event.StringOf(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "status"))
		}
		in.values, in.offset = []event.Value{id, order, third}, int64(i)
		list = append(list, in)
	}
	return list
}

// table is what a sink with a ledger holds: the newest row of each key, and the
// emission that wrote it.
type table map[string]written

type written struct {
	text string
	seq  int
}

func (tb table) take(sink *task.Sink, seq *int) {
	for i := range sink.Rows {
		*seq++
		r := &sink.Rows[i]
		tb[fmt.Sprint(r.Schema.Name, r.Get("window_start").Int(), r.Get("status").Str())] = written{string(r.Text()), *seq}
	}
	for i := range sink.Rejects {
		*seq++
		r := &sink.Rejects[i]
		tb[fmt.Sprint("dead", r.Row.Source.Offset)] = written{fmt.Sprint(r.Reason, r.Detail), *seq}
	}
	*sink = task.Sink{}
}

func (tb table) lines() []string {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(tb)) {
		lines = append(lines, k+" "+tb[k].text)
	}
	return lines
}

// TestCrashesChangeNoRow runs events through operators on a durable store, commits
// and crashes at random, and reads again from the last commit: the rows at the end
// are those of one undisturbed run on state in memory.
func TestCrashesChangeNoRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := inputs(t)
		want := table{}
		run(t, state.NewMemory(), events, want, nil)

		got := table{}
		fs := vfs.NewMem()
		for lives := 0; ; lives++ {
			local, err := state.OpenLocal(fs, "task", "it", 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			m, err := local.Marker()
			if err != nil {
				t.Fatal(err)
			}
			position, committed := 0, 0 // of the commit that the store has
			if m != nil {
				if _, err := fmt.Sscan(string(m), &position, &committed); err != nil {
					t.Fatal(err)
				}
			}
			for k, w := range got { // what the ledger's begin does
				if w.seq > committed {
					delete(got, k)
				}
			}
			seq := committed
			rest := len(events) - position
			n := rest
			if lives < 4 {
				n = rapid.IntRange(0, rest).Draw(t, "crash after")
			}
			run(t, local, events[position:position+n], got, &life{
				seq: &seq, crash: n < rest,
				commit: func(i int) bool { return rapid.IntRange(0, 3).Draw(t, "commit") == 0 },
				committed: func(i int) {
					for range local.Changes() {
					}
					if err := local.Apply(fmt.Append(nil, position+i, " ", seq)); err != nil {
						t.Fatal(err)
					}
					if rapid.Bool().Draw(t, "write") {
						if err := local.Write(); err != nil {
							t.Fatal(err)
						}
					}
					local.Shrink(rapid.IntRange(0, 5).Draw(t, "cache"))
				},
			})
			if err := local.Close(); err != nil {
				t.Fatal(err)
			}
			if n == rest {
				break
			}
		}
		if !slices.Equal(want.lines(), got.lines()) {
			t.Fatalf("after crashes:\n%v\nundisturbed:\n%v", got.lines(), want.lines())
		}
	})
}

// life is one life of the operators between two crashes.
type life struct {
	seq       *int
	crash     bool
	commit    func(i int) bool
	committed func(i int)
}

func run(t *rapid.T, backend state.Backend, events []input, rows table, l *life) {
	order, item := schemas()
	c := chain(t, backend, order, item)
	if err := c.Restore(); err != nil {
		t.Fatal(err)
	}
	seq := new(int)
	if l != nil {
		seq = l.seq
	}
	var sink task.Sink
	for i, e := range events {
		s := item
		if e.topic == "orders" {
			s = order
		}
		c.Process([]event.Row{{
			Time: e.time, Watermark: e.mark, Schema: s, Values: e.values, Source: &event.Source{Topic: e.topic, Offset: e.offset},
		}}, &sink)
		rows.take(&sink, seq)
		if l != nil && l.commit(i) {
			for c.Flush(e.mark, &sink) {
			}
			rows.take(&sink, seq)
			l.committed(i + 1)
		}
	}
	if l != nil && l.crash {
		return
	}
	c.Advance(event.MaxTime, &sink)
	for c.Flush(event.MaxTime, &sink) {
	}
	rows.take(&sink, seq)
}
