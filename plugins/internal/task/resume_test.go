package task_test

import (
	"fmt"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// TestResume: a task that takes up a checkpoint stands where the one stood that wrote
// it: its watermark does not go back although a source that was idle then, and held
// nothing, is a live one now; and its account goes on.
func TestResume(t *testing.T) {
	newTask := func() *task.Task {
		chain, _, err := task.NewChain(nil, task.Shape{})
		if err != nil {
			t.Fatal(err)
		}
		return task.New(chain, []*task.Source{{Topic: "a", Identity: "x", Partition: 2}, {Topic: "b", Identity: "y", Partition: 2}}, 1000)
	}
	push := func(tk *task.Task, i int, at event.Time, offset int64) {
		s := tk.Sources[i]
		s.Push(task.BatchOf(event.Row{Time: at, Source: &event.Source{Topic: s.Topic, Partition: 2, Offset: offset}}))
	}
	var sink task.Sink
	old := newTask()
	push(old, 1, 2000, 7)
	push(old, 0, 5000, 40)
	old.Sources[1].AtEnd()
	old.Step(10, event.MaxTime, &sink)
	old.Sources[1].SetIdle()
	old.Settle(&sink)
	push(old, 0, 9000, 41) // waits, and is not part of the checkpoint
	if w := old.Watermark(); w != 4000 {
		t.Fatalf("watermark %v", w)
	}
	c, err := task.ReadCheckpoint(old.Checkpoint().Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	young := newTask()
	young.Sources[0].Begin(1)
	if err := young.Resume(c); err != nil {
		t.Fatal(err)
	}
	young.Settle(&sink)
	if w := young.Watermark(); w != 4000 || !young.HasSeenRecord() {
		t.Errorf("watermark %v, any record %v", w, young.HasSeenRecord())
	}
	for i, want := range []struct {
		next int64
		seen event.Time
	}{{41, 5000}, {8, 2000}} {
		if s := young.Sources[i]; s.Next() != want.next || s.Seen() != want.seen {
			t.Errorf("%s: next %d, seen %v; want %+v", s.Topic, s.Next(), s.Seen(), want)
		}
	}
	push(young, 0, 9000, 41)
	push(young, 1, 6000, 8)
	young.Sources[0].AtEnd()
	young.Sources[1].AtEnd()
	young.Step(10, event.MaxTime, &sink)
	if got := fmt.Sprint(young.Accounts()); got != "[{input a in=2 passed=2} {input b in=2 passed=2}]" {
		t.Error(got)
	}
}
