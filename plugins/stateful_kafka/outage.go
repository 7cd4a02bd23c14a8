package statefulkafka

import (
	"context"
	"errors"
	"time"
)

// outage is a time in which the brokers cannot be reached.
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
		if now := time.Now(); now.Sub(o.reported) >= logEvery {
			o.reported = now
			return err
		}
		timer := time.NewTimer(min(firstPause<<min(o.attempts, 10), lastPause))
		o.attempts++
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
