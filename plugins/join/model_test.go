package join

import (
	"cmp"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

// verdict is something that the join has to say, and when: at a row of the input,
// or by a timer that fires just before it.
type verdict struct {
	row   int // index of the input row; one past the last at the end of time
	timer bool
	at    event.Time // of the timer
	order int        // what was set or held first goes first
	text  string
}

func sorted(vs []verdict) []string {
	slices.SortStableFunc(vs, func(a, b verdict) int {
		if a.row != b.row {
			return cmp.Compare(a.row, b.row)
		}
		if a.timer != b.timer {
			if a.timer {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	var texts []string
	for _, v := range vs {
		texts = append(texts, v.text)
	}
	return texts
}

// model decides for each event by itself, looking at all the others: which anchor it
// meets and when. Then it lets each anchor tell its story.
func model(cfg Config, delay event.Duration, rows []event.Row) (emitted, rejected []string, counts map[string]*task.Counts) {
	mark := func(i int) event.Time { return rows[i].Watermark.Add(-delay) }
	// passed is the first row whose watermark is later than t.
	passed := func(from int, t event.Time) int {
		for i := from; i < len(rows); i++ {
			if mark(i) > t {
				return i
			}
		}
		return len(rows)
	}
	counts = map[string]*task.Counts{}
	count := func(r *event.Row, what task.Outcome) {
		if counts[r.Source.Topic] == nil {
			counts[r.Source.Topic] = &task.Counts{}
		}
		counts[r.Source.Topic][task.In]++
		counts[r.Source.Topic][what]++
	}
	var out []verdict
	reject := func(i int, why task.Outcome, w event.Time) {
		count(&rows[i], why)
		rejected = append(rejected, rejection(&task.Reject{Operator: "op", Reason: why, Row: rows[i]}, w))
	}

	// The anchors that are accepted, and from when to when each is known.
	type life struct{ from, to int }
	anchors := map[int]life{}
	for i := range rows {
		r := &rows[i]
		if r.Get("k").IsNull() || r.Source.Topic != "orders" {
			continue
		}
		end := r.Time.Add(cfg.Within)
		switch {
		case end < mark(i):
			reject(i, task.Late, r.Watermark)
		case slices.ContainsFunc(rows[:i], func(o event.Row) bool {
			l, ok := anchors[int(o.Source.Offset)]
			return ok && o.Get("k") == r.Get("k") && i < l.to
		}):
			count(r, task.Duplicate)
		default:
			anchors[i] = life{i, passed(i+1, end)}
			count(r, task.Passed)
		}
	}
	// The children: the anchor that is known when they come, or else the first that
	// comes while they are held.
	type meeting struct{ child, row, order int }
	meetings := map[int][]meeting{}
	for i := range rows {
		r := &rows[i]
		stream := slices.IndexFunc(cfg.Streams, func(s Stream) bool { return s.Topic == r.Source.Topic })
		switch {
		case r.Get("k").IsNull(), stream < 0 && r.Source.Topic != "orders":
			reject(i, task.Invalid, r.Watermark)
			continue
		case stream < 0:
			continue
		}
		until := r.Time.Add(cfg.Before)
		gone := passed(i, until)
		anchor, when := -1, 0
		for a, l := range anchors {
			if rows[a].Get("k") != r.Get("k") {
				continue
			}
			if l.from < i && i < l.to {
				anchor, when = a, i
				break
			}
			if l.from > i && l.from < gone && (anchor < 0 || l.from < when) {
				anchor, when = a, l.from
			}
		}
		switch {
		case anchor < 0 && gone == i:
			reject(i, task.Orphan, r.Watermark)
		case anchor < 0:
			reject(i, task.Orphan, until.Add(delay))
		default:
			if r.Time < rows[anchor].Time-event.Time(cfg.Before) || r.Time > rows[anchor].Time+event.Time(cfg.Within) {
				reject(i, task.Late, rows[when].Watermark)
				continue
			}
			count(r, task.Passed)
			if cfg.Streams[stream].Where == nil || r.Get("ok").Bool() {
				meetings[anchor] = append(meetings[anchor], meeting{i, when, i})
			}
		}
	}
	// Each anchor tells: it came, each child in the order in which they met, it closed.
	for a, l := range anchors {
		r := &rows[a]
		ms := meetings[a]
		slices.SortStableFunc(ms, func(x, y meeting) int {
			if x.row != y.row || x.row != a {
				return cmp.Compare(x.row, y.row)
			}
			return cmp.Or(cmp.Compare(rows[x.child].Time, rows[y.child].Time), cmp.Compare(x.order, y.order))
		})
		n := []int64{0, 0}
		say := func(v verdict, change string, child *event.Row) {
			fields := []string{"k", "n", "change", "items_count", "payments_count"}
			values := append(slices.Clone(r.Values), event.StringOf(change), event.IntOf(n[0]), event.IntOf(n[1]))
			if child != nil {
				for i, f := range child.Schema.Fields {
					fields, values = append(fields, change+"."+f), append(values, child.Values[i])
				}
			}
			v.text = tasktest.Text(&event.Row{Time: r.Time, Schema: event.NewSchema("", fields...), Values: values})
			out = append(out, v)
		}
		say(verdict{row: a, order: -1, at: event.MinTime}, "anchor", nil)
		for i, m := range ms {
			c := &rows[m.child]
			s := slices.IndexFunc(cfg.Streams, func(s Stream) bool { return s.Topic == c.Source.Topic })
			n[s]++
			say(verdict{row: m.row, at: event.MinTime + 1, order: i}, cfg.Streams[s].Name, c)
		}
		say(verdict{row: l.to, timer: true, at: r.Time.Add(cfg.Within), order: a}, "closed", nil)
	}
	slices.Sort(rejected)
	return sorted(out), rejected, counts
}

// rejection is a reject and the watermark at which it is made.
func rejection(r *task.Reject, w event.Time) string {
	return tasktest.RejectText(r) + " at " + tasktest.Time(w)
}
