package task_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

// newTask makes a task over the probe with n sources.
func newTask(tb tasktest.TB, n int, ooo event.Duration) (*task.Task, *probe) {
	p := &probe{}
	chain, _, err := task.NewChain([]task.Stage{{Label: "probe", Op: p}}, task.Shape{})
	if err != nil {
		tb.Fatalf("%v", err)
	}
	var sources []*task.Source
	for s := range n {
		sources = append(sources, &task.Source{Topic: fmt.Sprint("t", s)})
	}
	return task.New(chain, sources, ooo), p
}

// TestBacklogIsDeterministic: whatever pieces the records of a backlog come in, how
// many are merged at a time, and when it is known that a partition has ended, the
// same rows and timers come in the same order, each with the same watermark. One
// record at a time is one of the ways, so timers fire as if each record were driven
// by itself.
func TestBacklogIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := backlog(t, rapid.Bool().Draw(t, "sorted"))
		ooo := event.Duration(rapid.SampledFrom([]int{0, 1, 10, 100}).Draw(t, "ooo"))
		horizon := event.MaxTime
		if rapid.IntRange(0, 3).Draw(t, "capped") == 0 {
			horizon = event.Time(rapid.Int64Range(-10, 40).Draw(t, "horizon"))
		}
		limit := rapid.SampledFrom([]int{1, 2, 7, 10000})
		k, p := newTask(t, len(parts), ooo)
		var sink task.Sink
		pushed := make([]int, len(parts))
		left, mark := len(parts), event.MinTime
		step := func() {
			k.Step(limit.Draw(t, "limit"), horizon, &sink)
			if k.Watermark() < mark {
				t.Fatalf("the watermark went back from %v to %v", mark, k.Watermark())
			}
			mark = k.Watermark()
		}
		for left > 0 {
			s := rapid.IntRange(0, len(parts)-1).Draw(t, "source")
			if pushed[s] > len(parts[s]) {
				continue
			}
			for range rapid.IntRange(1, 8).Draw(t, "piece") {
				if pushed[s] < len(parts[s]) {
					k.Sources[s].Push(task.BatchOf(parts[s][pushed[s]]))
					pushed[s]++
				}
			}
			if pushed[s] == len(parts[s]) && rapid.Bool().Draw(t, "finish") {
				k.Sources[s].Finish()
				pushed[s]++
				left--
				if rapid.Bool().Draw(t, "settle") {
					k.Settle(&sink)
				}
			}
			for range rapid.IntRange(0, 2).Draw(t, "steps") {
				step()
			}
			if rapid.IntRange(0, 5).Draw(t, "flush") == 0 {
				k.Flush(&sink)
			}
		}
		for slices.ContainsFunc(k.Sources, func(s *task.Source) bool { return !s.Done() }) {
			step()
		}
		k.End(&sink)

		log, future := expected(parts, ooo, horizon)
		if diff := tasktest.Diff(p.log, log); diff != "" {
			t.Fatal(diff)
		}
		var rejects []string
		for i := range sink.Rejects {
			r := &sink.Rejects[i]
			if r.Operator != "input" || r.Reason != task.Future {
				t.Fatalf("rejected: %s", tasktest.RejectText(r))
			}
			rejects = append(rejects, fmt.Sprint(r.Row.Values[0].Int(), " at ", r.Row.Time))
		}
		if diff := tasktest.Diff(rejects, future); diff != "" {
			t.Fatal(diff)
		}
		if len(sink.Rows) != len(log) {
			t.Fatalf("%d rows of %d events", len(sink.Rows), len(log))
		}
		for _, l := range k.Accounts() {
			if !l.Counts.Balanced() {
				t.Fatalf("%s %s is out of balance: %v", l.Operator, l.Topic, l.Counts)
			}
		}
	})
}

// TestMergeIsByEventTime: partitions that are in order are merged in order; records
// of the same time come in the order of the sources, and of their partition.
func TestMergeIsByEventTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := backlog(t, true)
		k, p := newTask(t, len(parts), 5)
		var all []event.Row
		for s, rows := range parts {
			for _, r := range rows {
				k.Sources[s].Push(task.BatchOf(r))
			}
			k.Sources[s].Finish()
			all = append(all, rows...)
		}
		slices.SortStableFunc(all, func(a, b event.Row) int { return cmp.Compare(a.Time, b.Time) })
		var sink task.Sink
		if n := k.Step(10000, event.MaxTime, &sink); n != len(all) {
			t.Fatalf("merged %d of %d", n, len(all))
		}
		var got, want []string
		for i := range sink.Rows {
			if sink.Rows[i].Source != nil { // not of a timer
				got = append(got, tasktest.Text(&sink.Rows[i]))
			}
		}
		if diff := tasktest.Diff(got, append(want, tasktest.Texts(all)...)); diff != "" {
			t.Fatal(diff)
		}
		if k.HasSeenRecord() != (len(all) > 0) || len(p.log) < len(all) {
			t.Fatalf("%d records, seen: %v", len(all), k.HasSeenRecord())
		}
	})
}

// TestLiveRules checks each record of a live run against the rules: sources go idle
// and wake, reach their ends and get more.
func TestLiveRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type source struct {
			queue                 []event.Row
			seen                  event.Time
			atEnd, idle, finished bool
		}
		ooo := event.Duration(rapid.SampledFrom([]int{0, 3, 20}).Draw(t, "ooo"))
		model := make([]*source, rapid.IntRange(1, 3).Draw(t, "sources"))
		for s := range model {
			model[s] = &source{seen: event.MinTime}
		}
		k, p := newTask(t, len(model), ooo)
		var sink task.Sink
		mark, n := event.MinTime, 0
		// low is the watermark that the sources allow; current is one that holds it whatever it is.
		low := func(current *source) event.Time {
			w := event.MaxTime
			for _, s := range model {
				if s == current || !s.idle && !(s.finished && len(s.queue) == 0) {
					w = min(w, s.seen.Add(-ooo))
				}
			}
			if w == event.MaxTime {
				return event.MinTime // none holds it: it stands
			}
			return w
		}
		settle := func() {
			k.Settle(&sink)
			mark = max(mark, low(nil))
		}
		pick := func(t *rapid.T) (int, *source) {
			s := rapid.IntRange(0, len(model)-1).Draw(t, "source")
			if model[s].finished {
				t.Skip("it is finished")
			}
			return s, model[s]
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				i, s := pick(t)
				r := record(i, n, event.Time(rapid.Int64Range(-40, 40).Draw(t, "at")), event.IntOf(rapid.Int64Range(0, 9).Draw(t, "timer")))
				n++
				k.Sources[i].Push(task.BatchOf(r))
				s.queue, s.atEnd, s.idle = append(s.queue, r), false, false
			},
			"all at end": func(t *rapid.T) {
				for i, s := range model {
					k.Sources[i].AtEnd()
					s.atEnd = true
				}
			},
			"at end": func(t *rapid.T) {
				i, s := pick(t)
				k.Sources[i].AtEnd()
				s.atEnd = true
			},
			"idle": func(t *rapid.T) {
				i, s := pick(t)
				if !k.Sources[i].IsAtEnd() {
					t.Skip("it has not been merged to its end")
				}
				k.Sources[i].SetIdle()
				s.idle = true
				settle()
			},
			"finish": func(t *rapid.T) {
				i, s := pick(t)
				if rapid.IntRange(0, 5).Draw(t, "rarely") > 0 {
					t.Skip("it goes on")
				}
				k.Sources[i].Finish()
				s.finished = true
				settle()
			},
			"step": func(t *rapid.T) {
				var next *source
				for _, s := range model {
					if len(s.queue) == 0 && !s.atEnd && !s.idle && !s.finished {
						next = nil
						break
					}
					if len(s.queue) > 0 && (next == nil || s.queue[0].Time < next.queue[0].Time) {
						next = s
					}
				}
				lines := len(p.log)
				took := k.Step(1, event.MaxTime, &sink)
				if (took == 1) != (next != nil) {
					t.Fatalf("took %d; a record can be merged: %v", took, next != nil)
				}
				if next == nil {
					return
				}
				r := next.queue[0]
				next.queue = next.queue[1:]
				before := max(mark, low(next)) // a source may have left since
				next.seen = max(next.seen, r.Time)
				mark = max(mark, low(next))
				want := fmt.Sprintf("row %d at %d, watermark %d", r.Values[0].Int(), r.Time, mark)
				if got := p.log[len(p.log)-1]; got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
				if mark > before && r.Time < mark.Add(ooo) {
					t.Fatalf("record %d at %v was judged by %v, which it did not move", r.Values[0].Int(), r.Time, mark)
				}
				for _, line := range p.log[lines : len(p.log)-1] {
					var at int64
					var of string
					if _, err := fmt.Sscanf(line, "timer %d of %s", &at, &of); err != nil || event.Time(at) >= mark {
						t.Fatalf("%q came before the record, at watermark %v", line, mark)
					}
				}
				settle()
			},
			"": func(t *rapid.T) {
				if k.Watermark() != mark {
					t.Fatalf("watermark %v, want %v", k.Watermark(), mark)
				}
				if next := p.timers.Next(); next < mark {
					t.Fatalf("a timer for %v has not fired at %v", next, mark)
				}
				for i, s := range model {
					got := k.Sources[i]
					if got.Len() != len(s.queue) || got.Seen() != s.seen || got.IsIdle() != s.idle ||
						got.IsAtEnd() != (s.atEnd && len(s.queue) == 0) || got.Done() != (s.finished && len(s.queue) == 0) {
						t.Fatalf("source %d is %+v, want %+v", i, *got, *s)
					}
				}
			},
		})
		k.End(&sink)
		if k.Watermark() != event.MaxTime || p.timers.Len() > 0 {
			t.Fatalf("at the end the watermark is %v and %d timers are left", k.Watermark(), p.timers.Len())
		}
	})
}

// TestRowsOutliveTheOperatorsMemory: what has left the chain stays as it is while
// operators use the room of their rows again, also when the sink is emptied between.
func TestRowsOutliveTheOperatorsMemory(t *testing.T) {
	chain, _, err := task.NewChain([]task.Stage{{Label: "wide", Op: wide{}}}, task.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	k := task.New(chain, []*task.Source{{Topic: "t"}}, 0)
	var sink task.Sink
	var kept []event.Row
	for i := range 50 {
		batch := make([]event.Row, 1+i%7)
		for n := range batch {
			batch[n] = record(0, n, event.Time(i), event.Value{})
		}
		k.Sources[0].Push(task.BatchOf(batch...))
		k.Step(100, event.MaxTime, &sink)
		if i%3 == 0 {
			kept = append(kept, sink.Rows...)
			sink.Reset()
		}
	}
	for i, r := range append(kept, sink.Rows...) {
		for _, v := range r.Values {
			if v != event.IntOf(int64(len(r.Values))) {
				t.Fatalf("row %d holds %v", i, r.Values)
			}
		}
	}
}

// TestQueueStaysBounded: a source that is never quite empty does not keep what was merged.
func TestQueueStaysBounded(t *testing.T) {
	k, p := newTask(t, 1, 0)
	var sink task.Sink
	s := k.Sources[0]
	for i := range 200_000 {
		s.Push(task.BatchOf(record(0, i, event.Time(i), event.Value{})))
		if s.Len() > 100 {
			k.Step(50, event.MaxTime, &sink)
			sink, p.log = task.Sink{}, nil
		}
		if c := s.Cap(); c > 1000 {
			t.Fatalf("room for %d records where %d wait", c, s.Len())
		}
	}
}
