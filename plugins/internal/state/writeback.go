package state

import (
	"math/bits"
	"slices"
)

// Changes hands out every key that changed since the last commit with its value as
// it stands, nil for a deleted one. What came and went since then is not told.
func (t *Table[K, V]) Changes(fresh bool, fn func(key, value []byte) bool) bool {
	from := 0
	if fresh {
		from = len(t.batch)
	}
	for _, id := range t.dirty {
		e := t.slab.at(id)
		e.dirty = false
		if e.gone && !e.logged {
			t.remove(e)
			continue
		}
		if !e.out {
			t.out = append(t.out, id)
		}
		e.out, e.logged = true, true
		t.batch = append(t.batch, id)
	}
	t.dirty = t.dirty[:0]
	for _, id := range t.batch[from:] { // encoding a value may make entries of other tables dirty
		if !t.handOut(t.slab.at(id), fn) {
			return false
		}
	}
	return true
}

// Committed tells that what was handed out is committed. A deleted key of which the
// shelf never heard is forgotten.
func (t *Table[K, V]) Committed() {
	forgotten := false
	for _, id := range t.batch {
		if e := t.slab.at(id); e.gone && !e.shelved && !e.dirty {
			e.lost, forgotten = true, true
		}
	}
	t.batch = t.batch[:0]
	if forgotten {
		t.out = slices.DeleteFunc(t.out, func(id uint32) bool {
			e := t.slab.at(id)
			if !e.lost {
				return false
			}
			t.remove(e)
			return true
		})
	}
}

func (t *Table[K, V]) handOut(e *Entry[K, V], fn func(key, value []byte) bool) bool {
	t.buf = t.codec.AppendKey(t.buf[:0], e.Key)
	n := len(t.buf)
	if e.gone {
		t.resize(e, n)
		return fn(t.buf, nil)
	}
	t.buf = t.codec.AppendValue(t.buf, e.Value)
	t.resize(e, len(t.buf))
	return fn(t.buf[:n:n], t.buf[n:])
}

// Unshelved is how many keys Shelve will hand out, and how many bytes with their values.
func (t *Table[K, V]) Unshelved() (keys, bytes int) {
	for _, id := range t.out {
		bytes += int(t.slab.at(id).size) - entrySize
	}
	return len(t.out), bytes
}

// Shelve hands out what the shelf does not know yet.
func (t *Table[K, V]) Shelve(fn func(key, value []byte) bool) {
	for _, id := range t.out {
		if !t.handOut(t.slab.at(id), fn) {
			return
		}
	}
}

// Shelved tells that what Shelve handed out has come to the shelf. Deleted keys are
// forgotten.
func (t *Table[K, V]) Shelved() {
	for _, id := range t.out {
		e := t.slab.at(id)
		e.out, e.shelved = false, !e.gone
		if e.gone {
			t.remove(e)
		}
	}
	t.out = t.out[:0]
}

// Shrink evicts clean keys until the hot ones take at most limit bytes: the clock of
// the second chance.
func (t *Table[K, V]) Shrink(limit int) {
	if t.shelf == nil || !t.cache {
		return
	}
	for range 2 * len(t.slab.chunks) { // the second time around nothing is in use
		t.hand = (t.hand + 1) % len(t.slab.chunks)
		c := &t.slab.chunks[t.hand]
		for used := c.used; used != 0; used &= used - 1 {
			e := &c.entries[bits.TrailingZeros64(used)]
			switch {
			case t.size <= limit:
				return
			case e.dirty || e.out: // only here
			case e.used:
				e.used = false
			default:
				hash := t.Hash(e.Key)
				t.remove(e)
				t.away.Add(hash, onShelf)
			}
		}
	}
}
