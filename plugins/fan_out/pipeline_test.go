package fanout

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/dedup"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
	"github.com/tidemark-streams/tidemark/plugins/join"
	"github.com/tidemark-streams/tidemark/plugins/window"
)

const (
	bound  = 15
	before = 5
	within = 40
	ttl    = 1000
)

// pipeline is the funnel in small: dedup, a join, and windows over it.
func pipeline(t *rapid.T, memory *state.Memory) (*task.Chain, task.Shape) {
	where := func(text string) *filter.Expr {
		e, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	counts := func(label string, size event.Duration, update bool, groupBy ...string) []task.Stage {
		return []task.Stage{{Label: label, Op: window.New(window.Config{
			Label: label, Size: size, Slide: size, OnUpdate: update, GroupBy: groupBy, ID: "event_id",
			Aggregates: []window.Aggregate{
				{Name: "orders", Kind: window.Count, Where: where(`this.change == "anchor"`)},
				{Name: "with_items", Kind: window.Count, Where: where(`this.change == "items" && this.items_count == 1`)},
				{Name: "revenue", Kind: window.Sum, Field: "items.price"},
				{Name: "ids", Kind: window.Collect, Field: "k", Limit: 3, Smallest: true, Where: where(`this.change == "closed" && this.items_count == 0`)},
			},
		}, memory)}}
	}
	chain, end, err := task.NewChain([]task.Stage{
		{Label: "dedup", Op: dedup.New(dedup.Config{Key: "event_id", TTL: ttl}, memory)},
		{Label: "join", Op: join.New(join.Config{
			Key: "k", Anchor: "orders", Streams: []join.Stream{{Name: "items", Topic: "items"}}, Before: before, Within: within,
		}, memory)},
		{Label: "fan_out", Op: New([][]task.Stage{counts("funnel", 10, true), counts("drop_off", 30, false, "v")})},
	}, task.Shape{Schemas: []task.Known{{Topic: "orders", Schema: orders}, {Topic: "items", Schema: items}}})
	if err != nil {
		t.Fatal(err)
	}
	return chain, end
}

// run gives the records of both topics to a task in random pieces and returns the
// last row of each window. Rows before from are settled.
func run(t *rapid.T, topics [][]event.Row, from event.Time) (finals []string, sink task.Sink, accounts []task.Line) {
	memory := state.NewMemory()
	chain, _ := pipeline(t, memory)
	k := task.New(chain, []*task.Source{{Topic: "orders"}, {Topic: "items"}}, bound)
	if from != event.MinTime {
		order := task.Order(from, event.MaxTime)
		order.Begin(0)
		if err := k.Resume(order); err != nil {
			t.Fatal(err)
		}
	}
	limit := rapid.SampledFrom([]int{1, 3, 10000})
	pushed := []int{0, 0}
	for pushed[0] < len(topics[0]) || pushed[1] < len(topics[1]) {
		s := rapid.IntRange(0, 1).Draw(t, "topic")
		for range rapid.IntRange(1, 10).Draw(t, "piece") {
			if pushed[s] < len(topics[s]) {
				k.Sources[s].Push(task.BatchOf(topics[s][pushed[s]]))
				pushed[s]++
			}
		}
		k.Step(limit.Draw(t, "limit"), event.MaxTime, &sink)
		if rapid.IntRange(0, 5).Draw(t, "flush") == 0 {
			k.Flush(&sink)
		}
	}
	for _, s := range k.Sources {
		s.Finish()
	}
	for k.Step(limit.Draw(t, "limit"), event.MaxTime, &sink) > 0 {
	}
	k.End(&sink)
	if left := memory.Keys(); left > pushed[0]+pushed[1] {
		t.Fatalf("%d keys are left", left) // dedup alone has no timer
	}
	finals = lastRows(sink.Rows)
	for _, l := range k.Accounts() {
		if !l.Counts.Balanced() || l.Counts[task.Held] != 0 {
			t.Fatalf("%s %s: %v", l.Operator, l.Topic, l.Counts)
		}
	}
	return finals, sink, k.Accounts()
}

// lastRows are the last rows of their windows, in order.
func lastRows(rows []event.Row) []string {
	last := map[string]string{}
	for i := range rows {
		r := &rows[i]
		last[fmt.Sprint(r.Schema.Name, r.Get("window_start").Int(), r.Get("v").Key())] = r.Schema.Name + " " + tasktest.Text(r)
	}
	return slices.Sorted(maps.Values(last))
}

// draw draws orders and their items.
func draw(t *rapid.T) [][]event.Row {
	topics := [][]event.Row{nil, nil}
	n := 0
	add := func(topic int, key string, at event.Time, v event.Value) {
		r := event.Row{Time: at, Source: &event.Source{Topic: []string{"orders", "items"}[topic]}}
		r.Schema = []*event.Schema{orders, items}[topic]
		r.Values = []event.Value{event.StringOf(fmt.Sprint("e", n)), event.StringOf(key), v}
		topics[topic] = append(topics[topic], r)
		n++
	}
	for i := range rapid.IntRange(1, 12).Draw(t, "orders") {
		key, at := fmt.Sprint("k", i), event.Time(rapid.Int64Range(-100, 100).Draw(t, "at"))
		add(0, key, at, event.StringOf(rapid.StringMatching("[pq]").Draw(t, "status")))
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			add(1, key, at+event.Time(rapid.Int64Range(-before, within).Draw(t, "item")), event.DecimalOf(rapid.Int64Range(1, 999).Draw(t, "price"), 2))
		}
	}
	return topics
}

// TestFinalRowsAreTheSame: for any order of arrival within the bound, with any
// duplicates, pieces and flushes, the windows over a join end as they do when every
// event comes once and in order. Nothing is late, nothing an orphan.
func TestFinalRowsAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := draw(t)
		var inOrder, arrived [][]event.Row
		for _, rows := range topics {
			inOrder = append(inOrder, slices.SortedStableFunc(slices.Values(rows), func(a, b event.Row) int { return cmp.Compare(a.Time, b.Time) }))
			for i := range rows {
				if rapid.IntRange(0, 3).Draw(t, "duplicate") == 0 {
					rows = append(rows, rows[i])
				}
			}
			arrived = append(arrived, tasktest.Arrive(t, rows, bound))
		}
		want, _, _ := run(t, inOrder, event.MinTime)
		got, sink, accounts := run(t, arrived, event.MinTime)
		if diff := tasktest.Diff(got, want); diff != "" {
			t.Fatal(diff)
		}
		if len(sink.Rejects) > 0 {
			t.Fatalf("rejected: %v", tasktest.RejectTexts(sink.Rejects))
		}
		for _, l := range accounts {
			if dups := int64(len(arrived[0]) + len(arrived[1]) - len(topics[0]) - len(topics[1])); l.Operator == "dedup" && l.Counts[task.Duplicate] > dups {
				t.Fatalf("%v with %d duplicates", l.Counts, dups)
			}
		}
	})
}

// TestReplayFromATime: from a time on the rows come again, and none before it, if events are
// read from as much earlier as the operators say that they reach back. Ids come once here,
// so that what dedup reaches back does not count.
func TestReplayFromATime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := draw(t)
		for i, rows := range all {
			all[i] = slices.SortedStableFunc(slices.Values(rows), func(a, b event.Row) int { return cmp.Compare(a.Time, b.Time) })
		}
		from := event.Time(rapid.Int64Range(-120, 150).Draw(t, "from"))
		_, end := pipeline(t, state.NewMemory())
		_, sink, _ := run(t, all, event.MinTime)
		want := lastRows(slices.DeleteFunc(sink.Rows, func(r event.Row) bool { return r.Time < from }))
		late := [][]event.Row{nil, nil}
		for i, rows := range all {
			for _, r := range rows {
				if r.Time >= from.Add(-end.Reach+ttl) {
					late[i] = append(late[i], r)
				}
			}
		}
		got, sink, _ := run(t, late, from)
		for i := range sink.Rows {
			if sink.Rows[i].Time < from {
				t.Fatalf("a row of %v", sink.Rows[i].Time)
			}
		}
		for _, r := range sink.Rejects {
			if r.Row.Time < from {
				t.Fatalf("a reject of %v", r.Row.Time)
			}
		}
		if diff := tasktest.Diff(got, want); diff != "" {
			t.Fatal(diff)
		}
	})
}
