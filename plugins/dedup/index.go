package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// id is a key in 16 bytes: a UUID packed, and of any other text the first half of
// its SHA-256. That two keys of a stream share one is less likely than that the
// machine errs.
type id [16]byte

// idOf packs a key. Only the canonical form of a UUID (36 characters, lower case)
// is packed, so that different texts stay different keys.
func idOf(key string) (x id) {
	if len(key) == 36 && key[8] == '-' && key[13] == '-' && key[18] == '-' && key[23] == '-' && unhex(&x, key) {
		return x
	}
	sum := sha256.Sum256([]byte(key))
	copy(x[:], sum[:])
	return x
}

func unhex(x *id, key string) bool {
	n := 0
	for i := 0; i < len(key); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		c := key[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return false
		}
		if n%2 == 0 {
			x[n/2] = c << 4
		} else {
			x[n/2] |= c
		}
		n++
	}
	return true
}

func (x id) String() string { return hex.EncodeToString(x[:]) }

func (x *id) hash() uint64 {
	h := binary.LittleEndian.Uint64(x[:8])*0x9E3779B97F4A7C15 ^ binary.LittleEndian.Uint64(x[8:])
	h ^= h >> 32
	return h * 0xD6E8FEB86659FD93
}

// index holds the ids that passed with their event times; an id that passed more
// than once, at times further apart than the TTL, stands there more than once.
//
// It is open addressing with linear probing and 24 bytes a slot, in shards that
// grow by half one at a time: a million ids take some 40 MB, and no growth doubles
// them all.
type index struct {
	shards [shardCount]shard
	n      int
}

const (
	shardBits  = 8
	shardCount = 1 << shardBits
	firstSlots = 8
)

type shard struct {
	slots []seen
	n     int
}

// seen is a slot; free where the time is event.MinTime.
type seen struct {
	id   id
	time event.Time
}

func (x *index) shardOf(h uint64) *shard { return &x.shards[h>>(64-shardBits)] }

// home is the slot at which probing for a hash begins.
func (s *shard) home(h uint64) int {
	hi, _ := bits.Mul64(h<<shardBits, uint64(len(s.slots)))
	return int(hi)
}

// each calls fn with the times of an id until fn returns false.
func (x *index) each(k id, fn func(event.Time) bool) {
	h := k.hash()
	s := x.shardOf(h)
	if s.n == 0 {
		return
	}
	for i := s.home(h); s.slots[i].time != event.MinTime; i = s.next(i) {
		if s.slots[i].id == k && !fn(s.slots[i].time) {
			return
		}
	}
}

func (s *shard) next(i int) int {
	if i++; i == len(s.slots) {
		return 0
	}
	return i
}

// add remembers that k passed at t.
func (x *index) add(k id, t event.Time) {
	h := k.hash()
	s := x.shardOf(h)
	if 4*(s.n+1) > 3*len(s.slots) {
		s.grow()
	}
	s.put(h, seen{k, t})
	s.n++
	x.n++
}

func (s *shard) put(h uint64, e seen) {
	i := s.home(h)
	for s.slots[i].time != event.MinTime {
		i = s.next(i)
	}
	s.slots[i] = e
}

func (s *shard) grow() {
	old := s.slots
	s.slots = make([]seen, max(firstSlots, len(old)+len(old)/2))
	for i := range s.slots {
		s.slots[i].time = event.MinTime
	}
	for i := range old {
		if old[i].time != event.MinTime {
			s.put(old[i].id.hash(), old[i])
		}
	}
}

// remove forgets that k passed at t. The slots behind it close up, so that no
// probe stops short.
func (x *index) remove(k id, t event.Time) {
	h := k.hash()
	s := x.shardOf(h)
	if s.n == 0 {
		return
	}
	free := s.home(h)
	for ; s.slots[free] != (seen{k, t}); free = s.next(free) {
		if s.slots[free].time == event.MinTime {
			return
		}
	}
	for i := s.next(free); s.slots[i].time != event.MinTime; i = s.next(i) {
		// An entry may move up to the free slot unless its home lies behind that.
		home := s.home(s.slots[i].id.hash())
		if free <= i && (home <= free || home > i) || free > i && home <= free && home > i {
			s.slots[free] = s.slots[i]
			free = i
		}
	}
	s.slots[free] = seen{time: event.MinTime}
	s.n--
	x.n--
	if s.n == 0 {
		s.slots = nil
	}
}
