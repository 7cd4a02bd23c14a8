package state

// Index is a multimap from hashes to small numbers above 0, which keeps a part of each
// hash only: it may take one key for another (one in 2^40 pairs), so what it points at
// has the last word. What it does not find is not there.
//
// It is open addressing with linear probing and 8 bytes a slot, in shards that
// grow by a quarter one at a time: a million keys take some 12 MB, and no growth doubles
// them all.
type Index struct {
	shards [shardCount]shard
	n      int
	warm   uint32 // what Warm read
}

const (
	shardBits  = 8
	shardCount = 1 << shardBits
	firstSlots = 8
)

type shard struct {
	slots []indexed
	n     int
}

// indexed is a slot; free where the number is 0.
type indexed struct {
	hash   uint32 // that which follows the bits that name the shard
	number uint32
}

// Len is how many numbers are filed.
func (x *Index) Len() int { return x.n }

func (x *Index) find(hash uint64) (*shard, uint32) {
	return &x.shards[hash>>(64-shardBits)], uint32(hash >> (32 - shardBits))
}

// home is the slot at which probing for a hash begins.
func (s *shard) home(h uint32) int { return int(uint64(h) * uint64(len(s.slots)) >> 32) }

// Warm reads what looking for a hash reads first. Where there are many to look for,
// doing so for all of them before lets memory answer to several at a time, while
// looking waits for each answer.
func (x *Index) Warm(hash uint64) {
	if s, h := x.find(hash); s.n > 0 {
		x.warm += s.slots[s.home(h)].number
	}
}

// Each calls fn with the numbers that are filed under a hash until fn returns false.
func (x *Index) Each(hash uint64, fn func(number uint32) bool) {
	s, h := x.find(hash)
	if s.n == 0 {
		return
	}
	for i := s.home(h); s.slots[i].number != 0; i = s.next(i) {
		if s.slots[i].hash == h && !fn(s.slots[i].number) {
			return
		}
	}
}

// Has tells whether anything is filed under a hash.
func (x *Index) Has(hash uint64) bool {
	s, h := x.find(hash)
	if s.n == 0 {
		return false
	}
	for i := s.home(h); s.slots[i].number != 0; i = s.next(i) {
		if s.slots[i].hash == h {
			return true
		}
	}
	return false
}

func (s *shard) next(i int) int {
	if i++; i == len(s.slots) {
		return 0
	}
	return i
}

// Add files a number, which is not 0, under a hash.
func (x *Index) Add(hash uint64, number uint32) {
	s, h := x.find(hash)
	if 4*(s.n+1) > 3*len(s.slots) {
		s.grow()
	}
	s.put(indexed{h, number})
	s.n++
	x.n++
}

func (s *shard) put(e indexed) {
	i := s.home(e.hash)
	for s.slots[i].number != 0 {
		i = s.next(i)
	}
	s.slots[i] = e
}

func (s *shard) grow() {
	old := s.slots
	s.slots = make([]indexed, max(firstSlots, len(old)+len(old)/4))
	for _, e := range old {
		if e.number != 0 {
			s.put(e)
		}
	}
}

// Remove takes a number away from under a hash, once, if it is there. The slots behind
// it close up, so that no probe stops short.
func (x *Index) Remove(hash uint64, number uint32) {
	s, h := x.find(hash)
	if s.n == 0 {
		return
	}
	free := s.home(h)
	for ; s.slots[free] != (indexed{h, number}); free = s.next(free) {
		if s.slots[free].number == 0 {
			return
		}
	}
	for i := s.next(free); s.slots[i].number != 0; i = s.next(i) {
		// A slot may move up to the free one unless its home lies behind that.
		home := s.home(s.slots[i].hash)
		if free <= i && (home <= free || home > i) || free > i && home <= free && home > i {
			s.slots[free] = s.slots[i]
			free = i
		}
	}
	s.slots[free] = indexed{}
	s.n--
	x.n--
	if s.n == 0 {
		s.slots = nil
	}
}
