package join

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// agenda files timers like state.Timers does, and fires them in the same order. As
// a join has one for each open key, those that are not due soon lie packed: in
// buckets of event time, a bucket's one behind the other. When nothing nearer is
// left, the next bucket is unpacked.
type agenda struct {
	width event.Duration
	near  state.Timers[due] // of all buckets up to reach
	reach int64             // the last bucket that was unpacked
	far   map[int64][]byte  // of each bucket the timers in the order in which they were set
	order []int64           // the numbers of those buckets, smallest first
	buf   []byte
}

// newAgenda makes an agenda for timers that are mostly set a span ahead.
func newAgenda(span event.Duration) agenda {
	return agenda{width: max(span/bucketsPerSpan, 1), reach: math.MinInt64, far: map[int64][]byte{}}
}

// bucketsPerSpan: about a 64th of the timers is unpacked.
const bucketsPerSpan = 64

// Set files d under at.
func (a *agenda) Set(at event.Time, d due) {
	bucket := state.FloorDiv(int64(at), int64(a.width))
	if bucket <= a.reach {
		a.near.Set(at, d)
		return
	}
	b, known := a.far[bucket]
	if !known {
		i, _ := slices.BinarySearch(a.order, bucket)
		a.order = slices.Insert(a.order, i, bucket)
	}
	kind, key := byte(0), a.halve(d.key)
	if d.anchor {
		kind |= anchorTimer
	}
	if key == nil {
		key = unsafe.Slice(unsafe.StringData(d.key), len(d.key))
	} else {
		kind |= halvedKey
	}
	b = binary.AppendUvarint(append(b, kind), uint64(at)-uint64(bucket)*uint64(a.width))
	a.far[bucket] = append(binary.AppendUvarint(b, uint64(len(key))), key...)
}

// What the first byte of a packed timer says.
const (
	anchorTimer = 1 << iota
	halvedKey   // the key is the text of these bytes in hexadecimal digits
)

// halve is a key of hexadecimal digits, as many are, in half as many bytes, valid until
// the next; nil for others.
func (a *agenda) halve(key string) []byte {
	if len(key)%2 != 0 || strings.ContainsAny(key, "ABCDEF") {
		return nil
	}
	var err error
	if a.buf, err = hex.AppendDecode(a.buf[:0], unsafe.Slice(unsafe.StringData(key), len(key))); err != nil {
		return nil
	}
	return a.buf
}

// Next is the time of the earliest timer, event.MaxTime where none is set.
func (a *agenda) Next() event.Time {
	if a.near.Len() == 0 && len(a.order) > 0 {
		a.unpack()
	}
	return a.near.Next()
}

// unpack makes the timers of the first bucket near ones. Timers of the same time are
// in the same bucket, and later ones will come behind these.
func (a *agenda) unpack() {
	bucket := a.order[0]
	r := event.NewReader(a.far[bucket])
	for r.Len() > 0 {
		kind := r.Bytes(1)[0]
		at := event.Time(r.Uvarint() + uint64(bucket)*uint64(a.width))
		key := r.Text()
		if kind&halvedKey != 0 {
			key = hex.EncodeToString([]byte(key))
		}
		a.near.Set(at, due{key, kind&anchorTimer != 0})
	}
	delete(a.far, bucket)
	a.order = slices.Delete(a.order, 0, 1)
	a.reach = bucket
}

// Pop removes the earliest timer if it is set for exactly at.
func (a *agenda) Pop(at event.Time) (due, bool) {
	if a.Next() != at {
		return due{}, false
	}
	return a.near.Pop(at)
}
