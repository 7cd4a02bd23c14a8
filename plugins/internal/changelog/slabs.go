package changelog

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// slabs are memory for records and what they hold. The client is done with the records
// of a partition in the order in which it was given them, so a slab whose last record
// is done can be used again: there are no more than the client buffers records.
type slabs struct {
	free []*slab
	used []*slab // the first has the oldest record that is not done, the last takes new ones
}

type slab struct {
	records     [slabRecords]kgo.Record
	bytes       []byte
	given, done int
}

const (
	slabRecords = 256
	slabBytes   = 32 << 10 // more, and the record's memory is its own
)

// record makes a record of copies.
func (s *slabs) record(key, value []byte) *kgo.Record {
	if n := len(s.used); n == 0 || s.used[n-1].given == slabRecords {
		s.used = append(s.used, s.empty())
	}
	b := s.used[len(s.used)-1]
	r := &b.records[b.given]
	b.given++
	*r = kgo.Record{Key: b.copy(key)}
	if value != nil {
		r.Value = b.copy(value)
	}
	return r
}

// empty is a slab without records.
func (s *slabs) empty() *slab {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	return &slab{bytes: make([]byte, 0, slabBytes)}
}

// done takes back the oldest record.
func (s *slabs) done() {
	b := s.used[0]
	if b.done++; b.done == slabRecords {
		b.given, b.done, b.bytes = 0, 0, b.bytes[:0]
		s.used = slices.Delete(s.used, 0, 1)
		s.free = append(s.free, b)
	}
}

func (b *slab) copy(from []byte) []byte {
	at := len(b.bytes)
	if cap(b.bytes)-at < len(from) {
		return append([]byte{}, from...)
	}
	b.bytes = append(b.bytes, from...)
	return b.bytes[at:len(b.bytes):len(b.bytes)]
}
