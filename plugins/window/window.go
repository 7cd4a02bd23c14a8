// Package window aggregates events over windows of event time.
package window

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Config describes windows and what is computed over them.
type Config struct {
	// Label names the operator; the rows that it emits bear it as their schema's name.
	Label string
	// Size of a window; Slide is the distance between the starts of two, equal to
	// Size for tumbling windows; Offset shifts all of them from the Unix epoch.
	Size, Slide, Offset event.Duration
	// AllowedLateness keeps a window open beyond its end.
	AllowedLateness event.Duration
	// GroupBy are the fields whose values have windows of their own.
	GroupBy []string
	// ID is the field that orders events of the same time, for first, last and collect.
	ID string
	// Aggregates are the figures, in the order in which they are emitted.
	Aggregates []Aggregate
	// OnUpdate emits windows whenever they have changed, not only when they close.
	OnUpdate bool
}

// Fields that every emitted row begins with.
const (
	fieldStart  = "window_start"
	fieldEnd    = "window_end"
	fieldCloses = "closes_at"
)

// Window keeps one pane per window and group. A window [start, end) takes events
// while watermark < end + allowed lateness; then it is emitted and forgotten. An
// event all of whose windows are closed is late.
//
// With OnUpdate, Flush emits the panes that have changed since they were last
// emitted, and the close emits a pane only if it changed after that: a row that
// would repeat the last one is not emitted. Every row is the whole pane as it
// stands, so the last row of a pane is its result.
//
// Windows, lateness and panes are those of the Dataflow model (Akidau et al., VLDB
// 2015) with accumulating panes.
type Window struct {
	cfg   Config
	group []*event.Ref
	id    *event.Ref
	aggs  []aggregate
	delay event.Duration
	out   *event.Schema

	panes  *state.Table[paneKey, *pane]
	open   map[event.Time][]string // start of a window to its groups
	timers state.Timers[event.Time]
	dirty  []paneKey
}

type aggregate struct {
	Aggregate
	field *event.Ref
	where *filter.Predicate
}

type paneKey struct {
	start event.Time
	group string
}

type pane struct {
	key   paneKey
	group []event.Value
	acc   []accumulator
	dirty bool
}

// New makes the operator; its state goes to store.
func New(cfg Config, store state.Store) *Window {
	w := &Window{
		cfg: cfg, id: event.NewRef(cfg.ID),
		panes: state.NewTable(store, "panes", paneCodec{cfg.Aggregates}),
		open:  map[event.Time][]string{},
	}
	fields := []string{fieldStart, fieldEnd, fieldCloses}
	for _, g := range cfg.GroupBy {
		w.group = append(w.group, event.NewRef(g))
		fields = append(fields, g)
	}
	for _, a := range cfg.Aggregates {
		agg := aggregate{Aggregate: a, where: a.Where.Compile()}
		if a.Field != "" {
			agg.field = event.NewRef(a.Field)
		}
		w.aggs = append(w.aggs, agg)
		fields = append(fields, a.Name)
	}
	w.out = event.NewSchema(cfg.Label, fields...)
	return w
}

// Bind checks that some schema has each field that the window reads.
func (w *Window) Bind(in task.Shape) (task.Shape, error) {
	w.delay = in.Delay
	has := func(field string) bool {
		return in.Schemas == nil || slices.ContainsFunc(in.Schemas, func(k task.Known) bool { return k.Schema.Index(field) >= 0 })
	}
	var names []string
	for _, k := range in.Schemas {
		if !slices.Contains(names, k.Schema.Name) {
			names = append(names, k.Schema.Name)
		}
	}
	missing := func(path, field string) error {
		return fmt.Errorf("%s: %s has no field %q", path, strings.Join(names, ", "), field)
	}
	for i, g := range w.cfg.GroupBy {
		if !has(g) {
			return in, missing(fmt.Sprintf("group_by.%d", i), g)
		}
	}
	for _, a := range w.cfg.Aggregates {
		if a.Field != "" && !has(a.Field) {
			return in, missing("aggregates."+a.Name+"."+a.Kind+".field", a.Field)
		}
		if a.Where == nil {
			continue
		}
		for _, f := range a.Where.Fields() {
			if !has(f) {
				return in, missing("aggregates."+a.Name+"."+a.Kind+".where", f)
			}
		}
	}
	// A row's time is its window's last instant, and it is emitted no later than at the close.
	delay := in.Delay + w.cfg.AllowedLateness + 1
	return task.Shape{Schemas: []task.Known{{Schema: w.out}}, Delay: delay}, nil
}

// Process adds each row to its windows.
func (w *Window) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		r := &rows[i]
		if r.Schema == nil {
			out.Reject(r, task.Invalid, "not decoded: no fields to aggregate")
			continue
		}
		w.add(r, out)
	}
}

func (w *Window) add(r *event.Row, out *task.Output) {
	mark := r.Watermark.Add(-w.delay)
	last := w.startOf(r.Time)
	group := w.groupKey(r)
	if err := w.check(r, group, mark, last); err != nil {
		out.Reject(r, task.Invalid, err.Error())
		return
	}
	taken := false
	for start := last; start.Add(w.cfg.Size) > r.Time; start = start.Add(-w.cfg.Slide) {
		if w.closed(start, mark) {
			break // the earlier ones are closed too
		}
		taken = true
		w.addTo(paneKey{start, group}, r)
	}
	switch {
	case taken:
		out.Count(r, task.Passed)
	case last.Add(w.cfg.Size) <= r.Time:
		out.Count(r, task.Passed) // hopping windows with gaps: it belongs to none
	default:
		out.Reject(r, task.Late, fmt.Sprintf("window %v..%v closed at watermark %v", last, last.Add(w.cfg.Size), mark))
	}
}

// addTo adds r to one pane. A row that counts in none of its figures changes
// nothing but what the pane is: it makes a new one, and leaves an old one as it was.
func (w *Window) addTo(k paneKey, r *event.Row) {
	p, known := w.panes.Get(k)
	if !known {
		p = w.newPane(k, r)
	}
	changed := !known
	for i := range w.aggs {
		g := &w.aggs[i]
		if s, counts := g.sample(r, w.id); counts {
			p.acc[i].add(&g.Aggregate, s)
			changed = true
		}
	}
	if !changed {
		return
	}
	if !p.dirty {
		p.dirty = true
		if w.cfg.OnUpdate {
			w.dirty = append(w.dirty, p.key)
		}
	}
	w.panes.Put(p.key, p)
}

// check tells why r fits one of its open windows not, so that it is added to all or none.
func (w *Window) check(r *event.Row, group string, mark, last event.Time) error {
	var none accumulator
	for start := last; start.Add(w.cfg.Size) > r.Time && !w.closed(start, mark); start = start.Add(-w.cfg.Slide) {
		p, ok := w.panes.Get(paneKey{start, group})
		for k := range w.aggs {
			g := &w.aggs[k]
			s, counts := g.sample(r, w.id)
			if !counts {
				continue
			}
			acc := &none
			if ok {
				acc = &p.acc[k]
			}
			if err := acc.check(&g.Aggregate, s.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// sample is what r offers to the aggregate; false where it does not count in it.
func (g *aggregate) sample(r *event.Row, id *event.Ref) (s sample, counts bool) {
	if !g.where.Match(r) {
		return s, false
	}
	if g.field != nil {
		if s.value = g.field.Get(r); s.value.IsNull() {
			return s, false
		}
	}
	switch g.Kind {
	case First, Last, Collect:
		s.time, s.id = r.Time, id.Get(r).Key()
	}
	return s, true
}

// startOf is the start of the last window that contains t, or that ended before it.
func (w *Window) startOf(t event.Time) event.Time {
	slide := event.Time(w.cfg.Slide)
	rest := (t - event.Time(w.cfg.Offset)) % slide
	if rest < 0 {
		rest += slide
	}
	return t - rest
}

func (w *Window) closed(start, mark event.Time) bool {
	return mark >= start.Add(w.cfg.Size+w.cfg.AllowedLateness)
}

// closesAt is when a window closes, on the watermark of the task.
func (w *Window) closesAt(start event.Time) event.Time {
	return start.Add(w.cfg.Size + w.cfg.AllowedLateness + w.delay)
}

func (w *Window) groupKey(r *event.Row) string {
	switch len(w.group) {
	case 0:
		return ""
	case 1:
		return keyOf(w.group[0].Get(r))
	}
	var b strings.Builder
	for _, g := range w.group {
		k := keyOf(g.Get(r))
		b.WriteString(strconv.Itoa(len(k)))
		b.WriteByte(':')
		b.WriteString(k)
	}
	return b.String()
}

// keyOf tells null from the empty string.
func keyOf(v event.Value) string {
	if v.IsNull() {
		return "\x00null"
	}
	return v.Key()
}

// newPane opens a pane for the group of r.
func (w *Window) newPane(k paneKey, r *event.Row) *pane {
	k.group = strings.Clone(k.group) // the row's text is borrowed
	p := &pane{key: k, acc: make([]accumulator, len(w.aggs))}
	for _, g := range w.group {
		p.group = append(p.group, g.Get(r).Clone())
	}
	w.openPane(k)
	return p
}

// openPane files a pane under its window, and sets the window's timer with the first.
func (w *Window) openPane(k paneKey) {
	if _, ok := w.open[k.start]; !ok {
		// The bound is exclusive: at watermark = closesAt the window is closed.
		w.timers.Set(w.closesAt(k.start)-1, k.start)
	}
	w.open[k.start] = append(w.open[k.start], k.group)
}

// NextTimer is the earliest close of an open window.
func (w *Window) NextTimer() event.Time { return w.timers.Next() }

// OnTimer closes the windows that are due at t.
func (w *Window) OnTimer(t event.Time, out *task.Output) {
	for {
		start, ok := w.timers.Pop(t)
		if !ok {
			return
		}
		groups := w.open[start]
		delete(w.open, start)
		slices.Sort(groups)
		for _, g := range groups {
			k := paneKey{start, g}
			p, ok := w.panes.Get(k)
			if !ok {
				continue
			}
			if p.dirty {
				p.dirty = false
				w.emit(k, p, t, out)
			}
			w.panes.Delete(k)
		}
	}
}

// Flush emits the panes that have changed, by window and group.
func (w *Window) Flush(mark event.Time, out *task.Output) {
	if len(w.dirty) == 0 {
		return
	}
	slices.SortFunc(w.dirty, func(a, b paneKey) int {
		if a.start != b.start {
			return int(a.start - b.start)
		}
		return strings.Compare(a.group, b.group)
	})
	for _, k := range w.dirty {
		p, ok := w.panes.Get(k)
		if !ok || !p.dirty {
			continue // closed since, or listed twice
		}
		p.dirty = false
		w.panes.Put(k, p)
		w.emit(k, p, mark, out)
	}
	w.dirty = w.dirty[:0]
}

func (w *Window) emit(k paneKey, p *pane, mark event.Time, out *task.Output) {
	v := out.Values(len(w.out.Fields))
	v[0] = event.TimestampOf(k.start)
	v[1] = event.TimestampOf(k.start.Add(w.cfg.Size))
	v[2] = event.TimestampOf(w.closesAt(k.start))
	n := 3 + copy(v[3:], p.group)
	for i := range w.aggs {
		v[n+i] = p.acc[i].result(&w.aggs[i].Aggregate)
	}
	out.Emit(event.Row{Time: k.start.Add(w.cfg.Size) - 1, Watermark: mark, Schema: w.out, Values: v})
}
