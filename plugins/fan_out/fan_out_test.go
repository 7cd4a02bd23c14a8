package fanout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/dedup"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
	"github.com/tidemark-streams/tidemark/plugins/join"
	"github.com/tidemark-streams/tidemark/plugins/window"
)

var (
	orders = event.NewSchema("order", "event_id", "k", "v")
	items  = event.NewSchema("item", "event_id", "k", "price")
)

// branch describes a chain of operators, so that it can be made more than once.
type branch []func(label string) task.Operator

func (b branch) stages(number int) []task.Stage {
	var stages []task.Stage
	for i, of := range b {
		label := fmt.Sprintf("%d_%d", number, i)
		stages = append(stages, task.Stage{Label: label, Op: of(label)})
	}
	return stages
}

func drawBranch(t *rapid.T) branch {
	var b branch
	if rapid.Bool().Draw(t, "dedup") {
		ttl := event.Duration(rapid.IntRange(1, 50).Draw(t, "ttl"))
		b = append(b, func(string) task.Operator {
			return dedup.New(dedup.Config{Key: "event_id", TTL: ttl}, state.NewMemory())
		})
	}
	if rapid.Bool().Draw(t, "join") {
		cfg := join.Config{
			Key: "k", Anchor: "orders", Streams: []join.Stream{{Name: "items", Topic: "items"}},
			Before: event.Duration(rapid.IntRange(0, 10).Draw(t, "before")), Within: event.Duration(rapid.IntRange(0, 30).Draw(t, "within")),
		}
		b = append(b, func(string) task.Operator { return join.New(cfg, state.NewMemory()) })
	}
	if rapid.Bool().Draw(t, "window") {
		cfg := window.Config{
			ID: "event_id", Size: event.Duration(rapid.IntRange(1, 20).Draw(t, "size")), OnUpdate: rapid.Bool().Draw(t, "on_update"),
			Aggregates: []window.Aggregate{{Name: "n", Kind: window.Count}, {Name: "ids", Kind: window.Collect, Field: "event_id", Limit: 5}},
		}
		cfg.Slide = cfg.Size
		b = append(b, func(label string) task.Operator {
			c := cfg
			c.Label = label
			return window.New(c, state.NewMemory())
		})
	}
	return b
}

func drawRows(t *rapid.T) []event.Row {
	var rows []event.Row
	w := event.MinTime
	for i := range rapid.IntRange(1, 30).Draw(t, "rows") {
		if rapid.IntRange(0, 3).Draw(t, "move") == 0 {
			w = max(w, -50) + event.Time(rapid.Int64Range(0, 20).Draw(t, "by"))
		}
		r := event.Row{
			Time: max(w, -20) + event.Time(rapid.Int64Range(-30, 30).Draw(t, "at")), Watermark: w, Schema: orders,
			Source: &event.Source{Topic: "orders", Offset: int64(i)},
			Values: []event.Value{event.StringOf(rapid.StringMatching("[a-e]").Draw(t, "id")), event.StringOf(rapid.StringMatching("[xy]").Draw(t, "k")), event.IntOf(int64(i))},
		}
		if rapid.Bool().Draw(t, "item") {
			r.Schema = items
			r.Source.Topic = "items"
		}
		rows = append(rows, r)
	}
	return rows
}

// TestBranchesAreIndependent: together, the branches emit, reject and count what
// each does by itself, however the rows are cut into batches.
func TestBranchesAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var branches []branch
		for range rapid.IntRange(1, 3).Draw(t, "branches") {
			branches = append(branches, drawBranch(t))
		}
		rows := drawRows(t)
		flushes := make([]bool, len(rows))
		for i := range flushes {
			flushes[i] = rapid.IntRange(0, 5).Draw(t, "flush") == 0
		}
		drive := func(d *tasktest.Driver) {
			for i, r := range rows {
				d.Add(r)
				if rapid.Bool().Draw(t, "cut") {
					d.Cut()
				}
				if flushes[i] {
					d.Flush()
				}
			}
			d.End()
		}

		var all [][]task.Stage
		for i, b := range branches {
			all = append(all, b.stages(i))
		}
		in := task.Shape{Delay: event.Duration(rapid.IntRange(0, 9).Draw(t, "delay"))}
		together := tasktest.New(t, in, task.Stage{Label: "fan_out", Op: New(all)})
		drive(together)

		emitted, rejected, counted := map[string][]string{}, map[string][]string{}, []string{}
		delay := in.Delay
		for i, b := range branches {
			alone := tasktest.New(t, in, b.stages(i)...)
			drive(alone)
			collect(&alone.Sink, emitted, rejected)
			counted = append(counted, accounts(alone.Accounts())...)
			delay = max(delay, alone.Out.Delay)
		}
		gotEmitted, gotRejected := map[string][]string{}, map[string][]string{}
		collect(&together.Sink, gotEmitted, gotRejected)
		same(t, gotEmitted, emitted)
		same(t, gotRejected, rejected)
		lines := together.Accounts()
		own := slices.IndexFunc(lines, func(l task.Line) bool { return l.Operator != "fan_out" })
		if own < 0 {
			own = len(lines)
		}
		if diff := tasktest.Diff(accounts(lines[own:]), counted); diff != "" {
			t.Fatalf("accounts %s", diff)
		}
		if got := together.Total("fan_out"); got[task.In] != int64(len(rows)) || got[task.Passed] != int64(len(rows)) {
			t.Fatalf("fan_out itself counts %v of %d rows", got, len(rows))
		}
		if together.Out.Delay != delay {
			t.Fatalf("the delay is %d, want %d", together.Out.Delay, delay)
		}
	})
}

// collect files the rows by what made them, in their order: rows of different
// branches may come in any order. Bare events of several branches are filed as one.
func collect(s *task.Sink, emitted, rejected map[string][]string) {
	for i := range s.Rows {
		r := &s.Rows[i]
		emitted[r.Schema.Name] = append(emitted[r.Schema.Name], fmt.Sprint(tasktest.Text(r), " at ", int64(r.Watermark)))
	}
	for i := range s.Rejects {
		r := &s.Rejects[i]
		rejected[r.Operator] = append(rejected[r.Operator], tasktest.RejectText(r))
	}
	for _, kind := range []string{orders.Name, items.Name} {
		slices.Sort(emitted[kind])
	}
}

func same(t *rapid.T, got, want map[string][]string) {
	for name := range want {
		if diff := tasktest.Diff(got[name], want[name]); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
	}
	for name := range got {
		if len(want[name]) != len(got[name]) {
			t.Fatalf("%s: %d, want %d", name, len(got[name]), len(want[name]))
		}
	}
}

func accounts(lines []task.Line) []string {
	var texts []string
	for _, l := range lines {
		texts = append(texts, fmt.Sprintf("%s %s: %v", l.Operator, l.Topic, l.Counts))
	}
	return texts
}

// TestTimersOfBranches: timers of all branches, and of branches in branches, fire in
// the order of event time.
func TestTimersOfBranches(t *testing.T) {
	size := func(label string, size event.Duration) task.Stage {
		return task.Stage{Label: label, Op: window.New(window.Config{
			Label: label, Size: size, Slide: size, Aggregates: []window.Aggregate{{Name: "n", Kind: window.Count}},
		}, state.NewMemory())}
	}
	op := New([][]task.Stage{
		{size("30", 30)},
		{{Label: "inner", Op: New([][]task.Stage{{size("10", 10)}, {size("20", 20)}})}},
	})
	d := tasktest.Op(t, op)
	d.Add(event.Row{Schema: orders, Values: make([]event.Value, 3), Source: &event.Source{Topic: "orders"}})
	d.End()
	var order []string
	for _, r := range d.Sink.Rows {
		order = append(order, r.Schema.Name)
	}
	if got := strings.Join(order, " "); got != "10 20 30" {
		t.Errorf("fired in the order %s", got)
	}
}

func TestBindErrorNamesTheBranch(t *testing.T) {
	bad := task.Stage{Label: "seen", Op: dedup.New(dedup.Config{Key: "id", TTL: 1}, state.NewMemory())}
	op := New([][]task.Stage{nil, {bad}})
	_, err := op.Bind(task.Shape{Schemas: []task.Known{{Topic: "orders", Schema: orders}}})
	if want := `1.processors: seen: key: order has no field "id"`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if errors.Unwrap(err) == nil {
		t.Error("the cause is not wrapped")
	}
}

// TestShape: what leaves the branches is known only where all of it is.
func TestShape(t *testing.T) {
	in := task.Shape{Schemas: []task.Known{{Topic: "orders", Schema: orders}}}
	pass := []task.Stage{}
	count := []task.Stage{{Label: "w", Op: window.New(window.Config{Label: "w", Size: 5, Slide: 5}, state.NewMemory())}}
	out, err := New([][]task.Stage{pass, count}).Bind(in)
	if err != nil || len(out.Schemas) != 2 || out.Schemas[0].Schema != orders || out.Schemas[1].Schema.Name != "w" {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = New([][]task.Stage{count, pass}).Bind(task.Shape{})
	if err != nil || out.Schemas != nil {
		t.Errorf("%+v, %v", out, err)
	}
}
