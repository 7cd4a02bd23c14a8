package state

import "github.com/tidemark-streams/tidemark/plugins/internal/event"

// FloorDiv is a / b rounded towards minus infinity, for a positive b.
func FloorDiv(a, b int64) int64 {
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
