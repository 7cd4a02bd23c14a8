package state

import (
	"fmt"
	"hash/maphash"
	"math"
)

// Table is a map of one operator of one task. It is not safe for concurrent use.
//
// Keys are hot: decoded, in memory. With a shelf behind it a table writes back: the
// keys that the shelf does not have as they are stay; the others are a
// cache, and leave when Shrink asks for it, those that were used since it last
// came by after the others. Of the keys that are on the shelf only, an index tells
// that nearly every other is not there: looking for a new key reads nothing.
//
// An error of the shelf sticks: the table then answers as if the key were absent,
// and the task, which looks at Err before it commits, drops everything.
type Table[K comparable, V any] struct {
	name    string
	codec   Codec[K, V]
	shelf   Shelf
	slab    slab[K, V]
	hot     *Index   // the hashes and numbers of the hot keys; nil where the operator finds them itself
	n       int      // hot keys
	dirty   []uint32 // changed since Changes handed them out
	batch   []uint32 // handed out for a commit that has not come about
	out     []uint32 // handed out, and the shelf may not know it yet
	away    Index    // the hashes of the keys that are on the shelf only
	size    int      // estimated bytes of the hot keys
	hits    int64    // keys that were looked for and hot
	fetched int64    // and on the shelf
	hand    int      // the chunk at which Shrink goes on
	warm    []uint32 // the entries at hand in Warm
	cache   bool
	buf     []byte
	err     error
}

// Entry is a hot key with its value. Who keeps one saves looking for the key, for as
// long as Table.Holds says that it is a key's and Key is that key: the place of an entry
// is used again for others.
type Entry[K comparable, V any] struct {
	Key   K
	Value V

	id      uint32 // in the slab
	size    int32
	lost    bool // no longer in the table
	gone    bool // deleted
	dirty   bool // among the table's dirty
	out     bool // among those that are handed out
	logged  bool // handed out before, or read from the shelf
	shelved bool // the shelf has the key
	used    bool // looked at since Shrink came by
}

// entrySize is what a hot key takes in memory beside its stored form: its entry, its
// place in the index, and what rounding adds.
const entrySize = 160

func sizeOf(stored int) int32 { return int32(min(entrySize+stored, math.MaxInt32)) }

// seed of the hashes of keys; they are not stored.
var seed = maphash.MakeSeed()

// NewTable makes a table and attaches it to its store.
func NewTable[K comparable, V any](s Store, name string, codec Codec[K, V]) *Table[K, V] {
	t := &Table[K, V]{name: name, codec: codec, hot: &Index{}}
	t.shelf = s.Attach(t)
	return t
}

// Cached lets clean keys leave memory. Without it all keys stay hot.
func (t *Table[K, V]) Cached() *Table[K, V] {
	t.cache = true
	return t
}

// Unindexed is for an operator that finds its entries itself: it may Add keys that are
// not there and Remove entries, and Find, Put and Delete are not for it. All keys stay hot.
func (t *Table[K, V]) Unindexed() *Table[K, V] {
	t.hot = nil
	return t
}

// Name is the table's name within its operator.
func (t *Table[K, V]) Name() string { return t.name }

// Len is the number of hot keys.
func (t *Table[K, V]) Len() int { return t.n }

// Keys is the number of all keys, hot or not.
func (t *Table[K, V]) Keys() int { return t.n + t.away.Len() }

// Lookups are how many keys were found in memory, and how many on the shelf.
func (t *Table[K, V]) Lookups() (hits, misses int64) { return t.hits, t.fetched }

// Memory is about how many bytes the hot keys take.
func (t *Table[K, V]) Memory() int { return t.size }

// Size is about how many bytes the hot keys of a cached table take, 0 for others.
func (t *Table[K, V]) Size() int {
	if t.shelf == nil || !t.cache {
		return 0
	}
	return t.size
}

// Dirty is the number of keys that changed since they were handed out.
func (t *Table[K, V]) Dirty() int { return len(t.dirty) }

// Err is the first error of the shelf.
func (t *Table[K, V]) Err() error { return t.err }

// Find is the entry of a key, nil where there is none. The table does not keep the
// key that it is given. A value may be changed if Touch follows.
func (t *Table[K, V]) Find(k K) *Entry[K, V] {
	hash := t.Hash(k)
	if e := t.lookUp(k, hash); e != nil {
		if e.gone {
			return nil
		}
		e.used = true
		t.hits++
		return e
	}
	if t.away.Len() == 0 || t.err != nil {
		return nil
	}
	return t.fetch(k, hash)
}

// lookUp is the entry of a hot key, deleted or not; nil where there is none.
func (t *Table[K, V]) lookUp(k K, hash uint64) (found *Entry[K, V]) {
	t.hot.Each(hash, func(number uint32) bool {
		if e := t.slab.at(number - 1); e.Key == k {
			found = e
		}
		return found == nil
	})
	return found
}

// Hash is the hash of a key, by which it is found and which Warm wants to know.
func (t *Table[K, V]) Hash(k K) uint64 { return maphash.Comparable(seed, k) }

// Warm reads what looking for the keys of the hashes will read, as Index.Warm does, and
// has touch read what it will of their entries. They may be those of other keys.
func (t *Table[K, V]) Warm(hashes []uint64, touch func(*Entry[K, V])) {
	for _, h := range hashes {
		t.hot.Warm(h)
	}
	t.warm = t.warm[:0]
	for _, h := range hashes {
		t.hot.Each(h, func(number uint32) bool {
			t.warm = append(t.warm, number-1)
			return false
		})
	}
	for _, id := range t.warm {
		touch(t.slab.at(id))
	}
}

// Holds tells whether e is the entry of some key.
func (t *Table[K, V]) Holds(e *Entry[K, V]) bool { return e != nil && !e.lost && !e.gone }

// Get is the value of a key.
func (t *Table[K, V]) Get(k K) (v V, ok bool) {
	if e := t.Find(k); e != nil {
		return e.Value, true
	}
	return v, false
}

// fetch makes a key hot that is on the shelf only.
func (t *Table[K, V]) fetch(k K, hash uint64) *Entry[K, V] {
	if !t.away.Has(hash) {
		return nil
	}
	var key K
	var value V
	t.buf = t.codec.AppendKey(t.buf[:0], k)
	stored := len(t.buf)
	ok, err := t.shelf.Get(t.buf, func(b []byte) (err error) {
		stored += len(b)
		if key, err = t.codec.Key(t.buf); err == nil { // a key of our own: the caller's is borrowed
			value, err = t.codec.Value(key, b)
		}
		return err
	})
	if err != nil {
		t.fail(err)
		return nil
	}
	if !ok {
		return nil // another key of the same hash
	}
	e := t.add(key, hash, sizeOf(stored))
	e.Value, e.logged, e.shelved, e.used = value, true, true, true
	t.fetched++
	t.away.Remove(hash, onShelf)
	return e
}

// onShelf is the number of all keys in the index of those that are on the shelf only.
const onShelf = 1

// add makes an entry of a key that is not hot. The hash is for tables with an index.
func (t *Table[K, V]) add(k K, hash uint64, size int32) *Entry[K, V] {
	e := t.slab.take()
	e.Key, e.size = k, size
	if t.hot != nil {
		t.hot.Add(hash, e.id+1)
	}
	t.n++
	t.size += int(size)
	return e
}

// remove takes an entry out that stands in none of the lists.
func (t *Table[K, V]) remove(e *Entry[K, V]) {
	if t.hot != nil {
		t.hot.Remove(t.Hash(e.Key), e.id+1)
	}
	t.n--
	t.size -= int(e.size)
	t.slab.give(e)
}

func (t *Table[K, V]) resize(e *Entry[K, V], stored int) {
	size := sizeOf(stored)
	t.size += int(size - e.size)
	e.size = size
}

// Put sets the value of a key. The table keeps the key.
func (t *Table[K, V]) Put(k K, v V) *Entry[K, V] {
	hash := t.Hash(k)
	e := t.lookUp(k, hash)
	if e == nil {
		e = t.add(k, hash, sizeOf(0)) // until it is stored
		t.takeFromShelf(e, hash)
	}
	e.Value, e.gone = v, false
	t.Touch(e)
	return e
}

// Add sets the value of a key that an unindexed table does not have. The table keeps
// the key. Where it was removed a while ago, both entries are written in their order.
func (t *Table[K, V]) Add(k K, v V) *Entry[K, V] {
	e := t.add(k, 0, sizeOf(0))
	e.Value = v
	t.Touch(e)
	return e
}

// takeFromShelf tells a new entry whether the shelf has its key, which is then no
// longer there only.
func (t *Table[K, V]) takeFromShelf(e *Entry[K, V], hash uint64) {
	if t.away.Len() == 0 || !t.away.Has(hash) {
		return
	}
	// Where the hash is another key's, that one seems absent from now on: so look.
	t.buf = t.codec.AppendKey(t.buf[:0], e.Key)
	ok, err := t.shelf.Get(t.buf, func([]byte) error { return nil })
	if err != nil {
		t.fail(err)
	}
	if ok {
		e.logged, e.shelved = true, true
		t.away.Remove(hash, onShelf)
	}
}

// Touch tells the table that the value of one of its entries has changed.
func (t *Table[K, V]) Touch(e *Entry[K, V]) {
	e.used = true
	if t.shelf != nil && !e.dirty {
		t.dirty = append(t.dirty, e.id)
		e.dirty = true
	}
}

// Delete removes a key; removing an absent one does nothing.
func (t *Table[K, V]) Delete(k K) {
	hash := t.Hash(k)
	e := t.lookUp(k, hash)
	if e == nil {
		if t.away.Len() == 0 || !t.away.Has(hash) {
			return
		}
		e = t.add(k, hash, sizeOf(0))
		if t.takeFromShelf(e, hash); !e.shelved {
			t.remove(e)
			return
		}
	}
	t.Remove(e)
}

// Drop is Delete of a key that the table is known to have: what is stored of it is not
// read. The table keeps the key.
func (t *Table[K, V]) Drop(k K) {
	hash := t.Hash(k)
	e := t.lookUp(k, hash)
	if e == nil {
		e = t.add(k, hash, sizeOf(0))
		e.logged, e.shelved = true, true
		t.away.Remove(hash, onShelf)
	}
	t.Remove(e)
}

// Remove deletes the key of an entry that the table holds.
func (t *Table[K, V]) Remove(e *Entry[K, V]) {
	if t.shelf == nil {
		t.remove(e)
		return
	}
	var zero V
	e.Value, e.gone = zero, true
	t.Touch(e)
}

// Open looks at every key on the shelf, in their order; those that keep wants are
// hot afterwards. It is called once, before anything else.
func (t *Table[K, V]) Open(keep func(e *Entry[K, V]) bool) error {
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
		hash := t.Hash(k)
		e := t.add(k, hash, sizeOf(len(key)+len(value)))
		e.Value, e.logged, e.shelved = v, true, true
		if !keep(e) {
			t.remove(e)
			t.away.Add(hash, onShelf)
		}
		return nil
	})
}

func (t *Table[K, V]) fail(err error) {
	t.err = fmt.Errorf("state %s: %w", t.name, err)
}
