// Package dedup drops events whose key was seen before.
package dedup

import (
	"fmt"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/fault"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Config says what a duplicate is.
type Config struct {
	// Key is the field that identifies an event.
	Key string
	// TTL is the longest distance in event time between an event and its duplicate.
	TTL event.Duration
}

// Dedup passes the first event of each key. Two events are duplicates when their
// event times lie at most TTL apart; a key is forgotten when the watermark is later
// than its time + TTL. An event older than watermark - TTL can no longer be told
// from a duplicate: it is late, and never passed on.
//
// Ids are held in chunks by buckets of event time, which are what is stored. An
// index in memory tells of nearly every new id that it stands in none of them, and
// where to look for the others. A bucket is forgotten when its last instant is: that
// a key stays a little longer is made up for by looking at its time.
type Dedup struct {
	cfg   Config
	key   *event.Ref
	width event.Duration
	delay event.Duration

	index  state.Index
	chunks *state.Table[place, chunk]
	// buckets are the numbers of the buckets that hold ids, smallest first. The chunks
	// of each have names for the index, in their order: the indexes in places, which
	// are given anew when a chunk is gone. The last one of a bucket is appended to.
	buckets []int64
	names   map[int64][]uint32
	places  []place
	spare   []uint32

	ids []id // of the rows at hand

	// tail is the chunk that was appended to last, as most ids go where the last went.
	tail     *state.Entry[place, chunk]
	tailName uint32
}

// New makes the operator; its state goes to store.
func New(cfg Config, store state.Store) *Dedup {
	return &Dedup{
		cfg: cfg, key: event.NewRef(cfg.Key), width: max(cfg.TTL/bucketsPerTTL, 1),
		chunks: state.NewTable(store, "chunks", chunkCodec{}).Cached(),
		names:  map[int64][]uint32{},
		places: make([]place, 1), // 0 is no name
	}
}

// bucketsPerTTL: a key stays at most a 64th of TTL longer than it has to.
const bucketsPerTTL = 64

// Definition is what chunks depend on: what an id is, and how long a bucket.
func (d *Dedup) Definition() task.Definition {
	return task.Definition{
		{Path: "processor", Text: "dedup"},
		{Path: "key", Text: d.cfg.Key},
		{Path: "ttl", Text: d.cfg.TTL.Text()},
	}
}

// Bind checks that the events have the key.
func (d *Dedup) Bind(in task.Shape) (task.Shape, error) {
	d.delay = in.Delay
	for _, s := range in.Schemas {
		if s.Schema.Index(d.cfg.Key) < 0 {
			return in, fmt.Errorf("key: %s has no field %q", s.Schema.Name, d.cfg.Key)
		}
	}
	in.Reach += d.cfg.TTL
	return in, nil
}

// Reads is the key, beside what is read of the events that pass.
func (d *Dedup) Reads(next task.Fields) task.Fields { return next.And(task.FieldsOf(d.cfg.Key)) }

// Restore fills the index from the chunks.
func (d *Dedup) Restore() error {
	var bad error
	err := d.chunks.Open(func(e *state.Entry[place, chunk]) bool {
		p := e.Key
		if int(p.number) != len(d.names[p.bucket]) {
			bad = fmt.Errorf("chunk %d of bucket %d: %w", p.number, p.bucket, event.ErrCorrupt)
			return false
		}
		name := d.open(p)
		if err := e.Value.each(func(k id, _ event.Duration) { d.index.Add(k.hash(), name) }); err != nil {
			bad = err
		}
		return false
	})
	if err == nil {
		err = bad
	}
	return err
}

// Process passes the rows that are neither duplicate, late nor without a key.
func (d *Dedup) Process(rows []event.Row, out *task.Output) {
	d.pack(rows)
	for i := range rows {
		r := &rows[i]
		w := r.Watermark.Add(-d.delay)
		d.expire(w)
		v := d.key.Get(r)
		switch {
		case v.IsNull():
			out.Reject(r, task.Invalid, "no "+d.cfg.Key)
		case r.Time < w.Add(-d.cfg.TTL):
			out.Reject(r, task.Late, fmt.Sprintf("older than watermark %v - ttl %v", w, d.cfg.TTL.Std()))
		case d.duplicate(d.ids[i], r.Time, w) && !fault.On(fault.DedupOff):
			out.Count(r, task.Duplicate)
		default:
			out.Pass(r)
		}
	}
}

// pack makes ids of the keys of rows.
func (d *Dedup) pack(rows []event.Row) {
	d.ids = d.ids[:0]
	for i := range rows {
		var k id
		if v := d.key.Get(&rows[i]); !v.IsNull() {
			k = idOf(v.Key())
		}
		d.ids = append(d.ids, k)
	}
	for i := range d.ids {
		d.index.Warm(d.ids[i].hash())
	}
}

// duplicate tells whether k passed within TTL of t and is not forgotten at
// watermark w. If not, it remembers that k passes at t.
func (d *Dedup) duplicate(k id, t, w event.Time) bool {
	known, hash := false, k.hash()
	d.index.Each(hash, func(name uint32) bool {
		known = d.stands(name, k, t, w)
		return !known
	})
	if known {
		return true
	}
	d.index.Add(hash, d.store(k, t))
	return false
}

// stands tells whether the chunk has k with a time of which t is a duplicate.
func (d *Dedup) stands(name uint32, k id, t, w event.Time) bool {
	p := d.places[name]
	e := d.chunks.Find(p)
	if e == nil {
		return false // what cannot be read is an error of the table, which stops the task
	}
	known := false
	_ = e.Value.each(func(other id, offset event.Duration) {
		known = known || other == k && d.near(d.start(p.bucket).Add(offset), t, w)
	})
	return known
}

// near tells whether an event at t is a duplicate of one that passed at m. That a
// bucket keeps m longer than w allows must not show.
func (d *Dedup) near(m, t, w event.Time) bool {
	return m.Add(d.cfg.TTL) >= w && m.Add(d.cfg.TTL) >= t && t.Add(d.cfg.TTL) >= m
}

// store appends an id to the last chunk of its bucket and returns the chunk's name.
func (d *Dedup) store(k id, t event.Time) uint32 {
	bucket := state.FloorDiv(int64(t), int64(d.width))
	if !d.chunks.Holds(d.tail) || d.tail.Key.bucket != bucket || d.tail.Key != d.places[d.tailName] { // or another chunk in its place
		d.tail = nil
		if names := d.names[bucket]; len(names) > 0 {
			d.tailName = names[len(names)-1]
			d.tail = d.chunks.Find(d.places[d.tailName])
		}
	}
	if d.tail == nil || d.tail.Value.n >= chunkIDs {
		d.tailName = d.open(place{bucket, uint32(len(d.names[bucket]))})
		d.tail = d.chunks.Put(d.places[d.tailName], chunk{})
	}
	d.tail.Value.add(k, event.Duration(t-d.start(bucket)))
	d.chunks.Touch(d.tail)
	return d.tailName
}

// open gives a chunk its name.
func (d *Dedup) open(p place) (name uint32) {
	if n := len(d.spare); n > 0 {
		name, d.spare = d.spare[n-1], d.spare[:n-1]
		d.places[name] = p
	} else {
		name = uint32(len(d.places))
		d.places = append(d.places, p)
	}
	names, known := d.names[p.bucket]
	if !known {
		at, _ := slices.BinarySearch(d.buckets, p.bucket)
		d.buckets = slices.Insert(d.buckets, at, p.bucket)
	}
	d.names[p.bucket] = append(names, name)
	return name
}

func (d *Dedup) start(bucket int64) event.Time { return event.Time(bucket * int64(d.width)) }

// expire forgets the buckets whose every id is forgotten at w.
func (d *Dedup) expire(w event.Time) {
	for len(d.buckets) > 0 && d.start(d.buckets[0]+1).Add(d.cfg.TTL) <= w {
		bucket := d.buckets[0]
		d.buckets = d.buckets[1:]
		for _, name := range d.names[bucket] {
			if e := d.chunks.Find(d.places[name]); e != nil {
				// What cannot be read stays in the index; the table's error stops the task.
				_ = e.Value.each(func(k id, _ event.Duration) { d.index.Warm(k.hash()) })
				_ = e.Value.each(func(k id, _ event.Duration) { d.index.Remove(k.hash(), name) })
				d.chunks.Remove(e)
				d.spare = append(d.spare, name)
			}
		}
		delete(d.names, bucket)
	}
}

// Advance does nothing: keys expire as events come.
func (d *Dedup) Advance(event.Time, *task.Output) {}

// Flush does nothing: what passes has been emitted.
func (d *Dedup) Flush(event.Time, *task.Output) bool { return false }
