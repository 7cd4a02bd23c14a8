package statefulkafka

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// simFigures are those of one minute.
type simFigures struct {
	n, items, withItems int64
	total               *big.Rat
}

func (f *simFigures) String() string {
	return fmt.Sprintf("n=%d items=%d with_items=%d total=%s", f.n, f.items, f.withItems, f.total.FloatString(2))
}

// simTruth is what must come out, computed from the records alone: no operator, task
// or state takes part.
type simTruth struct {
	minutes map[int64]*simFigures // by the start, ms after the epoch
	letters map[string]bool
}

func newSimTruth() *simTruth { return &simTruth{map[int64]*simFigures{}, map[string]bool{}} }

func (t *simTruth) minute(at int64) *simFigures {
	at -= (at%simWindow + simWindow) % simWindow
	if t.minutes[at] == nil {
		t.minutes[at] = &simFigures{total: new(big.Rat)}
	}
	return t.minutes[at]
}

func (r *simStored) place() string { return fmt.Sprintf("%s/%d@%d", r.topic, r.partition, r.offset) }

type simValue struct {
	ID    string      `json:"id"`
	Order string      `json:"order"`
	V     json.Number `json:"v"`
	Price json.Number `json:"price"`
}

func (f *simFigures) add(price json.Number) {
	if x, ok := new(big.Rat).SetString(price.String()); ok {
		f.total.Add(f.total, x)
	}
}

// truthOfOne is the truth of the stream of one topic. Each partition is judged in its
// order: what is later than its watermark allows is late, what came before is a
// duplicate.
func truthOfOne(records []simStored) *simTruth {
	t := newSimTruth()
	newest, seen := map[int32]int64{}, map[string]bool{}
	for _, r := range records {
		last, any := newest[r.partition]
		if !any {
			last = math.MinInt64
		}
		newest[r.partition] = max(last, r.ms)
		watermark := newest[r.partition] - simDisorder
		var v simValue
		switch err := json.Unmarshal([]byte(r.value), &v); {
		case err != nil, v.ID == "", r.ms < watermark-simTTL:
			t.letters[r.place()] = true
		case seen[v.ID]:
		default:
			seen[v.ID] = true
			if end := r.ms - (r.ms%simWindow+simWindow)%simWindow + simWindow; watermark >= end {
				t.letters[r.place()] = true
				continue
			}
			t.minute(r.ms).n++
			t.minute(r.ms).add(v.V)
		}
	}
	return t
}

// truthOfJoin is the truth of orders with items. None of them is late.
func truthOfJoin(records []simStored) *simTruth {
	t := newSimTruth()
	placed, with, seen := map[string]int64{}, map[string]bool{}, map[string]bool{}
	for _, r := range records {
		var v simValue
		_ = json.Unmarshal([]byte(r.value), &v)
		if _, again := placed[v.Order]; r.topic == simOrders && !again {
			placed[v.Order] = r.ms
			t.minute(r.ms).n++
		}
	}
	for _, r := range records {
		var v simValue
		_ = json.Unmarshal([]byte(r.value), &v)
		if r.topic != simItems || seen[v.ID] {
			continue
		}
		seen[v.ID] = true
		at, known := placed[v.Order]
		if d := r.ms - at; !known || d < -simBefore || d > simWithin {
			t.letters[r.place()] = true
			continue
		}
		m := t.minute(at)
		m.items++
		m.add(v.Price)
		if !with[v.Order] {
			with[v.Order] = true
			m.withItems++
		}
	}
	return t
}

// stored is what the database holds. Tasks have rows of their own, which add up.
func (w *simWorld) stored() (*simTruth, error) {
	t := newSimTruth()
	for _, tk := range w.database.tasks {
		for key, row := range tk.rows {
			if row.kind == host.KindDeadLetter {
				place := fmt.Sprintf("%v/%v@%v", row.values["topic"], row.values["partition"], row.values["offset"])
				if t.letters[place] {
					return nil, fmt.Errorf("two dead letters for %s", place)
				}
				t.letters[place] = true
				continue
			}
			start, err := time.Parse(time.RFC3339, fmt.Sprint(row.values["window_start"]))
			if err != nil {
				return nil, fmt.Errorf("row %s: %w", key, err)
			}
			m := t.minute(start.Sub(epoch).Milliseconds())
			for name, to := range map[string]*int64{"n": &m.n, "items": &m.items, "with_items": &m.withItems} {
				if number, ok := row.values[name].(json.Number); ok {
					n, err := number.Int64()
					if err != nil {
						return nil, fmt.Errorf("row %s: %w", key, err)
					}
					*to += n
				}
			}
			total, ok := row.values["total"].(json.Number)
			if !ok {
				return nil, fmt.Errorf("row %s has no total: %v", key, row.values)
			}
			m.add(total)
		}
	}
	return t, nil
}

// compare tells where what was stored differs from the truth, and where the account
// of the last run does not add up.
func (w *simWorld) compare(lines []task.Line) (differences []string) {
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	truth := truthOfOne
	if w.plan.joined {
		truth = truthOfJoin
	}
	want := truth(w.records)
	got, err := w.stored()
	if err != nil {
		return []string{err.Error()}
	}
	starts := maps.Clone(want.minutes)
	maps.Copy(starts, got.minutes)
	for _, at := range slices.Sorted(maps.Keys(starts)) {
		if g, x := got.minute(at).String(), want.minute(at).String(); g != x {
			differ("minute %v: %s, want %s", at/simWindow, g, x)
		}
	}
	for _, place := range slices.Sorted(maps.Keys(want.letters)) {
		if !got.letters[place] {
			differ("no dead letter for %s", place)
		}
	}
	for _, place := range slices.Sorted(maps.Keys(got.letters)) {
		if !want.letters[place] {
			differ("a dead letter for %s", place)
		}
	}
	in := int64(0)
	for _, l := range lines {
		if !l.Counts.Balanced() || l.Counts[task.Held] != 0 {
			differ("the account of %s for %s: %v", l.Operator, l.Topic, l.Counts)
		}
		if l.Operator == "input" {
			in += l.Counts[task.In]
		}
	}
	// A task that had come to its end before is not told again, and one that moves when
	// the first of two processes leaves is told by both.
	if n := int64(len(w.records)); in != n && w.plan.tellsAll() {
		differ("the account tells of %d records, there are %d", in, len(w.records))
	}
	for number, tk := range w.database.tasks {
		if tk.watermark != event.MaxTime && len(tk.rows) > 0 {
			differ("task %d has not come to its end: watermark %v", number, tk.watermark)
		}
	}
	return differences
}
