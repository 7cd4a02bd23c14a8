package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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

// index tells in which chunks an id may stand: of each id that passed it holds the
// chunk and a part of the id's hash. Two ids of which it takes one for the other
// are rare (one in 2^40 pairs), and told apart by the chunk.
//
// It is open addressing with linear probing and 8 bytes a slot, in shards that
// grow by a quarter one at a time: a million ids take some 12 MB, and no growth doubles
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
	slots []entry
	n     int
}

// entry is a slot; free where the chunk is 0.
type entry struct {
	hash  uint32 // that which follows the bits that name the shard
	chunk uint32
}

func (x *index) find(k id) (*shard, uint32) {
	h := k.hash()
	return &x.shards[h>>(64-shardBits)], uint32(h >> (32 - shardBits))
}

// home is the slot at which probing for a hash begins.
func (s *shard) home(h uint32) int { return int(uint64(h) * uint64(len(s.slots)) >> 32) }

// each calls fn with the chunks in which an id may stand until fn returns false.
func (x *index) each(k id, fn func(chunk uint32) bool) {
	s, h := x.find(k)
	if s.n == 0 {
		return
	}
	for i := s.home(h); s.slots[i].chunk != 0; i = s.next(i) {
		if s.slots[i].hash == h && !fn(s.slots[i].chunk) {
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

// add remembers that k stands in a chunk, which is not 0.
func (x *index) add(k id, chunk uint32) {
	s, h := x.find(k)
	if 4*(s.n+1) > 3*len(s.slots) {
		s.grow()
	}
	s.put(entry{h, chunk})
	s.n++
	x.n++
}

func (s *shard) put(e entry) {
	i := s.home(e.hash)
	for s.slots[i].chunk != 0 {
		i = s.next(i)
	}
	s.slots[i] = e
}

func (s *shard) grow() {
	old := s.slots
	s.slots = make([]entry, max(firstSlots, len(old)+len(old)/4))
	for _, e := range old {
		if e.chunk != 0 {
			s.put(e)
		}
	}
}

// remove forgets that k stands in a chunk. The slots behind it close up, so that no
// probe stops short.
func (x *index) remove(k id, chunk uint32) {
	s, h := x.find(k)
	if s.n == 0 {
		return
	}
	free := s.home(h)
	for ; s.slots[free] != (entry{h, chunk}); free = s.next(free) {
		if s.slots[free].chunk == 0 {
			return
		}
	}
	for i := s.next(free); s.slots[i].chunk != 0; i = s.next(i) {
		// An entry may move up to the free slot unless its home lies behind that.
		home := s.home(s.slots[i].hash)
		if free <= i && (home <= free || home > i) || free > i && home <= free && home > i {
			s.slots[free] = s.slots[i]
			free = i
		}
	}
	s.slots[free] = entry{}
	s.n--
	x.n--
	if s.n == 0 {
		s.slots = nil
	}
}
