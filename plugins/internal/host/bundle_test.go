package host

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// bundled is a runner that has nothing but rows to make messages of.
func bundled(perMessage, batch int) *Runner {
	r := &Runner{run: TaskRun{Stream: "s", Task: 3, Generation: 7}, seq: 40, opts: Options{BatchSize: batch, RowsPerMessage: perMessage}}
	if perMessage > 1 {
		r.bundler = newBundler(min(perMessage, batch))
	}
	return r
}

func meta(m *service.Message, key string) any {
	v, _ := m.MetaGetMut(key)
	return v
}

// TestBundlesAreTheSingleMessages: whatever rows come in one step or several, bundles
// hold the objects, numbers and order within a schema of the messages that each row
// would have been, and are as few as their limit allows.
func TestBundlesAreTheSingleMessages(t *testing.T) {
	schemas := []*event.Schema{nil, event.NewSchema("a", "n", "t.x"), event.NewSchema("b", "n"), event.NewSchema("b", "n")}
	rapid.Check(t, func(t *rapid.T) {
		most, batch := rapid.IntRange(2, 5).Draw(t, "rows_per_message"), rapid.IntRange(1, 8).Draw(t, "batch_size")
		single, many := bundled(1, batch), bundled(most, batch)
		for range rapid.IntRange(1, 3).Draw(t, "steps") {
			kinds := rapid.SliceOfN(rapid.IntRange(0, len(schemas)-1), 0, 20).Draw(t, "kinds")
			counts := map[*event.Schema]int{}
			for i, k := range kinds {
				row := event.Row{Time: event.Time(i), Watermark: event.Time(-i), Schema: schemas[k], Source: &event.Source{Topic: "t", Offset: int64(i), Value: []byte("raw")}}
				if row.Schema != nil {
					row.Values = make([]event.Value, len(row.Schema.Fields))
					row.Values[0] = event.IntOf(int64(i))
					counts[row.Schema]++
				}
				single.sink.Rows, many.sink.Rows = append(single.sink.Rows, row), append(many.sink.Rows, row)
			}
			dead := task.Reject{Operator: "x", Row: event.Row{Source: &event.Source{Topic: "t"}}}
			single.sink.Rejects, many.sink.Rejects = append(single.sink.Rejects, dead), append(many.sink.Rejects, dead)
			before := len(many.pending)
			single.stamp()
			many.stamp()
			for i := range many.sink.Rows[:cap(many.sink.Rows)] {
				many.sink.Rows[:cap(many.sink.Rows)][i] = event.Row{Time: -1} // the task's memory, which it uses again
			}
			want := 1 + len(kinds)
			for _, n := range counts {
				want += (n+min(most, batch)-1)/min(most, batch) - n
			}
			if got := len(many.pending) - before; got != want {
				t.Fatalf("%d messages, want %d", got, want)
			}
		}

		// By schema, as the text of row, number, time and kind.
		texts := func(r *Runner) map[string][]string {
			all, last := map[string][]string{}, int64(0)
			for _, m := range r.pending {
				if meta(m, MetaStream) != "s" || meta(m, MetaTask) != int64(3) || meta(m, MetaGeneration) != int64(7) {
					t.Fatal("a message without its origin")
				}
				seq := meta(m, MetaSeq).(int64)
				if seq <= last {
					t.Fatalf("number %d behind %d", seq, last)
				}
				last = seq
				body, err := m.AsBytes()
				if err != nil {
					t.Fatal(err)
				}
				key := fmt.Sprint(meta(m, MetaKind), meta(m, MetaOperator))
				b, ok := BundleOf(m)
				if !ok {
					all[key] = append(all[key], fmt.Sprintf("%d %s", seq, body))
					continue
				}
				var objects []json.RawMessage
				if err := json.Unmarshal(body, &objects); err != nil || len(objects) != len(b.Rows) || len(b.Seqs) != len(b.Rows) {
					t.Fatalf("%d rows, %d numbers, %d objects, %v", len(b.Rows), len(b.Seqs), len(objects), err)
				}
				end := b.Rows[len(b.Rows)-1]
				if meta(m, MetaTopic) != nil || meta(m, MetaOffset) != nil || b.Seqs[len(b.Seqs)-1] != seq || meta(m, MetaSchema) != b.Schema.Name ||
					meta(m, MetaTimestamp) != int64(end.Time) || meta(m, MetaWatermark) != int64(end.Watermark) {
					t.Fatal("the metadata is not that of the last row")
				}
				for i, o := range objects {
					if b.Rows[i].Schema != b.Schema {
						t.Fatal("a row of another schema")
					}
					all[key] = append(all[key], fmt.Sprintf("%d %s", b.Seqs[i], o))
				}
			}
			for _, lines := range all { // two schemas may have one name
				slices.SortStableFunc(lines, func(a, b string) int {
					return strings.Compare(fmt.Sprintf("%9s", strings.Fields(a)[0]), fmt.Sprintf("%9s", strings.Fields(b)[0]))
				})
			}
			return all
		}
		got, want := texts(many), texts(single)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %v\nwant %v", got, want)
		}

		for len(many.pending) > 0 {
			n, rows := many.portion(), 0
			for _, m := range many.pending[:n] {
				rows += RowCount(m)
			}
			if n < 1 || rows > batch {
				t.Fatalf("a batch of %d messages with %d rows", n, rows)
			}
			if n < len(many.pending) && rows+RowCount(many.pending[n]) <= batch {
				t.Fatalf("a batch of %d rows has room for the next %d", rows, RowCount(many.pending[n]))
			}
			many.pending = many.pending[n:]
		}
	})
}

// TestBundleText: the text of a bundle is made of what single messages say, to the
// letter, and what JSON cannot express takes no other row with it.
func TestBundleText(t *testing.T) {
	schema := event.NewSchema("s", "a", "b.c")
	row := func(v event.Value) event.Row {
		return event.Row{Schema: schema, Values: []event.Value{v, event.StringOf("<&>")}}
	}
	rows := []event.Row{row(event.DecimalOf(150, 2)), row(event.FloatOf(math.Inf(1))), row(event.TimestampOf(0)), row(event.JSONOf(`[1,"x"]`))}
	m := (&Bundle{Schema: schema, Rows: rows, Seqs: []int64{1, 2, 3, 4}}).message()
	got, err := m.AsBytes()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range rows {
		text, _ := ToMessage(&rows[i]).AsBytes()
		if len(text) == 0 {
			text = []byte("null")
		}
		want = append(want, string(text))
	}
	if want[1] != "null" || string(got) != "["+strings.Join(want, ",")+"]" {
		t.Errorf("got %s\nwant %v", got, want)
	}
	if b, ok := BundleOf(m.Copy()); !ok || len(b.Rows) != 4 || RowCount(m.DeepCopy()) != 4 {
		t.Error("a copy is no bundle")
	}
	if _, ok := BundleOf(service.NewMessage([]byte(`[{}]`))); ok {
		t.Error("an array that was read is no bundle")
	}
}

// TestRunnerSendsBundles: a commit covers every row of a bundle.
func TestRunnerSendsBundles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := rigOptions
		opts.RowsPerMessage, opts.BatchSize = 4, 4
		g := newRig(t, opts)
		g.confirming = []int{0, 1}
		g.op.echo = true
		for i := range g.sources { // decoded records
			rows := g.rows(i, 5000, 3)
			for k := range rows {
				rows[k].Schema, rows[k].Values = g.op.schema, []event.Value{event.IntOf(int64(10*i + k))}
			}
			g.deliver(i, rows, true)
		}
		g.start()
		b, last := g.take(), g.take()
		g.notes.want(t, "0s begin 3 generation 7 seq 40",
			`0s output [{"n":0},{"n":10},{"n":1},{"n":11}]`, `0s output [{"n":2},{"n":12},{"n":6}]`)
		last.Done(nil)
		time.Sleep(time.Minute)
		g.notes.want(t) // the first batch may still be refused
		b.Done(nil)
		synctest.Wait()
		g.notes.want(t, "1m0s commit seq 47, next 3 and 6", "1m0s advance 3 seq 47 to 4002")
		g.end(context.Canceled)
	})
}

// BenchmarkStamp is what it costs to make messages of a step's 1000 rows of two
// operators, each row by itself or in bundles.
func BenchmarkStamp(b *testing.B) {
	const n = 1000
	var rows []event.Row
	for _, name := range []string{"a", "b"} {
		schema := event.NewSchema(name, "window_start", "window_end", "closes_at", "payments", "total_value")
		for i := range n / 2 {
			at := event.Time(i * 60_000)
			rows = append(rows, event.Row{Time: at, Watermark: at, Schema: schema, Values: []event.Value{
				event.TimestampOf(at), event.TimestampOf(at + 60_000), event.TimestampOf(at + 180_000), event.IntOf(int64(i)), event.DecimalOf(int64(i), 2)}})
		}
	}
	for _, perMessage := range []int{1, n} {
		b.Run(fmt.Sprint(perMessage), func(b *testing.B) {
			r := bundled(perMessage, n)
			b.ReportAllocs()
			for b.Loop() {
				r.pending = nil
				r.sink.Rows = append(r.sink.Rows, rows...)
				r.stamp()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}
