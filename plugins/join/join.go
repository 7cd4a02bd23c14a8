// Package join joins child events to the anchor event of the same key.
package join

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Config describes an anchored interval join.
type Config struct {
	// Key is the field that anchor and children share.
	Key string
	// Anchor is the topic of the events that children belong to.
	Anchor string
	// Streams are the topics of the children.
	Streams []Stream
	// A child joins its anchor when -Before <= child time - anchor time <= Within.
	Before, Within event.Duration
}

// Stream is one kind of child.
type Stream struct {
	// Name is what the stream is called in the rows that the join emits.
	Name, Topic string
	// Where says which joined children count and are emitted; nil means all.
	Where *filter.Expr
}

// Values of the field "change" beside the names of the streams.
const (
	ChangeAnchor = "anchor" // the anchor came
	ChangeClosed = "closed" // the watermark passed the anchor's time + within
)

const changeField = "change"

// CountField is the field that counts the joined children of a stream.
func CountField(stream string) string { return stream + "_count" }

// Join remembers each anchor for as long as a child may join it, and emits a row
// for each thing that happens to it: the anchor itself, each child that joins, and
// the end of its time. Every row carries the anchor's fields and event time, so that
// windows after the join are cohorts of anchors; how many children of each stream
// have joined so far; and, for a child, the child's fields under the stream's name.
//
// A child that comes before its anchor is held until the anchor could no longer
// come in time (watermark > child time + before) and is an orphan then. A second
// anchor of a key that is remembered is a duplicate. A child of a remembered anchor
// outside the bounds is late.
//
// The scheme is the interval join of Flink with state per key instead of per row:
// https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/datastream/operators/joining/
type Join struct {
	cfg   Config
	key   *event.Ref
	delay event.Duration
	where []*filter.Predicate

	schemas *state.Schemas
	known   []*event.Schema
	anchors *state.Table[string, anchor]
	held    *state.Table[string, []child]
	timers  agenda
	buf     []byte // for packing
	hashes  []uint64
	warm    byte // what was read of anchors that are looked for soon

	shapes []shape
	read   task.Fields     // what is read of the joined rows
	unread map[string]bool // the changes whose rows nobody looks at
	values []event.Value   // of an anchor, for unpacking
	places []event.Source  // lent to rows until Release
}

// child is a child event that waits for its anchor.
type child struct {
	stream int
	row    event.Row
}

// due is a timer: the end of an anchor's time, or of a held child's.
type due struct {
	key    string
	anchor bool
}

// New makes the operator; its state goes to store.
func New(cfg Config, store state.Store) *Join {
	schemas := state.NewSchemas(store)
	j := &Join{
		cfg: cfg, key: event.NewRef(cfg.Key), schemas: schemas,
		anchors: state.NewTable(store, "anchors", anchorCodec{streams: len(cfg.Streams), schemas: schemas}).Cached(),
		held:    state.NewTable(store, "held", heldCodec{schemas: schemas}),
		timers:  newAgenda(cfg.Within),
	}
	for _, s := range cfg.Streams {
		j.where = append(j.where, s.Where.Compile())
	}
	return j
}

// Definition is what anchors and held children depend on: which events there are, which
// belong together, and which count.
func (j *Join) Definition() task.Definition {
	d := task.Definition{
		{Path: "processor", Text: "join"},
		{Path: "key", Text: j.cfg.Key},
		{Path: "anchor", Text: j.cfg.Anchor},
		{Path: "before", Text: j.cfg.Before.Text()},
		{Path: "within", Text: j.cfg.Within.Text()},
	}
	for _, s := range j.cfg.Streams {
		path := "streams." + s.Name
		d = append(d, task.Part{Path: path + ".topic", Text: s.Topic})
		if s.Where != nil {
			d = append(d, task.Part{Path: path + ".where", Text: s.Where.Canonical()})
		}
	}
	return d
}

// Bind checks the key and the conditions, and says what the joined rows look like.
func (j *Join) Bind(in task.Shape) (task.Shape, error) {
	j.delay = in.Delay
	// A child that is rejected as late or orphan has its own time, and its order lies before.
	out := task.Shape{Delay: in.Delay + j.cfg.Within, Reach: in.Reach + max(j.cfg.Before, j.cfg.Within)}
	var anchors, children []*event.Schema
	streams := []int{}
	for _, k := range in.Schemas {
		j.known = append(j.known, k.Schema)
		if k.Schema.Index(j.cfg.Key) < 0 {
			return out, fmt.Errorf("key: %s has no field %q", k.Schema.Name, j.cfg.Key)
		}
		if k.Topic == j.cfg.Anchor {
			anchors = append(anchors, k.Schema)
			continue
		}
		i := slices.IndexFunc(j.cfg.Streams, func(s Stream) bool { return s.Topic == k.Topic })
		if i < 0 {
			return out, fmt.Errorf("streams: topic %q is neither the anchor nor a stream of the join", k.Topic)
		}
		if w := j.cfg.Streams[i].Where; w != nil {
			for _, f := range w.Fields() {
				if k.Schema.Index(f) < 0 {
					return out, fmt.Errorf("streams.%s.where: %s has no field %q", j.cfg.Streams[i].Name, k.Schema.Name, f)
				}
			}
		}
		children, streams = append(children, k.Schema), append(streams, i)
	}
	if in.Schemas == nil {
		return out, nil
	}
	if len(anchors) == 0 {
		return out, fmt.Errorf("anchor: topic %q is not among the topics that come in", j.cfg.Anchor)
	}
	for _, a := range anchors {
		for _, f := range a.Fields {
			if j.sets(f) {
				return out, fmt.Errorf("anchor: %s has a field %q, which the join sets itself", a.Name, f)
			}
		}
		out.Schemas = append(out.Schemas, task.Known{Schema: j.shape(a, nil, "").joined})
		for i, c := range children {
			out.Schemas = append(out.Schemas, task.Known{Schema: j.shape(a, c, j.cfg.Streams[streams[i]].Name).joined})
		}
	}
	return out, nil
}

// sets tells whether a field of the anchor would stand in the way of one of the
// join's own. The fields of a child are nested under the name of its stream.
func (j *Join) sets(field string) bool {
	top, _, _ := strings.Cut(field, ".")
	return top == changeField || slices.Contains(j.countFields(), top) ||
		slices.ContainsFunc(j.cfg.Streams, func(s Stream) bool { return s.Name == top })
}

func (j *Join) countFields() []string {
	var names []string
	for _, s := range j.cfg.Streams {
		names = append(names, CountField(s.Name))
	}
	return names
}

// Process joins, holds or refuses each row, behind what ends before it.
func (j *Join) Process(rows []event.Row, out *task.Output) {
	j.lookAhead(rows)
	for i := range rows {
		r := &rows[i]
		j.Advance(r.Watermark, out)
		key := j.key.Get(r)
		switch {
		case r.Source == nil:
			out.Emit(*r) // not an event of its own: nothing to join
		case key.IsNull():
			out.Reject(r, task.Invalid, "no "+j.cfg.Key)
		case r.Source.Topic == j.cfg.Anchor:
			j.onAnchor(r, key.Key(), out)
		default:
			s := j.stream(r.Source.Topic)
			if s < 0 {
				out.Reject(r, task.Invalid, "its topic is neither the anchor nor a stream of the join")
				continue
			}
			j.onChild(r, s, key.Key(), out)
		}
	}
}

// lookAhead brings near what the anchors of rows take in memory.
func (j *Join) lookAhead(rows []event.Row) {
	j.hashes = j.hashes[:0]
	for i := range rows {
		if k := j.key.Get(&rows[i]); k.Kind() == event.String { // of others keys have to be written first
			j.hashes = append(j.hashes, j.anchors.Hash(k.Str()))
		}
	}
	j.anchors.Warm(j.hashes, func(e *state.Entry[string, anchor]) {
		if len(e.Value.packed) > 0 { // the anchor is not deleted
			j.warm += e.Value.packed[0]
		}
	})
}

// stream is the number of the stream of a topic, -1 for others.
func (j *Join) stream(topic string) int {
	for i := range j.cfg.Streams {
		if j.cfg.Streams[i].Topic == topic {
			return i
		}
	}
	return -1
}

func (j *Join) onAnchor(r *event.Row, key string, out *task.Output) {
	w := r.Watermark.Add(-j.delay)
	if r.Time.Add(j.cfg.Within) < w {
		out.Reject(r, task.Late, fmt.Sprintf("older than watermark %v - within %v", w, j.cfg.Within.Std()))
		return
	}
	if j.anchors.Find(key) != nil {
		out.Count(r, task.Duplicate)
		return
	}
	key, packed := j.pack(r, key) // the row's text is borrowed
	a := &j.anchors.Put(key, packed).Value
	j.timers.Set(a.time.Add(j.cfg.Within).Add(j.delay), due{key, true})
	out.Count(r, task.Passed)
	j.emit(a, ChangeAnchor, r.Watermark, r.Source, nil, out)

	held, ok := j.held.Get(key)
	if !ok {
		return
	}
	j.held.Delete(key)
	slices.SortStableFunc(held, func(x, y child) int { return int(x.row.Time - y.row.Time) })
	for i := range held {
		c := &held[i]
		out.Unhold(&c.row)
		c.row.Watermark = r.Watermark
		j.join(a, c.stream, &c.row, out)
	}
}

func (j *Join) onChild(r *event.Row, stream int, key string, out *task.Output) {
	if e := j.anchors.Find(key); e != nil {
		if j.join(&e.Value, stream, r, out) {
			j.anchors.Touch(e)
		}
		return
	}
	until := r.Time.Add(j.cfg.Before).Add(j.delay)
	if until < r.Watermark {
		out.Reject(r, task.Orphan, j.orphaned(r))
		return
	}
	key = strings.Clone(key)
	held, _ := j.held.Get(key)
	c := child{stream, *r}
	c.row.Values, c.row.Source = cloneValues(r.Values), r.Source.Place()
	j.held.Put(key, append(held, c))
	j.timers.Set(until, due{key, false})
	out.Count(r, task.Held)
}

// join adds a child to its anchor if the bounds allow, and tells whether it did.
func (j *Join) join(a *anchor, stream int, r *event.Row, out *task.Output) bool {
	if r.Time < a.time.Add(-j.cfg.Before) || r.Time > a.time.Add(j.cfg.Within) {
		out.Reject(r, task.Late, fmt.Sprintf("%v from its anchor at %v: outside -%v..%v",
			event.Duration(r.Time-a.time).Std(), a.time, j.cfg.Before.Std(), j.cfg.Within.Std()))
		return false
	}
	out.Count(r, task.Passed)
	if !j.where[stream].Match(r) {
		return false
	}
	a.add(stream)
	j.emit(a, j.cfg.Streams[stream].Name, r.Watermark, r.Source, r, out)
	return true
}

func (j *Join) emit(a *anchor, change string, w event.Time, source *event.Source, child *event.Row, out *task.Output) {
	if j.unread[change] {
		return
	}
	var cs *event.Schema
	if child != nil {
		cs = child.Schema
	}
	schema, packed := j.schemas.SplitRow(a.packed[a.row:])
	s := j.shape(schema, cs, change)
	v := out.Values(len(s.joined.Fields))
	n := 0
	if len(s.fromAnchor) > 0 {
		j.values = slices.Grow(j.values[:0], len(schema.Fields))[:len(schema.Fields)]
		_ = event.Unpack(packed, j.values) // it was packed here, or checked when it was read
		for _, i := range s.fromAnchor {
			v[n] = j.values[i]
			n++
		}
	}
	if s.change {
		v[n] = event.StringOf(change)
		n++
	}
	for _, i := range s.counts {
		v[n] = event.IntOf(a.count(i))
		n++
	}
	for _, i := range s.fromChild {
		v[n] = child.Values[i]
		n++
	}
	out.Emit(event.Row{Time: a.time, Watermark: w, Schema: s.joined, Values: v, Source: source})
}

func (j *Join) orphaned(r *event.Row) string {
	return fmt.Sprintf("no %s with %s %q could still come in time", j.cfg.Anchor, j.cfg.Key, j.key.Get(r).Key())
}

// Advance closes anchors and gives up on held children whose time ends before w.
func (j *Join) Advance(w event.Time, out *task.Output) {
	for at := j.timers.Next(); at < w; at = j.timers.Next() {
		d, _ := j.timers.Pop(at)
		if d.anchor {
			j.close(d.key, at, out)
		} else {
			j.giveUp(d.key, at, out)
		}
	}
}

// close forgets an anchor whose time is over.
func (j *Join) close(key string, t event.Time, out *task.Output) {
	if j.unread[ChangeClosed] {
		j.anchors.Drop(key) // its one timer fires: it is there
		return
	}
	e := j.anchors.Find(key)
	if e == nil {
		return
	}
	j.emit(&e.Value, ChangeClosed, t, j.source(&e.Value), nil, out)
	j.anchors.Remove(e)
}

func (j *Join) giveUp(key string, t event.Time, out *task.Output) {
	held, ok := j.held.Get(key)
	if !ok {
		return // the anchor came
	}
	kept := held[:0]
	for i := range held {
		c := &held[i]
		if c.row.Time.Add(j.cfg.Before).Add(j.delay) > t {
			kept = append(kept, *c)
			continue
		}
		out.Unhold(&c.row)
		c.row.Watermark = t
		out.Reject(&c.row, task.Orphan, j.orphaned(&c.row))
	}
	if len(kept) == 0 {
		j.held.Delete(key)
	} else {
		j.held.Put(key, kept)
	}
}

// Flush does nothing: every change has been emitted.
func (j *Join) Flush(event.Time, *task.Output) bool { return false }

func cloneValues(values []event.Value) []event.Value {
	to := make([]event.Value, len(values))
	for i, v := range values {
		to[i] = v.Clone()
	}
	return to
}
