package window

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// model keeps every row of every window for ever, and works out each figure from
// all of them whenever it is asked.
type model struct {
	cfg     Config
	delay   event.Duration
	panes   map[string]*rows
	mark    event.Time
	segment []string // emitted since the last flush
	rejects []string
	counts  task.Counts
}

type rows struct {
	start  event.Time
	list   []event.Row
	told   bool // the last emission told all there is to tell
	closed bool
}

func (m *model) closesAt(start event.Time) event.Time {
	return start + event.Time(m.cfg.Size+m.cfg.AllowedLateness+m.delay)
}

// advance closes every window whose end the watermark has reached.
func (m *model) advance(w event.Time) {
	m.mark = w
	for _, p := range m.panes {
		if !p.closed && w >= m.closesAt(p.start) {
			p.closed = true
			if !p.told {
				m.segment = append(m.segment, m.text(p, m.closesAt(p.start)-1))
			}
		}
	}
}

func (m *model) flush() (segment []string) {
	for _, p := range m.panes {
		if m.cfg.OnUpdate && !p.closed && !p.told {
			m.segment = append(m.segment, m.text(p, m.mark))
			p.told = true
		}
	}
	segment, m.segment = m.segment, nil
	slices.Sort(segment)
	return segment
}

func (m *model) add(r event.Row) {
	m.counts[task.In]++
	member, open := false, []event.Time{}
	// Every start from well before the row to the row itself that is aligned.
	for s := r.Time - event.Time(m.cfg.Size); s <= r.Time; s++ {
		aligned := new(big.Int).Mod(big.NewInt(int64(s)-int64(m.cfg.Offset)), big.NewInt(int64(m.cfg.Slide))).Sign() == 0
		if !aligned || r.Time < s || r.Time >= s+event.Time(m.cfg.Size) {
			continue
		}
		member = true
		if m.mark < m.closesAt(s) {
			open = append(open, s)
		}
	}
	switch {
	case member && len(open) == 0:
		m.counts[task.Late]++
		m.rejects = append(m.rejects, fmt.Sprint("late ", r.Source.Offset))
	case len(open) > 0 && r.Get("v").Kind() == event.String && m.sums(&r):
		m.counts[task.Invalid]++
		m.rejects = append(m.rejects, fmt.Sprint("invalid ", r.Source.Offset))
	default:
		m.counts[task.Passed]++
		for _, s := range open {
			k := fmt.Sprint(s, m.group(&r))
			if m.panes[k] == nil {
				m.panes[k] = &rows{start: s}
			}
			m.panes[k].list = append(m.panes[k].list, r)
			if m.counted(&r) {
				m.panes[k].told = false
			}
		}
	}
}

// sums tells whether an aggregate that cannot take text counts r.
func (m *model) sums(r *event.Row) bool {
	return slices.ContainsFunc(m.cfg.Aggregates, func(a Aggregate) bool {
		return a.Field == "v" && (a.Kind == Sum || a.Kind == Avg) && (a.Where == nil || r.Get("ok").Bool())
	})
}

// counted tells whether r counts in any figure; a window that it makes is emitted all the same.
func (m *model) counted(r *event.Row) bool {
	return slices.ContainsFunc(m.cfg.Aggregates, func(a Aggregate) bool {
		return (a.Where == nil || r.Get("ok").Bool()) && (a.Field == "" || !r.Get(a.Field).IsNull())
	})
}

func (m *model) group(r *event.Row) string {
	var b strings.Builder
	for _, g := range m.cfg.GroupBy {
		fmt.Fprintf(&b, " %s=%s", g, show(r.Get(g)))
	}
	return b.String()
}

func (m *model) text(p *rows, at event.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %d time %d: window_start=%d window_end=%d closes_at=%d", at, p.start+event.Time(m.cfg.Size)-1, p.start, p.start+event.Time(m.cfg.Size), m.closesAt(p.start))
	b.WriteString(m.group(&p.list[0]))
	for _, a := range m.cfg.Aggregates {
		fmt.Fprintf(&b, " %s=%s", a.Name, figure(a, p.list))
	}
	return b.String()
}

// figure is an aggregate over rows, by its definition.
func figure(a Aggregate, list []event.Row) string {
	var in []event.Row
	for _, r := range list {
		if (a.Where == nil || r.Get("ok").Bool()) && (a.Field == "" || !r.Get(a.Field).IsNull()) {
			in = append(in, r)
		}
	}
	value := func(r event.Row) event.Value { return r.Get(a.Field) }
	byTime := func(x, y event.Row) int {
		return cmp.Or(cmp.Compare(x.Time, y.Time), strings.Compare(x.Get("event_id").Str(), y.Get("event_id").Str()))
	}
	byValue := func(x, y event.Row) int {
		if c, ok := event.Compare(value(x), value(y)); ok && c != 0 {
			return c
		}
		return byTime(x, y)
	}
	sum := new(big.Rat)
	if a.Kind == Sum || a.Kind == Avg {
		for _, r := range in {
			n, _ := new(big.Rat).SetString(value(r).Key())
			sum.Add(sum, n)
		}
	}
	switch a.Kind {
	case Count:
		return fmt.Sprint(len(in))
	case Sum:
		return trim(sum.FloatString(6))
	case Distinct:
		set := map[string]bool{}
		for _, r := range in {
			set[show(value(r))] = true
		}
		return fmt.Sprint(len(set))
	case Collect:
		order := byTime
		if a.Smallest {
			order = byValue
		}
		slices.SortStableFunc(in, order)
		values := []any{}
		for _, r := range in[:min(len(in), a.Limit)] {
			values = append(values, value(r).Any())
		}
		text, _ := json.Marshal(values)
		return string(text)
	}
	if len(in) == 0 {
		return "null"
	}
	switch a.Kind {
	case Avg:
		return trim(new(big.Rat).Quo(sum, big.NewRat(int64(len(in)), 1)).FloatString(6)) // it rounds half away from zero
	case Min:
		return show(value(slices.MinFunc(in, byValue)))
	case Max:
		return show(value(slices.MaxFunc(in, byValue)))
	case First:
		return show(value(slices.MinFunc(in, byTime)))
	}
	return show(value(slices.MaxFunc(in, byTime)))
}

func trim(text string) string {
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "-0" || text == "" {
		return "0"
	}
	return text
}

func show(v event.Value) string {
	if v.IsNull() {
		return "null"
	}
	return v.Key()
}
