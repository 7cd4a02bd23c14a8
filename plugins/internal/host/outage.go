package host

import (
	"context"
	"time"
)

// Outage is a time of trouble, in which something is tried again and again.
type Outage struct {
	attempts int
	reported time.Time
}

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	// LogEvery is the shortest time between two log lines about the same trouble.
	LogEvery = 30 * time.Second
)

// News tells whether it is time to report the trouble.
func (o *Outage) News() bool {
	now := time.Now()
	if now.Sub(o.reported) < LogEvery {
		return false
	}
	o.reported = now
	return true
}

// Pause waits before the next attempt, longer each time, until one of the channels
// is closed or ctx ends.
func (o *Outage) Pause(ctx context.Context, until ...<-chan struct{}) {
	timer := time.NewTimer(min(firstPause<<min(o.attempts, 10), lastPause))
	defer timer.Stop()
	o.attempts++
	until = append(until, nil, nil)
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-until[0]:
	case <-until[1]:
	}
}
