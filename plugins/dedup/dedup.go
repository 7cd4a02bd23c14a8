// Package dedup drops events whose key was seen before.
package dedup

import (
	"fmt"
	"strings"

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
// A key has the times of the events that passed, mostly one. Keys are filed for
// expiry by buckets of event time, so that forgetting costs nothing per event and
// needs no timer: a key that stays a little longer is looked at by its time.
type Dedup struct {
	cfg   Config
	key   *event.Ref
	delay event.Duration

	seen    *state.Table[string, times]
	buckets state.Buckets[string]
}

// times are the event times under which a key passed, oldest first. An event never
// passes within TTL of one of them.
type times struct {
	first event.Time
	more  []event.Time
}

// New makes the operator; its state goes to store.
func New(cfg Config, store state.Store) *Dedup {
	return &Dedup{
		cfg: cfg, key: event.NewRef(cfg.Key),
		seen:    state.NewTable[string, times](store, "seen"),
		buckets: state.NewBuckets[string](max(cfg.TTL/bucketsPerTTL, 1)),
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
		case d.duplicate(v.Key(), r.Time, w):
			out.Count(r, task.Duplicate)
		default:
			out.Pass(r)
		}
	}
}

// duplicate tells whether key passed within TTL of t and is not forgotten at
// watermark w. If not, it remembers that key passes at t.
func (d *Dedup) duplicate(key string, t, w event.Time) bool {
	known, ok := d.seen.Get(key)
	if ok {
		if d.near(known.first, t, w) {
			return true
		}
		for _, m := range known.more {
			if d.near(m, t, w) {
				return true
			}
		}
		known.more = append(known.more, t)
	} else {
		known.first = t
	}
	key = strings.Clone(key) // the row's text is borrowed
	d.seen.Put(key, known)
	d.buckets.Add(t.Add(d.cfg.TTL), key)
	return false
}

// near tells whether an event at t is a duplicate of one that passed at m. That a
// bucket keeps m longer than w allows must not show.
func (d *Dedup) near(m, t, w event.Time) bool {
	return m.Add(d.cfg.TTL) >= w && m.Add(d.cfg.TTL) >= t && t.Add(d.cfg.TTL) >= m
}

// expire forgets the keys of the buckets that lie wholly before w.
func (d *Dedup) expire(w event.Time) {
	d.buckets.Pop(w, func(key string) {
		known, ok := d.seen.Get(key)
		if !ok {
			return
		}
		kept := known.more[:0]
		for _, m := range known.more {
			if m.Add(d.cfg.TTL) >= w {
				kept = append(kept, m)
			}
		}
		switch {
		case known.first.Add(d.cfg.TTL) >= w:
			d.seen.Put(key, times{known.first, kept})
		case len(kept) > 0:
			d.seen.Put(key, times{kept[0], kept[1:]})
		default:
			d.seen.Delete(key)
		}
	})
}

// NextTimer is never: keys expire as events come.
func (d *Dedup) NextTimer() event.Time { return event.MaxTime }

// OnTimer does nothing.
func (d *Dedup) OnTimer(event.Time, *task.Output) {}

// Flush does nothing: what passes has been emitted.
func (d *Dedup) Flush(event.Time, *task.Output) {}
