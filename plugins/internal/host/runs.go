package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
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
// returned. Each starts from the last commit. Finished is what the last run says of itself.
func Runs(ctx context.Context, log *TaskLog, run func(context.Context) (finished bool, err error), asked ...<-chan struct{}) (finished bool, refused error) {
	var trouble Outage
	for {
		began := time.Now()
		log.run()
		finished, err := run(ctx)
		switch {
		case err == nil:
			return finished, nil
		case ctx.Err() != nil || slices.ContainsFunc(asked, Closed):
			if !errors.Is(err, context.Canceled) {
				log.broken(err)
			}
			return false, nil
		case Refused(err):
			return false, err
		}
		if time.Since(began) > LogEvery {
			trouble = Outage{} // it had run well
		}
		log.failing(err, trouble.News())
		trouble.Pause(ctx, asked...)
	}
}
