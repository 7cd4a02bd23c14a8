package state

import (
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Buckets files keys by event time in buckets of equal width, for expiry that is
// cheap rather than exact: a bucket is popped when its last instant has passed.
type Buckets[K any] struct {
	width event.Duration
	keys  map[int64][]K
	order []int64 // numbers of the buckets, smallest first
}

// NewBuckets makes buckets of the given width, at least a millisecond.
func NewBuckets[K any](width event.Duration) Buckets[K] {
	return Buckets[K]{width: width, keys: map[int64][]K{}}
}

// Add files a key under t.
func (b *Buckets[K]) Add(t event.Time, k K) {
	n := floorDiv(int64(t), int64(b.width))
	if _, ok := b.keys[n]; !ok {
		at, _ := slices.BinarySearch(b.order, n)
		b.order = slices.Insert(b.order, at, n)
	}
	b.keys[n] = append(b.keys[n], k)
}

// Pop removes the buckets whose every instant is before w and hands out their keys.
func (b *Buckets[K]) Pop(w event.Time, each func(K)) {
	for now := floorDiv(int64(w), int64(b.width)); len(b.order) > 0 && b.order[0] < now; {
		n := b.order[0]
		b.order = b.order[1:]
		keys := b.keys[n]
		delete(b.keys, n)
		for _, k := range keys {
			each(k)
		}
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Timers files keys by the exact event time at which they are due. A timer is
// never taken back: whoever set it looks at its state when it fires.
type Timers[K any] struct {
	heap []timer[K]
	set  int64
}

type timer[K any] struct {
	at  event.Time
	seq int64
	key K
}

// Len is the number of timers that are set.
func (t *Timers[K]) Len() int { return len(t.heap) }

// Next is the time of the earliest timer, event.MaxTime where none is set.
func (t *Timers[K]) Next() event.Time {
	if len(t.heap) == 0 {
		return event.MaxTime
	}
	return t.heap[0].at
}

// Set files a key under at. Timers of the same time fire in the order they were set.
func (t *Timers[K]) Set(at event.Time, k K) {
	t.set++
	t.heap = append(t.heap, timer[K]{at, t.set, k})
	i := len(t.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !t.less(i, up) {
			break
		}
		t.heap[i], t.heap[up] = t.heap[up], t.heap[i]
		i = up
	}
}

// Pop removes the earliest timer if it is set for exactly at.
func (t *Timers[K]) Pop(at event.Time) (k K, ok bool) {
	if len(t.heap) == 0 || t.heap[0].at != at {
		return k, false
	}
	k = t.heap[0].key
	last := len(t.heap) - 1
	t.heap[0] = t.heap[last]
	t.heap[last] = timer[K]{}
	t.heap = t.heap[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(t.heap); c++ {
			if t.less(c, least) {
				least = c
			}
		}
		if least == i {
			return k, true
		}
		t.heap[i], t.heap[least] = t.heap[least], t.heap[i]
		i = least
	}
}

func (t *Timers[K]) less(i, j int) bool {
	a, b := &t.heap[i], &t.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}
