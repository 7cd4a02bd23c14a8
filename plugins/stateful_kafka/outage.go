package statefulkafka

import (
	"context"
	"errors"
	"time"
)

// outage is a time of trouble, in which something is tried again and again.
type outage struct {
	attempts int
	reported time.Time
}

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	// logEvery is the shortest time between two log lines about the same trouble.
	logEvery = 30 * time.Second
)

// news tells whether it is time to report the trouble.
func (o *outage) news() bool {
	now := time.Now()
	if now.Sub(o.reported) < logEvery {
		return false
	}
	o.reported = now
	return true
}

// pause waits before the next attempt, longer each time, until one of the channels
// is closed or ctx ends.
func (o *outage) pause(ctx context.Context, until ...<-chan struct{}) {
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

// bridge calls attempt until it succeeds, with growing pauses. Benthos logs every
// error that it is given and comes back at once, so one is returned only every
// logEvery; and at once when it is one that no retry can mend.
func (o *outage) bridge(ctx context.Context, attempt func() error) error {
	for {
		err := attempt()
		var config *configError
		if err == nil || errors.As(err, &config) {
			*o = outage{}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if o.news() {
			return err
		}
		o.pause(ctx)
	}
}
