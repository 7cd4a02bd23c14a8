package state

import (
	"hash/maphash"
	"slices"
)

// Changes hands out every key that changed since the last commit with its value as
// it stands, nil for a deleted one. What came and went since then is not told.
func (t *Table[K, V]) Changes(fresh bool, fn func(key, value []byte) bool) bool {
	from := 0
	if fresh {
		from = len(t.batch)
	}
	for _, e := range t.dirty {
		e.dirty = false
		if e.gone && !e.logged {
			t.remove(e)
			continue
		}
		if !e.out {
			t.out = append(t.out, e)
		}
		e.out, e.logged = true, true
		t.batch = append(t.batch, e)
	}
	clear(t.dirty)
	t.dirty = t.dirty[:0]
	for _, e := range t.batch[from:] { // encoding a value may make entries of other tables dirty
		if !t.handOut(e, fn) {
			return false
		}
	}
	return true
}

// Committed tells that what was handed out is committed. A deleted key of which the
// shelf never heard is forgotten.
func (t *Table[K, V]) Committed() {
	before := t.n
	for _, e := range t.batch {
		if e.gone && !e.shelved && !e.dirty {
			t.remove(e)
		}
	}
	clear(t.batch)
	t.batch = t.batch[:0]
	if t.n < before {
		t.out = slices.DeleteFunc(t.out, func(e *Entry[K, V]) bool { return e.lost })
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

// Shelve hands out what the shelf does not know yet.
func (t *Table[K, V]) Shelve(fn func(key, value []byte) bool) {
	for _, e := range t.out {
		if !t.handOut(e, fn) {
			return
		}
	}
}

// Shelved tells that what Shelve handed out has come to the shelf. Deleted keys are
// forgotten.
func (t *Table[K, V]) Shelved() {
	for _, e := range t.out {
		e.out, e.shelved = false, !e.gone
		if e.gone {
			t.remove(e)
		}
	}
	clear(t.out)
	t.out = t.out[:0]
}

// Shrink evicts clean keys until the hot ones take at most limit bytes. It is the
// clock of the second chance, but for the hand, which begins anywhere.
func (t *Table[K, V]) Shrink(limit int) {
	if t.shelf == nil || !t.cache {
		return
	}
	for range 2 { // the second time around nothing is in use
		for _, e := range t.hot {
			switch {
			case t.size <= limit:
				return
			case e.dirty || e.out: // only here
			case e.used:
				e.used = false
			default:
				t.remove(e)
				t.away.Add(maphash.Comparable(seed, e.Key), onShelf)
			}
		}
	}
}
