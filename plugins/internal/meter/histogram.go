package meter

import (
	"slices"
	"sync"
	"time"
)

// Histogram counts durations by upper bounds. It may be used by many goroutines.
type Histogram struct {
	bounds []time.Duration // growing

	mu     sync.Mutex
	counts []uint64 // one for each bound, and one for what lies beyond the last
	sum    time.Duration
}

func newHistogram(bounds ...time.Duration) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

// Observe counts n times a duration.
func (h *Histogram) Observe(d time.Duration, n int) {
	i, _ := slices.BinarySearch(h.bounds, d)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[i] += uint64(n)
	h.sum += d * time.Duration(n)
}

// Distribution is what a histogram has counted.
type Distribution struct {
	Count uint64
	Sum   time.Duration
	// Below holds by upper bound how many durations were at most that long.
	Below map[time.Duration]uint64
}

func (h *Histogram) read() Distribution {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := Distribution{Sum: h.sum, Below: make(map[time.Duration]uint64, len(h.bounds))}
	for i, n := range h.counts {
		d.Count += n
		if i < len(h.bounds) {
			d.Below[h.bounds[i]] = d.Count
		}
	}
	return d
}
