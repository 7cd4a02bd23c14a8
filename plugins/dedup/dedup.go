// Package dedup drops events whose key was seen before.
package dedup

import (
	"fmt"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
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
// Ids are held twice: in an index in memory, by which events are judged, and in
// chunks by buckets of event time, which are what is stored. A bucket is forgotten
// when its last instant is: that a key stays a little longer is made up for by
// looking at its time.
type Dedup struct {
	cfg   Config
	key   *event.Ref
	width event.Duration
	delay event.Duration

	index  index
	chunks *state.Table[place, *chunk]
	// buckets are the numbers of the buckets that hold ids, smallest first, and last
	// the number of the chunk in each that is appended to.
	buckets []int64
	last    map[int64]uint32
}

// New makes the operator; its state goes to store.
func New(cfg Config, store state.Store) *Dedup {
	return &Dedup{
		cfg: cfg, key: event.NewRef(cfg.Key), width: max(cfg.TTL/bucketsPerTTL, 1),
		chunks: state.NewTable(store, "chunks", chunkCodec{}).Cached(),
		last:   map[int64]uint32{},
	}
}

// bucketsPerTTL: a key stays at most a 64th of TTL longer than it has to.
const bucketsPerTTL = 64

// Bind checks that the events have the key.
func (d *Dedup) Bind(in task.Shape) (task.Shape, error) {
	d.delay = in.Delay
	for _, s := range in.Schemas {
		if s.Schema.Index(d.cfg.Key) < 0 {
			return in, fmt.Errorf("key: %s has no field %q", s.Schema.Name, d.cfg.Key)
		}
	}
	return in, nil
}

// Restore fills the index from the chunks.
func (d *Dedup) Restore() error {
	var bad error
	err := d.chunks.Open(func(p place, c *chunk) bool {
		d.open(p)
		if err := c.each(func(k id, offset event.Duration) { d.index.add(k, d.start(p.bucket).Add(offset)) }); err != nil {
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
		case d.duplicate(idOf(v.Key()), r.Time, w):
			out.Count(r, task.Duplicate)
		default:
			out.Pass(r)
		}
	}
}

// duplicate tells whether k passed within TTL of t and is not forgotten at
// watermark w. If not, it remembers that k passes at t.
func (d *Dedup) duplicate(k id, t, w event.Time) bool {
	known := false
	d.index.each(k, func(m event.Time) bool {
		known = d.near(m, t, w)
		return !known
	})
	if known {
		return true
	}
	d.index.add(k, t)
	d.store(k, t)
	return false
}

// near tells whether an event at t is a duplicate of one that passed at m. That a
// bucket keeps m longer than w allows must not show.
func (d *Dedup) near(m, t, w event.Time) bool {
	return m.Add(d.cfg.TTL) >= w && m.Add(d.cfg.TTL) >= t && t.Add(d.cfg.TTL) >= m
}

// store appends an id to the last chunk of its bucket.
func (d *Dedup) store(k id, t event.Time) {
	bucket := state.FloorDiv(int64(t), int64(d.width))
	p := place{bucket, d.last[bucket]}
	c, ok := d.chunks.Get(p)
	switch {
	case !ok:
		c = &chunk{}
	case c.n >= chunkIDs:
		p.number++
		c = &chunk{}
	}
	d.open(p)
	c.add(k, event.Duration(t-d.start(bucket)))
	d.chunks.Put(p, c)
}

// open notes that a chunk exists.
func (d *Dedup) open(p place) {
	last, known := d.last[p.bucket]
	if !known {
		at, _ := slices.BinarySearch(d.buckets, p.bucket)
		d.buckets = slices.Insert(d.buckets, at, p.bucket)
	}
	d.last[p.bucket] = max(last, p.number)
}

func (d *Dedup) start(bucket int64) event.Time { return event.Time(bucket * int64(d.width)) }

// expire forgets the buckets whose every id is forgotten at w.
func (d *Dedup) expire(w event.Time) {
	for len(d.buckets) > 0 && d.start(d.buckets[0]+1).Add(d.cfg.TTL) <= w {
		bucket := d.buckets[0]
		d.buckets = d.buckets[1:]
		for n := range d.last[bucket] + 1 {
			p := place{bucket, n}
			if c, ok := d.chunks.Get(p); ok {
				// What cannot be read stays in the index; the table's error stops the task.
				_ = c.each(func(k id, offset event.Duration) { d.index.remove(k, d.start(bucket).Add(offset)) })
				d.chunks.Delete(p)
			}
		}
		delete(d.last, bucket)
	}
}

// NextTimer is never: keys expire as events come.
func (d *Dedup) NextTimer() event.Time { return event.MaxTime }

// OnTimer does nothing.
func (d *Dedup) OnTimer(event.Time, *task.Output) {}

// Flush does nothing: what passes has been emitted.
func (d *Dedup) Flush(event.Time, *task.Output) {}
