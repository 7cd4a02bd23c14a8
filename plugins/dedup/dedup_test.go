package dedup

import (
	"fmt"
	"math/bits"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

var schema = event.NewSchema("t", "id", "n")

// clash are two keys that the index takes for one.
var clash = func() (keys [2]string) {
	const factor = 0xD6E8FEB86659FD93
	inverse := uint64(1)
	for range 6 { // Newton's iteration, modulo 2^64
		inverse *= 2 - factor*inverse
	}
	for i := range keys {
		h := (uint64(0x0123456789)<<24 | uint64(i)) * inverse // of the hash the last step, undone
		h ^= h >> 32
		text := fmt.Sprintf("%016x%016x", 0, bits.ReverseBytes64(h))
		keys[i] = text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
	}
	return keys
}()

func TestClashIsOne(t *testing.T) {
	var x state.Index
	first, second := idOf(clash[0]), idOf(clash[1])
	if x.Add(first.hash(), 1); !x.Has(second.hash()) || first == second {
		t.Errorf("%v and %v are told apart by the index: %x, %x", first, second, first.hash(), second.hash())
	}
}

// schedule draws events of few keys with a watermark that never goes back. Event
// times lie around the watermark, at its bounds more often than by chance.
func schedule(t *rapid.T, ttl event.Duration) []event.Row {
	w := event.MinTime
	var rows []event.Row
	for i := range rapid.IntRange(1, 60).Draw(t, "rows") {
		switch {
		case rapid.IntRange(0, 2).Draw(t, "move") > 0:
		case w == event.MinTime:
			w = event.Time(rapid.IntRange(-200, 200).Draw(t, "start"))
		default:
			w += event.Time(rapid.SampledFrom([]event.Duration{1, 2, 7, ttl - 1, ttl, ttl + 1, 3 * ttl}).Draw(t, "step"))
		}
		base := w
		if w == event.MinTime {
			base = 0
		}
		at := base + event.Time(rapid.SampledFrom([]event.Duration{-ttl - 1, -ttl, -ttl + 1, -1, 0, 1, ttl, ttl + 1}).Draw(t, "at"))
		at += event.Time(rapid.IntRange(-2, 2).Draw(t, "jitter"))
		id := event.StringOf(rapid.SampledFrom([]string{"a", clash[0], clash[1]}).Draw(t, "id"))
		if rapid.IntRange(0, 20).Draw(t, "null") == 0 {
			id = event.Value{}
		}
		rows = append(rows, event.Row{
			Time: at, Watermark: w, Schema: schema, Values: []event.Value{id, event.IntOf(int64(i))},
			Source: &event.Source{Topic: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "topic"), Offset: int64(i)},
		})
	}
	return rows
}

// model judges each event by the rules, looking back at all that passed before it.
func model(cfg Config, delay event.Duration, rows []event.Row) (passed, rejected []string, counts task.Counts) {
	type pass struct {
		id string
		at event.Time
	}
	var all []pass
	for i := range rows {
		r := &rows[i]
		w := r.Watermark.Add(-delay)
		counts[task.In]++
		if r.Get("id").IsNull() {
			counts[task.Invalid]++
			rejected = append(rejected, tasktest.RejectText(&task.Reject{Operator: "op", Reason: task.Invalid, Row: *r}))
			continue
		}
		if w != event.MinTime && r.Time < w-event.Time(cfg.TTL) {
			counts[task.Late]++
			rejected = append(rejected, tasktest.RejectText(&task.Reject{Operator: "op", Reason: task.Late, Row: *r}))
			continue
		}
		what := task.Passed
		for _, p := range all {
			forgotten := w > p.at+event.Time(cfg.TTL)
			apart := max(p.at-r.Time, r.Time-p.at)
			if p.id == r.Get("id").Str() && !forgotten && apart <= event.Time(cfg.TTL) {
				what = task.Duplicate
			}
		}
		counts[what]++
		if what == task.Passed {
			passed = append(passed, tasktest.Text(r))
			all = append(all, pass{r.Get("id").Str(), r.Time})
		}
	}
	return passed, rejected, counts
}

// TestModel: what passes, is rejected and counted is what the rules say, however
// the events are cut into batches and whenever a flush comes.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Key: "id", TTL: event.Duration(rapid.SampledFrom([]int{1, 2, 10, 63, 64, 65, 500}).Draw(t, "ttl"))}
		delay := event.Duration(rapid.SampledFrom([]int{0, 0, 5, 100}).Draw(t, "delay"))
		rows := schedule(t, cfg.TTL)
		memory := state.NewMemory()
		d := tasktest.New(t, task.Shape{Delay: delay}, task.Stage{Label: "op", Op: New(cfg, memory)})
		for _, r := range rows {
			d.Add(r)
			if rapid.Bool().Draw(t, "cut") {
				d.Cut()
			}
			if rapid.IntRange(0, 9).Draw(t, "flush") == 0 {
				d.Flush()
			}
		}
		d.End()
		passed, rejected, counts := model(cfg, delay, rows)
		if diff := tasktest.Diff(tasktest.Texts(d.Sink.Rows), passed); diff != "" {
			t.Fatalf("passed: %s", diff)
		}
		if diff := tasktest.Diff(tasktest.RejectTexts(d.Sink.Rejects), rejected); diff != "" {
			t.Fatalf("rejected: %s", diff)
		}
		if got := d.Total("op"); got != counts {
			t.Fatalf("counts %v, want %v", got, counts)
		}
	})
}

// TestOrderIndependence: where all events of a key lie within ttl, and none is late,
// each key passes once, whatever the order of arrival.
func TestOrderIndependence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ttl, bound = 1000, 50
		var rows []event.Row
		keys := map[string]bool{}
		for i := range rapid.IntRange(1, 50).Draw(t, "rows") {
			id := rapid.StringMatching("[a-z]").Draw(t, "id")
			keys[id] = true
			rows = append(rows, event.Row{Time: event.Time(rapid.IntRange(0, ttl).Draw(t, "at")), Schema: schema, Values: []event.Value{event.StringOf(id), event.IntOf(int64(i))}, Source: &event.Source{Topic: "x"}})
		}
		rows = tasktest.Arrive(t, rows, bound)
		d := tasktest.Op(t, New(Config{Key: "id", TTL: ttl}, state.NewMemory()))
		for _, r := range rows {
			d.Add(r)
		}
		d.End()
		for i := range d.Sink.Rows {
			id := d.Sink.Rows[i].Get("id").Str()
			if !keys[id] {
				t.Fatalf("%q passed twice or was never sent", id)
			}
			delete(keys, id)
		}
		if len(keys) > 0 || len(d.Sink.Rejects) > 0 {
			t.Fatalf("keys that never passed: %v; rejected: %v", keys, tasktest.RejectTexts(d.Sink.Rejects))
		}
	})
}

// TestStateIsBounded: only keys that may still have a duplicate are remembered, and
// those of the one bucket that is passing.
func TestStateIsBounded(t *testing.T) {
	const ttl = 640
	memory := state.NewMemory()
	op := New(Config{Key: "id", TTL: ttl}, memory)
	d := tasktest.Op(t, op)
	for i := range 10_000 {
		at := event.Time(i)
		d.Add(event.Row{Time: at, Watermark: at, Schema: schema, Values: []event.Value{event.StringOf(fmt.Sprint(i)), {}}, Source: &event.Source{Topic: "x"}})
		d.Cut()
		if n := memory.Keys(); n > ttl+ttl/bucketsPerTTL+1 {
			t.Fatalf("%d keys at %v", n, at)
		}
		if n, most := op.index.Len(), ttl+ttl/bucketsPerTTL+1; n > most || len(op.places) > most || len(op.names) > bucketsPerTTL+2 {
			t.Fatalf("%d ids, %d names of chunks, %d buckets at %v", n, len(op.places), len(op.names), at)
		}
	}
	if got := d.Total("op")[task.Passed]; got != 10_000 {
		t.Errorf("%d passed", got)
	}
}
