package replay

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Pacer turns event time into wall time. Each due time builds on the one before
// and never on the clock, so a slow sender falls behind for a while but the
// schedule does not drift.
type Pacer struct {
	speed  float64
	maxGap time.Duration
	last   event.Time
	due    float64 // in ns: what a gap lacks of a whole one must not be lost a million times
	begun  bool
}

// NewPacer makes a pacer for speed event-time seconds in a wall second; 0 is as
// fast as possible. maxGap bounds the wall time between two records that follow
// each other; 0 is no bound.
func NewPacer(speed float64, maxGap time.Duration) *Pacer {
	return &Pacer{speed: speed, maxGap: maxGap}
}

// Due says how long after the first record the record that is scheduled at the
// given event time is to be sent. Calls come in the order of sending.
func (p *Pacer) Due(at event.Time) time.Duration {
	if p.speed == 0 {
		return 0
	}
	if p.begun && at > p.last {
		gap := float64(at-p.last) * float64(time.Millisecond) / p.speed
		if p.maxGap > 0 {
			gap = min(gap, float64(p.maxGap))
		}
		p.due = min(p.due+gap, math.MaxInt64/2)
	}
	p.begun, p.last = true, at
	return time.Duration(p.due)
}

// ParseSpeed reads a speed: a number of event-time seconds in a wall second, or
// max (the same as 0) for as fast as possible.
func ParseSpeed(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("speed %q is neither max nor a number of at least 0", s)
	}
	return f, nil
}
