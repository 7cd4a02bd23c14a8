package state

import "math/bits"

// slab holds the entries of a table in chunks, where each has a number. The collector
// goes through a chunk in one go, and lists of numbers are nothing to it, while it
// would come by each entry by itself once for every pointer to it. Entries stay where
// they are; their places are used again.
type slab[K comparable, V any] struct {
	chunks []chunk[K, V]
	open   []uint32 // the chunks that have a free place, of which the last is filled first
}

const chunkEntries = 64

type chunk[K comparable, V any] struct {
	entries *[chunkEntries]Entry[K, V] // nil while all are free
	used    uint64                     // a bit for each
}

// at is the entry of a number.
func (s *slab[K, V]) at(id uint32) *Entry[K, V] {
	return &s.chunks[id/chunkEntries].entries[id%chunkEntries]
}

// take is an empty entry.
func (s *slab[K, V]) take() *Entry[K, V] {
	if len(s.open) == 0 {
		s.open = append(s.open, uint32(len(s.chunks)))
		s.chunks = append(s.chunks, chunk[K, V]{})
	}
	n := s.open[len(s.open)-1]
	c := &s.chunks[n]
	if c.entries == nil {
		c.entries = new([chunkEntries]Entry[K, V])
	}
	i := bits.TrailingZeros64(^c.used)
	if c.used |= 1 << i; ^c.used == 0 {
		s.open = s.open[:len(s.open)-1]
	}
	e := &c.entries[i]
	*e = Entry[K, V]{id: n*chunkEntries + uint32(i)}
	return e
}

// give takes an entry back. For those who still have it, it is lost until it is taken
// again.
func (s *slab[K, V]) give(e *Entry[K, V]) {
	n, i := e.id/chunkEntries, e.id%chunkEntries
	*e = Entry[K, V]{lost: true}
	c := &s.chunks[n]
	if ^c.used == 0 {
		s.open = append(s.open, n)
	}
	if c.used &^= 1 << i; c.used == 0 && len(s.open) > 1 { // else the next one is taken from here
		c.entries = nil
	}
}
