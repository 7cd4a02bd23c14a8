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
	// Where says which events the windows are about; nil means all.
	Where *filter.Expr
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
	where *filter.Predicate
	group []*event.Ref
	id    *event.Ref
	aggs  []aggregate
	delay event.Duration
	out   *event.Schema

	panes  *state.Table[paneKey, pane]
	open   openWindows
	latest *openWindow // that a row was added to, as most rows go where the last went
	timers state.Timers[event.Time]
	dirty  []*entry // with OnUpdate, those to emit
	groups map[string]*groupOf
	spare  []accumulator // room for those of new panes
	most   int           // panes of a flush

	samples []sample // what the row at hand offers to each aggregate
	into    []target // the panes that it belongs to
}

type aggregate struct {
	Aggregate
	field *event.Ref
	where *filter.Predicate
}

// target is a pane that a row is to be added to, nil where it would be the first.
type target struct {
	start event.Time
	pane  *entry
}

// New makes the operator; its state goes to store.
func New(cfg Config, store state.Store) *Window {
	w := &Window{
		cfg: cfg, where: cfg.Where.Compile(), id: event.NewRef(cfg.ID),
		panes:   state.NewTable(store, "panes", paneCodec{cfg.Aggregates}).Unindexed(),
		open:    openWindows{cfg.Slide, map[int64]*openBlock{}},
		groups:  map[string]*groupOf{},
		samples: make([]sample, len(cfg.Aggregates)),
		most:    flushPanes,
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
	for _, f := range w.cfg.Where.Fields() {
		if !has(f) {
			return in, missing("where", f)
		}
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
	return task.Shape{Schemas: []task.Known{{Schema: w.out}}, Delay: delay, Reach: in.Reach + w.cfg.Size}, nil
}

// Reads is what conditions, groups and aggregates read: rows are made of nothing else.
func (w *Window) Reads(task.Fields) task.Fields {
	names := append(w.cfg.Where.Fields(), w.cfg.GroupBy...)
	for _, a := range w.cfg.Aggregates {
		names = append(append(names, a.Where.Fields()...), a.Field)
		switch a.Kind {
		case First, Last, Collect:
			names = append(names, w.cfg.ID)
		}
	}
	return task.FieldsOf(names...)
}

// Skips tells whether the window's condition holds for none of such rows.
func (w *Window) Skips(r *event.Row) bool { return w.cfg.Where.Never(r) }

// Process adds each row to its windows, and closes those that it comes behind.
func (w *Window) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		r := &rows[i]
		w.Advance(r.Watermark, out)
		switch {
		case r.Schema == nil:
			out.Reject(r, task.Invalid, "not decoded: no fields to aggregate")
		case !w.where.Match(r):
			out.Count(r, task.Passed)
		default:
			w.add(r, out)
		}
	}
}

func (w *Window) add(r *event.Row, out *task.Output) {
	mark := r.Watermark.Add(-w.delay)
	last := w.startOf(r.Time)
	group := w.groupKey(r)
	w.sample(r)
	w.into = w.into[:0]
	for start := last; start.Add(w.cfg.Size) > r.Time && !w.closed(start, mark); start = start.Add(-w.cfg.Slide) {
		p := w.find(start, group)
		if err := w.check(p); err != nil { // before any is added to
			out.Reject(r, task.Invalid, err.Error())
			return
		}
		w.into = append(w.into, target{start, p})
	}
	for _, t := range w.into {
		if t.pane == nil {
			t.pane = w.newPane(t.start, group, r)
			w.addTo(t.pane, true)
		} else {
			w.addTo(t.pane, false)
		}
	}
	switch {
	case len(w.into) > 0:
		out.Count(r, task.Passed)
	case last.Add(w.cfg.Size) <= r.Time:
		out.Count(r, task.Passed) // hopping windows with gaps: it belongs to none
	default:
		out.Reject(r, task.Late, fmt.Sprintf("window %v..%v closed at watermark %v", last, last.Add(w.cfg.Size), mark))
	}
}

// find is the pane of a group in a window, nil where there is none yet.
func (w *Window) find(start event.Time, group string) *entry {
	if w.latest == nil || w.latest.start != start {
		o := w.open.find(start)
		if o == nil {
			return nil
		}
		w.latest = o
	}
	return w.latest.find(group)
}

// addTo adds what is sampled to one pane. A row that counts in none of its figures
// changes nothing but what the pane is: it makes a new one, and leaves an old one as
// it was.
func (w *Window) addTo(e *entry, changed bool) {
	p := &e.Value
	for i := range w.aggs {
		if s := &w.samples[i]; s.counts {
			p.acc[i].add(&w.aggs[i].Aggregate, s)
			changed = true
		}
	}
	if !changed {
		return
	}
	if !p.dirty {
		p.dirty = true
		if w.cfg.OnUpdate {
			w.dirty = append(w.dirty, e)
		}
	}
	w.panes.Touch(e)
}

// check tells why what is sampled does not fit a pane, nil for a new one.
func (w *Window) check(e *entry) error {
	var none accumulator
	for k := range w.aggs {
		s := &w.samples[k]
		if !s.counts {
			continue
		}
		acc := &none
		if e != nil {
			acc = &e.Value.acc[k]
		}
		if err := acc.check(&w.aggs[k].Aggregate, s.value); err != nil {
			return err
		}
	}
	return nil
}

// sample looks at what r offers to each aggregate.
func (w *Window) sample(r *event.Row) {
	for i := range w.aggs {
		w.aggs[i].sample(r, w.id, &w.samples[i])
	}
}

// sample sets what r offers to the aggregate.
func (g *aggregate) sample(r *event.Row, id *event.Ref, s *sample) {
	*s = sample{}
	if !g.where.Match(r) {
		return
	}
	if g.field != nil {
		if s.value = g.field.Get(r); s.value.IsNull() {
			return
		}
	}
	s.counts = true
	switch g.Kind {
	case First, Last, Collect:
		s.time, s.id = r.Time, id.Get(r).Key()
	}
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

// Advance closes the windows that end before the watermark.
func (w *Window) Advance(mark event.Time, out *task.Output) {
	for at := w.timers.Next(); at < mark; at = w.timers.Next() {
		start, _ := w.timers.Pop(at)
		o := w.open.find(start)
		if w.latest == o {
			w.latest = nil
		}
		slices.SortFunc(o.panes, byPane)
		for _, e := range o.panes {
			if e.Value.dirty {
				w.emit(e, at, out)
			}
			w.panes.Remove(e)
		}
		w.open.remove(start)
	}
}

// flushPanes is the most panes that are emitted at a time.
const flushPanes = 4096

// Flush emits the panes that have changed, by window and group.
func (w *Window) Flush(mark event.Time, out *task.Output) (more bool) {
	if len(w.dirty) == 0 {
		return false
	}
	slices.SortFunc(w.dirty, byPane)
	n := min(len(w.dirty), w.most)
	for _, e := range w.dirty[:n] {
		if e.Value.dirty && w.panes.Holds(e) { // else closed since; in the place of one that was may be a newer one, which is listed too
			w.emit(e, mark, out)
			w.panes.Touch(e)
		}
	}
	w.dirty = slices.Delete(w.dirty, 0, n)
	return len(w.dirty) > 0
}

func (w *Window) emit(e *entry, mark event.Time, out *task.Output) {
	fresh := e.Value.fresh
	e.Value.dirty, e.Value.fresh = false, false
	start := e.Key.start
	v := out.Values(len(w.out.Fields))
	v[0] = event.TimestampOf(start)
	v[1] = event.TimestampOf(start.Add(w.cfg.Size))
	v[2] = event.TimestampOf(w.closesAt(start))
	n := 3 + copy(v[3:], e.Value.group)
	for i := range w.aggs {
		v[n+i] = e.Value.acc[i].result(&w.aggs[i].Aggregate)
	}
	out.Emit(event.Row{Time: start.Add(w.cfg.Size) - 1, Watermark: mark, Schema: w.out, Values: v, First: fresh})
}
