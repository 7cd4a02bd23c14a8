package task_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// TestSharesOfOneInput: tasks that have shares of one input judge each row as a task that
// has all of it would, and come to the same watermark, however the shares are cut and
// whenever a task gets round to them.
func TestSharesOfOneInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ooo = 5
		tasks := rapid.IntRange(1, 3).Draw(t, "tasks")
		var ks []*task.Task
		var probes []*probe
		var sinks []*task.Sink
		pending := make([][]task.Arrival, tasks)
		want := make([][]string, tasks)
		for range tasks {
			k, p := newTask(t, 1, ooo)
			ks, probes, sinks = append(ks, k), append(probes, p), append(sinks, &task.Sink{})
		}
		seen := event.MinTime
		for n := range rapid.IntRange(1, 40).Draw(t, "records") {
			to := rapid.IntRange(0, tasks-1).Draw(t, "task")
			a := task.Arrival{Row: record(0, n, event.Time(rapid.IntRange(0, 100).Draw(t, "at")), event.Value{})}
			a.Row.Source = &event.Source{Topic: "t0", Offset: int64(n)}
			if rapid.IntRange(0, 9).Draw(t, "broken") == 0 {
				a.Invalid = "broken"
			} else {
				seen = max(seen, a.Row.Time)
				want[to] = append(want[to], fmt.Sprintf("row %s at %d, watermark %d", fmt.Sprint(a.Row.Values[0].Int()), a.Row.Time, seen.Add(-ooo)))
			}
			a.Seen = seen
			pending[to] = append(pending[to], a)
			if rapid.Bool().Draw(t, "more") {
				continue
			}
			for i, k := range ks { // a batch is complete
				k.Sources[0].Push(task.Arrivals(pending[i]))
				pending[i] = nil
				k.Sources[0].See(seen)
				k.Sources[0].AtEnd()
				switch rapid.IntRange(0, 2).Draw(t, "do") {
				case 0:
					k.Settle(sinks[i])
				case 1:
					k.Step(rapid.IntRange(1, 5).Draw(t, "limit"), event.MaxTime, sinks[i])
				}
			}
		}
		for i, k := range ks {
			k.Sources[0].Push(task.Arrivals(pending[i]))
			k.Sources[0].See(seen)
			if rapid.Bool().Draw(t, "finish") {
				k.Sources[0].Finish()
			}
			for k.Step(3, event.MaxTime, sinks[i]) > 0 {
			}
			k.Settle(sinks[i])
			rows := slices.DeleteFunc(slices.Clone(probes[i].log), func(s string) bool { return !strings.HasPrefix(s, "row ") })
			if !slices.Equal(rows, want[i]) {
				t.Errorf("task %d:\n%s\nwant\n%s", i, strings.Join(rows, "\n"), strings.Join(want[i], "\n"))
			}
			if w := seen.Add(-ooo); k.Watermark() != w && seen != event.MinTime {
				t.Errorf("task %d stands at %v, want %v", i, k.Watermark(), w)
			}
			for _, l := range k.Accounts() {
				if !l.Counts.Balanced() {
					t.Errorf("account of %s: %v", l.Operator, l.Counts)
				}
			}
		}
	})
}
