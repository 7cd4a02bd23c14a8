package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// Refusal is an error that no retry can mend.
type Refusal struct{ error }

// Refuse makes a Refusal of a text as fmt.Errorf does.
func Refuse(format string, args ...any) error { return &Refusal{fmt.Errorf(format, args...)} }

func (r *Refusal) Unwrap() error { return r.error }

// Refused tells whether an error is a Refusal.
func Refused(err error) bool {
	_, ok := errors.AsType[*Refusal](err)
	return ok
}

// Runs lets a task run again and again, with pauses that grow, until a run ends well, ctx
// ends, one of the channels that ask it to end is closed, or an error is a Refusal, which is
// returned. Run is told whether it is the first of its attempts, to be logged. Each starts
// from the last commit. Finished is what the last run says of itself.
func Runs(ctx context.Context, log *service.Logger, task int32, run func(ctx context.Context, tell bool) (finished bool, err error), asked ...<-chan struct{}) (finished bool, refused error) {
	var trouble Outage
	for {
		began := time.Now()
		finished, err := run(ctx, trouble.Fresh())
		switch {
		case err == nil:
			return finished, nil
		case ctx.Err() != nil || slices.ContainsFunc(asked, closed):
			if !errors.Is(err, context.Canceled) {
				log.Warnf("Task %d ends without a last commit: %v", task, err)
			}
			return false, nil
		case Refused(err):
			return false, err
		}
		if time.Since(began) > LogEvery {
			trouble = Outage{} // it had run well
		}
		if trouble.News() {
			log.Warnf("Task %d starts again from its last commit: %v", task, err)
		} else {
			log.Debugf("Task %d starts again from its last commit: %v", task, err)
		}
		trouble.Pause(ctx, asked...)
	}
}
