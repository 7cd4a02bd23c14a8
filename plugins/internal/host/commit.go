package host

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/fault"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
)

// commit makes sure that the outputs have taken everything that follows from what
// was merged so far, then that the state behind it lasts, and tells the ledgers.
// Output first, then state: a crash in between repeats output, and never loses it.
//
// Windows that have changed and were not emitted are none of its business: they are open
// in the state as well, and so the next run emits them.
func (r *Runner) commit(ctx context.Context) error {
	watch := r.watch()
	err := r.commitWatched(ctx, &watch)
	watch.over(ctx, err)
	if err == nil && watch.kept {
		r.gauge.commit = watch.figures(watch.last)
	}
	if err == nil && (watch.kept || !r.gauge.reported) {
		r.gauge.reported = true
		r.report()
	}
	return err
}

func (r *Runner) commitWatched(ctx context.Context, watch *watch) error {
	r.stamp()
	if fault.On(fault.StateFirst) {
		if _, err := r.keep(ctx); err != nil {
			return err
		}
	}
	if err := r.settleOutputs(ctx); err != nil {
		return err
	}
	watch.lap(meter.PhaseOutputs)
	fault.Here(fault.BetweenOutputAndCommit)
	kept, err := r.keep(ctx)
	if err != nil {
		return err
	}
	watch.kept = kept
	watch.lap(meter.PhaseState)
	fault.Here(fault.BeforeLedger)
	if err := r.advance(ctx, r.task.Watermark()); err != nil {
		return err
	}
	watch.lap(meter.PhaseLedgers)
	return nil
}

// keep commits where the task stands, unless it stands where it stood.
func (r *Runner) keep(ctx context.Context) (kept bool, err error) {
	place := r.task.Checkpoint().Append(nil)
	if r.seq == r.kept && bytes.Equal(place, r.place) {
		return false, nil
	}
	if err := r.keeper.Commit(ctx, r.seq, place); err != nil {
		return false, fmt.Errorf("commit: %w", err)
	}
	r.kept, r.place = r.seq, place
	r.tally()
	fault.Here(fault.AfterCommit)
	return true, nil
}

func (r *Runner) settleOutputs(ctx context.Context) error {
	if err := r.send(ctx); err != nil {
		return err
	}
	return r.inflight.wait(ctx, r.quit)
}

// advance tells the ledgers what is committed, where they do not know.
func (r *Runner) advance(ctx context.Context, w event.Time) error {
	if !r.task.HasSeenRecord() {
		w = event.MinTime
	}
	p := progress{r.run, r.kept, w}
	if p == r.told {
		return nil
	}
	telling, told := until(ctx, r.quit)
	defer told()
	if err := r.hub.Advance(telling, r.run, r.kept, w); err != nil {
		if Closed(r.quit) {
			return errQuit // the next run tells them
		}
		return fmt.Errorf("tell the ledgers: %w", err)
	}
	r.told = p
	return nil
}

// settle commits on the way out, where nothing can be emitted any more: only if the
// outputs have taken all that was emitted is the state what they have. Windows that
// changed meanwhile do no harm, as the next run emits all that are open.
func (r *Runner) settle(ctx context.Context) error {
	if r.over || len(r.pending)+r.unsaid() > 0 || !r.inflight.none() {
		r.log.uncommitted(r.kept, r.watermark())
		return nil
	}
	if ctx.Err() != nil { // what is no longer in flight may have been refused
		return context.Cause(ctx)
	}
	if _, err := r.keep(ctx); err != nil {
		return orCause(ctx, err)
	}
	r.log.committed(r.kept, r.watermark())
	return nil
}

// end is the last step of a bounded run: commit, then close everything that is
// open as if event time had come to its end. The last part is not committed.
func (r *Runner) end(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	if err := r.commit(ctx); err != nil {
		return err
	}
	if err := r.keeper.Write(); err != nil {
		return err
	}
	r.over = true
	r.task.End(&r.sink)
	r.stamp()
	if err := r.settleOutputs(ctx); err != nil {
		return err
	}
	if err := r.advance(ctx, event.MaxTime); err != nil {
		return err
	}
	if err := r.keeper.Ended(ctx); err != nil {
		return err
	}
	r.report() // what has come of the events that were held until now
	return nil
}
