package state

import (
	"errors"
	"fmt"
)

// Table is a map of one operator of one task. It is not safe for concurrent use.
//
// Keys are hot: decoded, in memory. With a shelf behind it a table writes back: the
// keys that changed since the last commit are dirty and stay; the others are a
// cache, and leave the least recently used first when Shrink asks for it. A key
// that is neither hot nor on the shelf does not exist.
//
// An error of the shelf sticks: the table then answers as if the key were absent,
// and the task, which looks at Err before it commits, drops everything.
type Table[K comparable, V any] struct {
	name  string
	codec Codec[K, V]
	shelf Shelf
	hot   map[K]*slot[V]
	dirty []K
	hand  []K // clock: keys in the order in which eviction looks at them
	away  int // upper bound of the keys that are on the shelf only
	cache bool
	buf   []byte
	err   error
}

type slot[V any] struct {
	v     V
	dirty bool // changed since the last commit
	gone  bool // deleted, and the shelf may not know it yet
	used  bool // looked at since the clock hand passed
}

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

// Err is the first error of the shelf.
func (t *Table[K, V]) Err() error { return t.err }

// Get is the value of a key, which the table does not keep. What the value points
// to may be changed if Put follows.
func (t *Table[K, V]) Get(k K) (v V, ok bool) {
	if s, hot := t.hot[k]; hot {
		s.used = true
		return s.v, !s.gone
	}
	if t.away == 0 {
		return v, false
	}
	t.buf = t.codec.AppendKey(t.buf[:0], k)
	ok, err := t.shelf.Get(t.buf, func(b []byte) (err error) {
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
	t.hot[k] = &slot[V]{v: v, used: true}
	t.hand = append(t.hand, k)
	t.away--
	return v, true
}

// Put sets the value of a key. Where V is a pointer, Put is also how the table
// learns that what it points to has changed. The table keeps the key.
func (t *Table[K, V]) Put(k K, v V) {
	s, hot := t.hot[k]
	if !hot {
		s = &slot[V]{}
		t.hot[k] = s
		if t.shelf != nil {
			t.hand = append(t.hand, k)
		}
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
		s = &slot[V]{}
		t.hot[k] = s
		t.hand = append(t.hand, k)
	}
	var zero V
	s.v, s.gone = zero, true
	t.touch(k, s)
}

func (t *Table[K, V]) touch(k K, s *slot[V]) {
	if t.shelf != nil && !s.dirty {
		s.dirty = true
		t.dirty = append(t.dirty, k)
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
		s.dirty = false
		t.buf = t.codec.AppendKey(t.buf[:0], k)
		n := len(t.buf)
		if s.gone {
			fn(t.buf, nil)
			continue
		}
		t.buf = t.codec.AppendValue(t.buf, s.v)
		fn(t.buf[:n:n], t.buf[n:])
	}
}

// Committed forgets deleted keys: the shelf knows now that they are gone. Keys that
// changed after they were handed out stay dirty.
func (t *Table[K, V]) Committed() {
	kept := t.dirty[:0]
	for _, k := range t.dirty {
		s := t.hot[k]
		switch {
		case s == nil: // it stood there twice
		case s.dirty:
			kept = append(kept, k)
		case s.gone:
			delete(t.hot, k)
		}
	}
	clear(t.dirty[len(kept):])
	t.dirty = kept
}

// Shrink evicts clean keys until at most limit are hot. Keys that were used since
// it last came by are passed over once.
func (t *Table[K, V]) Shrink(limit int) {
	if t.shelf == nil || !t.cache {
		return
	}
	looked, most := 0, 2*len(t.hand)
	kept := t.hand[:0]
	queue := t.hand
	for len(t.hot) > limit && len(queue) > 0 && looked < most {
		k := queue[0]
		queue = queue[1:]
		looked++
		s, ok := t.hot[k]
		switch {
		case !ok: // deleted
		case s.dirty || s.gone || s.used:
			s.used = false
			kept = append(kept, k)
		default:
			delete(t.hot, k)
			t.away++
		}
	}
	t.hand = append(kept, queue...)
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
			t.hot[k] = &slot[V]{v: v}
			t.hand = append(t.hand, k)
		} else {
			t.away++
		}
		return nil
	})
}

func (t *Table[K, V]) fail(err error) {
	t.err = errors.Join(t.err, fmt.Errorf("state %s: %w", t.name, err))
}
