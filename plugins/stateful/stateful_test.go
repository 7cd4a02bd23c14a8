package stateful

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// TestEndOfInput: what is open when the inner input ends is final, and the next run goes
// on from the committed state.
func TestEndOfInput(t *testing.T) {
	inWorld(t, func(w *world) {
		w.broker.send(ev("1", "a", 0), ev("2", "b", 1), ev("2", "b", 1))
		w.broker.send(ev("3", "a", 30))
		w.broker.end()
		s := w.start(counting).wait()
		wantEqual(t, w.db.counts(t), []string{"a@0=2", "b@0=1"})
		if n := w.broker.unanswered(); n > 0 {
			t.Errorf("%d batches are not acknowledged", n)
		}
		for i, m := range w.db.marks { // one task has seen nothing
			if m != event.MaxTime && m != event.MinTime {
				t.Errorf("task %d ends at %v", i, m)
			}
		}
		if c := s.account("dedup_0"); c[task.In] != 4 || c[task.Duplicate] != 1 {
			t.Errorf("account: %v", c)
		}
		w.broker = newBroker()
		w.broker.send(ev("3", "a", 30), ev("4", "a", 40))
		w.broker.end()
		s = w.start(counting).wait()
		wantEqual(t, w.db.counts(t), []string{"a@0=3", "b@0=1"})
		if c := s.account("input"); c[task.In] != 6 {
			t.Errorf("account: %v", c)
		}
	})
}

// TestWatermarkIsOfTheWholeInput: what goes to one task lets event time pass in all.
func TestWatermarkIsOfTheWholeInput(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.start(strings.ReplaceAll(counting, "size: 1m", "size: 1m, emit: on_close"))
		w.broker.send(ev("1", "a", 0))
		w.broker.send(ev("2", "b", 100))
		time.Sleep(2 * time.Second)
		wantEqual(t, w.db.counts(t), nil)
		if taskOf("a", 3) == taskOf("b", 3) || taskOf("a", 3) == taskOf("e", 3) {
			t.Fatal("the keys of this test lie in one task")
		}
		w.broker.send(ev("3", "b", 180)) // 1 minute behind 2 minutes of disorder
		time.Sleep(2 * time.Second)
		wantEqual(t, w.db.counts(t), []string{"a@0=1"})
		// An event is judged by the watermark as all before it have made it, in one batch too.
		w.broker.send(ev("4", "e", 61), ev("5", "b", 600), ev("6", "a", 62))
		time.Sleep(2 * time.Second)
		late := ev("6", "a", 62)
		if got := w.db.deadLetters(); len(got) != 1 || !strings.HasPrefix(got[0], "late: ") || !strings.Contains(got[0], `"id":"6"`) {
			t.Errorf("dead letters %q, want %s", got, late)
		}
		wantEqual(t, w.db.counts(t), []string{"a@0=1", "b@1=1", "b@3=1", "e@1=1"})
		s.stop()
		for i, m := range w.db.marks {
			if want := event.TimeOf(epoch.Add(480 * time.Second)); m != want {
				t.Errorf("watermark of task %d is %v, want %v", i, m, want)
			}
		}
	})
}

// TestAcknowledgedAfterCommit: a crash of the machine right after an acknowledgement finds
// what was acknowledged, and one before it makes nothing count twice.
func TestAcknowledgedAfterCommit(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("acknowledgement lost: ", lost), func(t *testing.T) {
			inWorld(t, func(w *world) {
				var clone atomic.Pointer[vfs.MemFS]
				w.broker.acked = func() { clone.Store(w.disk.CrashClone(vfs.CrashCloneCfg{})) }
				s := w.start(counting)
				w.broker.send(ev("1", "a", 0), ev("2", "b", 0), ev("3", "a", 1))
				time.Sleep(3 * time.Second)
				then := clone.Load()
				if then == nil {
					t.Fatal("nothing was acknowledged")
				}
				s.crash(vfs.CrashCloneCfg{})
				w.disk = then
				if lost {
					w.broker.send(ev("1", "a", 0), ev("2", "b", 0), ev("3", "a", 1))
				}
				w.broker.send(ev("4", "a", 2))
				w.broker.end()
				s = w.start(counting).wait()
				wantEqual(t, w.db.counts(t), []string{"a@0=3", "b@0=1"})
				want := int64(0)
				if lost {
					want = 3
				}
				if c := s.account("dedup_0"); c[task.Duplicate] != want {
					t.Errorf("account: %v", c)
				}
			})
		})
	}
}

// TestRefusedBatch: the task begins a new generation and is given the same messages again,
// though its source delivers each once.
func TestRefusedBatch(t *testing.T) {
	inWorld(t, func(w *world) {
		w.db.refuse = func(n int) error {
			if n%3 == 1 {
				return errors.New("not this one")
			}
			return nil
		}
		config := strings.Replace(counting, "  - dedup: { key: id, ttl: 7d }\n", "", 1)
		s := w.start(config)
		for i := range 20 {
			w.broker.send(ev(fmt.Sprint(i), string(rune('a'+i%4)), i))
			time.Sleep(200 * time.Millisecond)
		}
		w.broker.end()
		s.wait()
		wantEqual(t, w.db.counts(t), []string{"a@0=5", "b@0=5", "c@0=5", "d@0=5"})
		if w.broker.delivered != 20 || len(w.broker.refused) > 0 || w.broker.unanswered() > 0 {
			t.Errorf("%d deliveries, %d refused, %d unanswered", w.broker.delivered, len(w.broker.refused), w.broker.unanswered())
		}
		if w.db.begun <= 3 {
			t.Error("no generation was begun by a refusal")
		}
	})
}

// TestStopRefusesWhatIsNotCommitted: the next run is given it by its source.
func TestStopRefusesWhatIsNotCommitted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.db.refuse = func(int) error { return errors.New("away") }
		s := w.start(counting)
		w.broker.send(ev("1", "a", 0), ev("2", "b", 0))
		w.broker.send(ev("3", "c", 0))
		time.Sleep(5 * time.Second)
		s.stop()
		if len(w.broker.refused) != 2 || !errors.Is(w.broker.refused[0], errStopped) {
			t.Errorf("refused: %v", w.broker.refused)
		}
		w.db.refuse = nil
		w.broker = w.broker.again()
		w.broker.end()
		w.start(counting).wait()
		wantEqual(t, w.db.counts(t), []string{"a@0=1", "b@0=1", "c@0=1"})
	})
}

// TestMessagesInFlightAreBounded: and they are committed when they are too many, however
// long the interval is.
func TestMessagesInFlightAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		blocked := make(chan struct{})
		w.db.refuse = func(int) error { <-blocked; return nil }
		s := w.start(counting + "max_in_flight: 10\ncommit_interval: 1h\n")
		for i := range 100 {
			w.broker.send(ev(fmt.Sprint(i, "x"), "a", i), ev(fmt.Sprint(i, "y"), "b", i), ev(fmt.Sprint(i, "z"), "c", i))
		}
		synctest.Wait()
		// Four batches, and one that the inner input has read ahead.
		if w.broker.delivered != 15 {
			t.Errorf("%d messages are in flight", w.broker.delivered)
		}
		close(blocked)
		time.Sleep(time.Minute)
		if n := w.broker.unanswered(); n > 4 {
			t.Errorf("%d batches wait for the end of the interval", n)
		}
		w.broker.end()
		s.wait()
		wantEqual(t, w.db.counts(t), []string{"a@0=60", "a@1=40", "b@0=60", "b@1=40", "c@0=60", "c@1=40"})
	})
}

// TestBrokenMessages: of which no event can be made is a dead letter, and acknowledged.
func TestBrokenMessages(t *testing.T) {
	inWorld(t, func(w *world) {
		future := fmt.Sprintf(`{"id":"f","key":"a","at":%d}`, time.Now().Add(time.Hour).UnixMilli())
		for _, text := range []string{ev("1", "a", 0), `{"id":"2","at":1}`, `{"id":"3","key":"a"}`, `{"id":"4","key":"a","at":"soon"}`,
			"no JSON", `[1]`, `{"id":"5","key":"a","at":99999999999999999}`, future} {
			w.broker.send(text)
		}
		w.broker.end()
		s := w.start(counting).wait()
		wantEqual(t, w.db.counts(t), []string{"a@0=1"})
		got := strings.Join(w.db.deadLetters(), "\n")
		for _, want := range []string{
			`future: input: event time`,
			`invalid: input: key: is null: {"at":1,"id":"2"}`,
			`invalid: input: event_time: is missing: {"id":"3","key":"a"}`,
			`invalid: input: event_time: "soon" is neither RFC 3339 nor a number of milliseconds: {`,
			`: no JSON`, `: [1]`,
			`invalid: input: event_time: 99999999999999999 lies outside the years 1 to 9999`,
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no dead letter with %q among\n%s", want, got)
			}
		}
		if c := s.account("input"); c[task.In] != 8 || c[task.Invalid] != 6 || c[task.Future] != 1 || c[task.Passed] != 1 {
			t.Errorf("account: %v", c)
		}
		if n := w.broker.unanswered(); n > 0 {
			t.Errorf("%d batches are not acknowledged", n)
		}
	})
}

// TestStateOfAnotherConfig: state is never looked for where it is not.
func TestStateOfAnotherConfig(t *testing.T) {
	inWorld(t, func(w *world) {
		w.broker.send(ev("1", "a", 0), ev("2", "b", 0))
		w.broker.end()
		w.start(counting).wait()
		w.start(counting).wait() // the second generation
		refused := func(config, want string) {
			t.Helper()
			w.broker = newBroker()
			s := w.start(config).wait()
			if got := s.failure(); !strings.Contains(got, want) || strings.Contains(got, "\n") {
				t.Errorf("failure %q, want %q", got, want)
			}
		}
		for n := range 6 {
			if n+1 != 3 {
				refused(strings.Replace(counting, "tasks: 3", fmt.Sprint("tasks: ", n+1), 1),
					"tasks: the state of stream test in .tidemark/state/test was written with 3 tasks, and keys would leave the tasks that hold their state: set it to 3 again; `tidemark state reset`")
			}
		}
		refused(strings.Replace(counting, "key: this.key", "key: this.id", 1), `was written with the key "this.key"`)
		if err := w.disk.RemoveAll(".tidemark/state/test/task-1"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			refused(counting, "task-1, the state of task 1, is gone, while others have theirs")
		}
		if err := w.disk.RemoveAll(".tidemark/state/test"); err != nil {
			t.Fatal(err)
		}
		refused(counting, "rows of a generation after 1 are there, of which the state in .tidemark/state/test knows nothing")
		if _, err := w.disk.Stat(".tidemark/state/test"); errors.Is(err, os.ErrNotExist) {
			t.Error("the folder is gone")
		}
	})
}

// TestChangedOperators: state is of the operators that wrote it. Another definition is
// refused, or starts afresh, and so does nothing but that operator; one that is gone keeps
// the stream from starting until its state may go too.
func TestChangedOperators(t *testing.T) {
	inWorld(t, func(w *world) {
		run := func(config string, events ...string) *stream {
			t.Helper()
			w.broker = newBroker()
			w.broker.send(events...)
			w.broker.end()
			return w.start(config).wait()
		}
		refused := func(config, want string) {
			t.Helper()
			if got := run(config).failure(); !strings.Contains(got, want) || strings.Contains(got, "\n") {
				t.Errorf("failure %q, want %q", got, want)
			}
		}
		run(counting, ev("1", "a", 0), ev("2", "b", 0))
		hours := strings.Replace(counting, "size: 1m", "size: 1h", 1)
		refused(hours, `operator "counted" has state of another definition (size: 1m → 1h)`)
		refused(strings.Replace(counting, "label: counted", "label: sums", 1), `operator "counted" is gone from the config, but has state`)
		afresh := strings.Replace(hours, "window: {", "window: { on_change: reset,", 1)
		for range 2 { // what was seen is known still, and the second time nothing has changed
			if got := run(afresh, ev("1", "a", 0), ev("3", "a", 0)).failure(); got != "" {
				t.Fatal(got)
			}
			wantEqual(t, w.db.counts(t), []string{"a@0=1", "b@0=1"}) // the one of b was committed, and nobody has replaced it
		}
		dropped := strings.Replace(counting, "label: counted", "label: sums", 1) + "drop_state: [ counted ]\n"
		if got := run(dropped, ev("4", "b", 0)).failure(); got != "" {
			t.Fatal(got)
		}
		wantEqual(t, w.db.counts(t), []string{"a@0=1", "b@0=1", "b@0=1"})
	})
}

// TestReload: a stream waits for the one before it, and not for ever.
func TestReload(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.start(counting)
		w.broker.send(ev("1", "a", 0))
		time.Sleep(3 * time.Second)
		w.broker = newBroker()
		second := w.start(counting)
		w.broker.send(ev("2", "a", 1))
		time.Sleep(5 * time.Second)
		first.stop()
		time.Sleep(3 * time.Second)
		wantEqual(t, w.db.counts(t), []string{"a@0=2"})
		w.broker = newBroker()
		third := w.start(counting).wait()
		if w.broker.closed != 1 {
			t.Error("the inner input of a refused stream stays open")
		}
		if got := third.failure(); !strings.Contains(got, "stream test runs already: another process, or another stream of this one, has its state in .tidemark/state/test") {
			t.Errorf("failure %q", got)
		}
		if got := second.stop().failure(); got != "" {
			t.Error(got)
		}
	})
}

// TestTopics: the topic of a message is what the config says, and accounted for.
func TestTopics(t *testing.T) {
	inWorld(t, func(w *world) {
		w.broker.send(ev("1", "a", 0), ev("2", "b", 0))
		w.broker.end()
		config := strings.Replace(counting, "key: this.key", "key: this.key\ntopic: '${! this.key }-events'", 1)
		s := w.start(config).wait()
		_, finished := s.monitor.State()
		topics := map[string]int64{}
		for _, l := range finished[""].Lines {
			if l.Operator == "input" {
				topics[l.Topic] += l.Counts[task.In]
			}
		}
		if topics["a-events"] != 1 || topics["b-events"] != 1 || len(topics) != 2 {
			t.Errorf("topics: %v", topics)
		}
	})
}

// TestFullDisk: an outage of the disk is waited for, nothing is acknowledged meanwhile,
// and nothing counts twice although no event has an id.
func TestFullDisk(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.start(strings.Replace(counting, "  - dedup: { key: id, ttl: 7d }\n", "", 1))
		w.broker.send(ev("1", "a", 0), ev("2", "b", 0))
		time.Sleep(5 * time.Second)
		for i := range 3 {
			w.full.Store(true)
			w.broker.send(ev(fmt.Sprint(i, "x"), "a", 1), ev(fmt.Sprint(i, "y"), "b", 1), ev(fmt.Sprint(i, "z"), "e", 1))
			time.Sleep(time.Minute)
			if n := w.broker.unanswered(); n != 1 {
				t.Errorf("%d batches are unanswered, want 1", n)
			}
			w.full.Store(false)
			time.Sleep(time.Minute)
			if n := w.broker.unanswered(); n != 0 {
				t.Errorf("%d batches are unanswered", n)
			}
		}
		w.broker.end()
		s.wait()
		wantEqual(t, w.db.counts(t), []string{"a@0=4", "b@0=4", "e@0=3"})
		if !strings.Contains(s.log.String(), "Task starts again from its last commit") || w.broker.delivered != 11 {
			t.Errorf("%d deliveries\n%s", w.broker.delivered, s.log)
		}
	})
}
