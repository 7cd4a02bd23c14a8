package state

import (
	"fmt"
	"math"
)

// Table is a map of one operator of one task. It is not safe for concurrent use.
//
// Keys are hot: decoded, in memory. With a shelf behind it a table writes back: the
// keys that changed since the last commit are dirty and stay; the others are a
// cache, and leave when Shrink asks for it, those that were used since it last
// came by after the others. A key that is neither hot nor on the shelf does not exist.
//
// An error of the shelf sticks: the table then answers as if the key were absent,
// and the task, which looks at Err before it commits, drops everything.
type Table[K comparable, V any] struct {
	name  string
	codec Codec[K, V]
	shelf Shelf
	hot   map[K]*slot[V]
	dirty []K // keys that are dirty or handed out
	away  int // upper bound of the keys that are on the shelf only
	size  int // estimated bytes of the hot keys
	cache bool
	buf   []byte
	err   error
}

type slot[V any] struct {
	v     V
	size  int32
	dirty bool // changed since Changes handed it out
	out   bool // handed out, and the shelf may not know it yet
	gone  bool // deleted
	used  bool // looked at since Shrink came by
}

// What a hot key takes in memory is estimated from its stored form: texts have
// headers there, numbers have kinds, and everything is rounded up.
const (
	slotSize     = 128 // of an empty value
	sizePerBytes = 3   // for each stored byte
)

func sizeOf(stored int) int32 { return int32(min(slotSize+sizePerBytes*stored, math.MaxInt32)) }

// NewTable makes a table and attaches it to its store.
func NewTable[K comparable, V any](s Store, name string, codec Codec[K, V]) *Table[K, V] {
	t := &Table[K, V]{name: name, codec: codec, hot: map[K]*slot[V]{}}
	t.shelf = s.Attach(t)
	return t
}

// Cached lets clean keys leave memory. Without it all keys stay hot.
func (t *Table[K, V]) Cached() *Table[K, V] {
	t.cache = true
	return t
}

// Name is the table's name within its operator.
func (t *Table[K, V]) Name() string { return t.name }

// Len is the number of hot keys.
func (t *Table[K, V]) Len() int { return len(t.hot) }

// Size is about how many bytes the hot keys of a cached table take, 0 for others.
func (t *Table[K, V]) Size() int {
	if t.shelf == nil || !t.cache {
		return 0
	}
	return t.size
}

// Err is the first error of the shelf.
func (t *Table[K, V]) Err() error { return t.err }

// Get is the value of a key, which the table does not keep. What the value points
// to may be changed if Put follows.
func (t *Table[K, V]) Get(k K) (v V, ok bool) {
	if s, hot := t.hot[k]; hot {
		s.used = true
		return s.v, !s.gone
	}
	if t.away == 0 || t.err != nil {
		return v, false
	}
	return t.fetch(k)
}

// fetch makes a key hot.
func (t *Table[K, V]) fetch(k K) (v V, ok bool) {
	t.buf = t.codec.AppendKey(t.buf[:0], k)
	stored := len(t.buf)
	ok, err := t.shelf.Get(t.buf, func(b []byte) (err error) {
		stored += len(b)
		if k, err = t.codec.Key(t.buf); err == nil { // a key of our own: the caller's is borrowed
			v, err = t.codec.Value(k, b)
		}
		return err
	})
	if err != nil {
		t.fail(err)
		return v, false
	}
	if !ok {
		return v, false
	}
	t.add(k, &slot[V]{v: v, size: sizeOf(stored), used: true})
	t.away--
	return v, true
}

func (t *Table[K, V]) add(k K, s *slot[V]) {
	t.hot[k] = s
	t.size += int(s.size)
}

func (t *Table[K, V]) remove(k K, s *slot[V]) {
	delete(t.hot, k)
	t.size -= int(s.size)
}

func (t *Table[K, V]) resize(s *slot[V], size int32) {
	t.size += int(size - s.size)
	s.size = size
}

// Put sets the value of a key. Where V is a pointer, Put is also how the table
// learns that what it points to has changed. The table keeps the key.
func (t *Table[K, V]) Put(k K, v V) {
	s, hot := t.hot[k]
	if !hot {
		s = &slot[V]{size: sizeOf(0)} // until it is stored
		t.add(k, s)
	}
	s.v, s.gone, s.used = v, false, true
	t.touch(k, s)
}

// Delete removes a key; removing an absent one does nothing.
func (t *Table[K, V]) Delete(k K) {
	if t.shelf == nil {
		delete(t.hot, k)
		return
	}
	s, hot := t.hot[k]
	if !hot {
		if t.away == 0 {
			return
		}
		s = &slot[V]{size: sizeOf(0)}
		t.add(k, s)
	}
	var zero V
	s.v, s.gone = zero, true
	t.touch(k, s)
}

func (t *Table[K, V]) touch(k K, s *slot[V]) {
	if t.shelf != nil && !s.dirty {
		if !s.out {
			t.dirty = append(t.dirty, k)
		}
		s.dirty = true
	}
}

// Changes hands out every key that changed since the last call with its value as
// it stands, nil for a deleted one.
func (t *Table[K, V]) Changes(fn func(key, value []byte)) {
	for i := 0; i < len(t.dirty); i++ {
		k := t.dirty[i]
		s := t.hot[k]
		if !s.dirty {
			continue // handed out before, and not committed yet
		}
		s.dirty, s.out = false, true
		t.buf = t.codec.AppendKey(t.buf[:0], k)
		n := len(t.buf)
		if s.gone {
			t.resize(s, sizeOf(n))
			fn(t.buf, nil)
			continue
		}
		t.buf = t.codec.AppendValue(t.buf, s.v)
		t.resize(s, sizeOf(len(t.buf)))
		fn(t.buf[:n:n], t.buf[n:])
	}
}

// Committed forgets deleted keys: the shelf knows now that they are gone. Keys that
// changed after they were handed out stay dirty.
func (t *Table[K, V]) Committed() {
	kept := t.dirty[:0]
	for _, k := range t.dirty {
		s := t.hot[k]
		s.out = false
		switch {
		case s.dirty:
			kept = append(kept, k)
		case s.gone:
			t.remove(k, s)
		}
	}
	clear(t.dirty[len(kept):])
	t.dirty = kept
}

// Shrink evicts clean keys until the hot ones take at most limit bytes. It is the
// clock of the second chance, but for the hand, which begins anywhere.
func (t *Table[K, V]) Shrink(limit int) {
	if t.shelf == nil || !t.cache {
		return
	}
	for range 2 { // the second time around nothing is in use
		for k, s := range t.hot {
			switch {
			case t.size <= limit:
				return
			case s.dirty || s.out: // only here
			case s.used:
				s.used = false
			default:
				t.remove(k, s)
				t.away++
			}
		}
	}
}

// Open looks at every key on the shelf, in their order; those that keep wants are
// hot afterwards. It is called once, before anything else.
func (t *Table[K, V]) Open(keep func(K, V) bool) error {
	if t.shelf == nil {
		return nil
	}
	return t.shelf.Each(func(key, value []byte) error {
		k, err := t.codec.Key(key)
		if err != nil {
			return fmt.Errorf("state %s: key %x: %w", t.name, key, err)
		}
		v, err := t.codec.Value(k, value)
		if err != nil {
			return fmt.Errorf("state %s: value of %x: %w", t.name, key, err)
		}
		if keep(k, v) {
			t.add(k, &slot[V]{v: v, size: sizeOf(len(key) + len(value))})
		} else {
			t.away++
		}
		return nil
	})
}

func (t *Table[K, V]) fail(err error) {
	t.err = fmt.Errorf("state %s: %w", t.name, err)
}
