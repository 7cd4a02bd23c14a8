package statefulkafka

import (
	"context"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// line is the succession of a stream's inputs in this process. Benthos stops a stream
// before it makes the next one, but takes a stop for done that has lasted too long: then
// the old input still has its tasks and their folders while the new one is there.
type line struct {
	mu   sync.Mutex
	last *input // that was the last to have its turn; nil when it is gone
}

type lineKey struct{ streamID string }

func lineOf(res *service.Resources) *line {
	l, _ := res.GetOrSetGeneric(lineKey{res.StreamID()}, &line{})
	return l.(*line)
}

// turnPatience is how long an input waits for the one before it.
const turnPatience = 10 * time.Second

// turn waits until the input before this one is gone. Where that takes too long it takes
// the other's place: as the group's member with the same instance id it is given the
// tasks, and fences them; the other loses what it has not committed.
func (l *line) turn(ctx context.Context, in *input) error {
	l.mu.Lock()
	before := l.last
	l.mu.Unlock()
	if before != nil && before != in && before.cfg.group == in.cfg.group {
		timer := time.NewTimer(turnPatience)
		defer timer.Stop()
		select {
		case <-before.gone:
		case <-timer.C:
			in.log.With("duration", turnPatience).Warn("The stream before this one does not come to its end: its tasks are taken from it")
			if i := before.instance.Load(); i != nil && before.cfg.stateDir == in.cfg.stateDir {
				if heir := i.Pass(); heir != nil {
					in.instance.Store(heir)
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = in
	return nil
}

// leave tells that an input is gone.
func (l *line) leave(in *input) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == in {
		l.last = nil
	}
	close(in.gone)
}

// over tells whether another input has had its turn after this one.
func (l *line) over(in *input) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last != nil && l.last != in
}
