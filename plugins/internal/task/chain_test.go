package task_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// relay is an operator that hands its rows on with its mark, says so at timers and
// flushes, and rejects what asks for it.
type relay struct {
	name  string
	delay event.Duration
	at    []event.Time // of its timers
	err   error
	in    task.Shape
}

func (o *relay) Bind(in task.Shape) (task.Shape, error) {
	o.in = in
	return task.Shape{Delay: in.Delay + o.delay}, o.err
}

func (o *relay) row(r event.Row, what string) event.Row {
	path := what
	if len(r.Values) > 0 {
		path = r.Values[0].Str() + " " + what
	}
	r.Values = []event.Value{event.StringOf(path)}
	return r
}

func (o *relay) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		o.Advance(rows[i].Watermark, out)
		if rows[i].Values[0].Str() == "refuse "+o.name {
			out.Reject(&rows[i], task.Invalid, "asked for")
			continue
		}
		out.Count(&rows[i], task.Passed)
		out.Emit(o.row(rows[i], o.name))
	}
}

func (o *relay) Advance(w event.Time, out *task.Output) {
	for len(o.at) > 0 && o.at[0] < w {
		t := o.at[0]
		o.at = o.at[1:]
		out.Emit(o.row(event.Row{Time: t, Watermark: t}, fmt.Sprint(o.name, "@", t.UTC().UnixMilli())))
	}
}

func (o *relay) Restore() error { return nil }

func (o *relay) Flush(w event.Time, out *task.Output) bool {
	out.Emit(o.row(event.Row{Time: w}, o.name+" flush"))
	return false
}

// foreign is a relay whose events may vanish.
type foreign struct{ relay }

func (*foreign) Foreign() {}

// TestChain: what one operator emits goes through those behind it and no other;
// timers fire in order of time and, at one time, of the stages.
func TestChain(t *testing.T) {
	a, b, c := &relay{name: "a", delay: 5, at: []event.Time{1, 3}}, &foreign{relay{name: "b", delay: 7, at: []event.Time{2, 3}}}, &relay{name: "c", at: []event.Time{3, 4, 9}}
	chain, out, err := task.NewChain([]task.Stage{{Label: "A", Op: a}, {Label: "B", Op: b}, {Label: "C", Op: c}}, task.Shape{Delay: 1})
	if err != nil {
		t.Fatal(err)
	}
	if b.in.Delay != 6 || c.in.Delay != 13 || out.Delay != 13 {
		t.Errorf("delays are %d, %d and %d", b.in.Delay, c.in.Delay, out.Delay)
	}
	var sink task.Sink
	take := func(want ...string) {
		t.Helper()
		var got []string
		for _, r := range sink.Rows {
			got = append(got, r.Values[0].Str())
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		sink.Rows = nil
	}
	source := &event.Source{Topic: "t"}
	chain.Process([]event.Row{
		{Source: source, Values: []event.Value{event.StringOf("x")}},
		{Source: source, Values: []event.Value{event.StringOf("refuse a")}},
		{Source: source, Values: []event.Value{event.StringOf("y")}},
	}, &sink)
	take("x a b c", "y a b c")
	chain.Advance(4, &sink)                             // the one at 4 is not passed yet
	take("a@1 b c", "b@2 c", "a@3 b c", "b@3 c", "c@3") // as if each had been fired by itself
	chain.Flush(4, &sink)
	take("a flush b c", "b flush c", "c flush")
	chain.Advance(event.MaxTime, &sink)
	take("c@4", "c@9")
	if len(sink.Rejects) != 1 || sink.Rejects[0].Operator != "A" || sink.Rejects[0].Reason != task.Invalid {
		t.Errorf("rejects are %+v", sink.Rejects)
	}
	var accounts []string
	for _, l := range chain.Accounts() {
		accounts = append(accounts, fmt.Sprintf("%s %s %v", l.Operator, l.Topic, l.Counts))
	}
	if want := []string{"A t in=3 passed=2 invalid=1", "C t in=2 passed=2"}; !slices.Equal(accounts, want) {
		t.Errorf("accounts are %q, want %q", accounts, want)
	}
}

// TestEmptyChain: without operators, rows leave as they came.
func TestEmptyChain(t *testing.T) {
	chain, out, err := task.NewChain(nil, task.Shape{Delay: 3})
	if err != nil || out.Delay != 3 {
		t.Fatalf("%v, %+v", err, out)
	}
	var sink task.Sink
	chain.Process([]event.Row{{Time: 7}}, &sink)
	chain.Advance(event.MaxTime, &sink)
	chain.Flush(0, &sink)
	if len(sink.Rows) != 1 || sink.Rows[0].Time != 7 || len(chain.Accounts()) != 0 {
		t.Errorf("%+v", sink)
	}
}

func TestBindErrorNamesTheOperator(t *testing.T) {
	wrong := errors.New("key: no such field")
	_, _, err := task.NewChain([]task.Stage{{Label: "orders", Op: &relay{}}, {Label: "seen", Op: &relay{err: wrong}}}, task.Shape{})
	if err == nil || err.Error() != "seen: key: no such field" || !errors.Is(err, wrong) {
		t.Errorf("error %v", err)
	}
}

func TestAccounts(t *testing.T) {
	var a task.Account
	a.Operator = "op"
	a.Add(&event.Source{Topic: "b"}, task.In, 2)
	a.Add(&event.Source{Topic: "b"}, task.Held, 2)
	a.Add(&event.Source{Topic: "a"}, task.In, 1)
	a.Add(nil, task.In, 5) // stands for many events that were counted before
	lines := a.Lines()
	if len(lines) != 2 || lines[0].Topic != "a" || lines[1].Topic != "b" || lines[1].Operator != "op" {
		t.Fatalf("lines %+v", lines)
	}
	if lines[0].Counts.Balanced() || !lines[1].Counts.Balanced() {
		t.Error("an event without an outcome is not noticed")
	}
	if got := lines[1].Counts.String(); got != "in=2 held=2" {
		t.Errorf("printed as %q", got)
	}
	if got := (task.Counts{}).String(); got != "in=0" {
		t.Errorf("nothing is printed as %q", got)
	}
	merged := task.MergeLines(lines, []task.Line{{Operator: "op", Topic: "b", Counts: task.Counts{task.In: 3}}, {Operator: "later", Topic: "b"}})
	if len(merged) != 3 || merged[1].Counts[task.In] != 5 || merged[2].Operator != "later" {
		t.Errorf("merged %+v", merged)
	}
	if names := task.Outcomes(); len(names) != 8 || names[task.Future] != "future" {
		t.Errorf("outcomes %v", names)
	}
}

// TestValuesDoNotOverlap: room for one row is never that of another, and grows into none.
func TestValuesDoNotOverlap(t *testing.T) {
	chain, _, err := task.NewChain([]task.Stage{{Label: "wide", Op: wide{}}}, task.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	var sink task.Sink
	for range 3 {
		chain.Process(make([]event.Row, 500), &sink)
	}
	for i, r := range sink.Rows {
		for _, v := range r.Values {
			if v != event.IntOf(int64(len(r.Values))) {
				t.Fatalf("row %d holds %v", i, r.Values)
			}
		}
	}
}

// wide emits a row of growing width for each.
type wide struct{}

func (wide) Bind(in task.Shape) (task.Shape, error) { return in, nil }
func (wide) Restore() error                         { return nil }
func (wide) Advance(event.Time, *task.Output)       {}
func (wide) Flush(event.Time, *task.Output) bool    { return false }

func (wide) Process(rows []event.Row, out *task.Output) {
	for n := range rows {
		v := out.Values(3 * n)
		for i := range v {
			v[i] = event.IntOf(int64(3 * n))
		}
		_ = append(v, event.StringOf("beyond"))
		out.Emit(event.Row{Values: v})
	}
}
