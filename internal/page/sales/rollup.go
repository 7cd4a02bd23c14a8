package sales

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"github.com/lib/pq"
)

const (
	// sweepEvery is the time between two loads of everything, against changes that no
	// stream makes, such as rows that somebody deletes by hand. Where a load takes long,
	// it is sweepShare times that.
	sweepEvery = 5 * time.Minute
	sweepShare = 50
)

// rollup holds the tables of windows in hours, and knows which of them may have changed.
//
// A window that is final never changes: its closes_at is not after the watermark of its
// stream. So a refresh reads the hours from the earliest window on that was not final at
// the read before, and everything where that is not enough to go by (continues). What a
// rollup holds is never written to: a refresh makes new slices.
type rollup struct {
	ledger   ledger
	funnel   hours[funnelPart]
	gmv      hours[gmvPart]
	dropOff  hours[dropOffPart]
	payments hours[paymentPart]

	loaded time.Time     // when everything was read
	took   time.Duration // that
}

// hours are a table's parts by hour.
type hours[P any] struct {
	bounds  bounds
	parts   []part[P]
	anew    int64            // the refresh has read windows from this start on
	closing map[string]int64 // of each stream: how long after its start a window closes at most, in seconds
}

// refresh reads what may have changed since r was read; r may be nil. It tells whether
// that was everything.
func (r *rollup) refresh(ctx context.Context, tx *sql.Tx, now time.Time) (next *rollup, all bool, err error) {
	next = &rollup{}
	if next.ledger, err = readLedger(ctx, tx); err != nil {
		return nil, false, err
	}
	if next.funnel.bounds, err = readBounds(ctx, tx, funnelTable.name); err != nil {
		return nil, false, err
	}
	if next.gmv.bounds, err = readBounds(ctx, tx, gmvTable.name); err != nil {
		return nil, false, err
	}
	if next.dropOff.bounds, err = readBounds(ctx, tx, dropOffTable.name); err != nil {
		return nil, false, err
	}
	if next.payments.bounds, err = readBounds(ctx, tx, paymentTable.name); err != nil {
		return nil, false, err
	}
	if r != nil {
		next.ledger.recall(r.ledger)
		if now.Sub(r.loaded) < max(sweepEvery, sweepShare*r.took) && next.ledger.continues(r.ledger, r.streams()) {
			next.loaded, next.took = r.loaded, r.took
			done, err := next.goOn(ctx, tx, r)
			if done || err != nil {
				return next, false, err
			}
		}
	}
	begun := time.Now()
	if err := next.load(ctx, tx); err != nil {
		return nil, false, err
	}
	next.loaded, next.took = now, time.Since(begun)
	return next, true, nil
}

// streams are those whose windows r holds.
func (r *rollup) streams() map[string]bool {
	all := map[string]bool{}
	for _, closing := range []map[string]int64{r.funnel.closing, r.gmv.closing, r.dropOff.closing, r.payments.closing} {
		for stream := range closing {
			all[stream] = true
		}
	}
	return all
}

func (r *rollup) load(ctx context.Context, tx *sql.Tx) error {
	return firstError(
		func() error { return loadHours(ctx, tx, funnelTable, &r.funnel) },
		func() error { return loadHours(ctx, tx, gmvTable, &r.gmv) },
		func() error { return loadHours(ctx, tx, dropOffTable, &r.dropOff) },
		func() error { return loadHours(ctx, tx, paymentTable, &r.payments) },
	)
}

// goOn reads what may have changed since before; false where everything has to be read.
func (r *rollup) goOn(ctx context.Context, tx *sql.Tx, before *rollup) (done bool, err error) {
	enough := true
	step := func(ok bool, err error) error {
		enough = enough && ok
		return err
	}
	err = firstError(
		func() error { return step(nextHours(ctx, tx, funnelTable, &r.funnel, before.funnel, before.ledger)) },
		func() error { return step(nextHours(ctx, tx, gmvTable, &r.gmv, before.gmv, before.ledger)) },
		func() error { return step(nextHours(ctx, tx, dropOffTable, &r.dropOff, before.dropOff, before.ledger)) },
		func() error {
			return step(nextHours(ctx, tx, paymentTable, &r.payments, before.payments, before.ledger))
		},
	)
	return enough, err
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func loadHours[P any](ctx context.Context, tx *sql.Tx, t table[P], h *hours[P]) (err error) {
	h.anew = math.MinInt64
	h.parts, h.closing, err = t.read(ctx, tx, hour, always, never)
	return err
}

// nextHours makes next of before: the hours of windows that were final stay.
func nextHours[P any](ctx context.Context, tx *sql.Tx, t table[P], next *hours[P], before hours[P], was ledger) (ok bool, err error) {
	if next.bounds.any != before.bounds.any || !next.bounds.first.Equal(before.bounds.first) {
		return false, nil // rows are gone, or are there for the first time
	}
	next.parts, next.anew, next.closing = before.parts, infinite, before.closing
	from, settled, err := openSince(ctx, tx, t.name, before.closing, was)
	if err != nil || settled {
		return true, err
	}
	from = floor(from, hour)
	parts, closing, err := t.read(ctx, tx, hour, timestamp(from), never)
	if err != nil {
		return false, err
	}
	for stream, seconds := range closing {
		if known, ok := before.closing[stream]; ok && seconds > known {
			return false, nil // its windows stay open for longer than was reckoned with
		} else if !ok {
			next.closing = with(next.closing, stream, seconds)
		}
	}
	next.parts, next.anew = slices.Concat(before.parts[:search(before.parts, from)], parts), from
	return true, nil
}

// openSince is the start of the earliest window of a table that may have changed since
// the ledger was as it was; settled where none may. Tasks without a watermark and those
// of streams of which the table has no windows yet may have any, so they are asked for.
//
// Rows of a stream that is not in the ledger are nobody's: they do not change.
func openSince(ctx context.Context, tx *sql.Tx, table string, closing map[string]int64, was ledger) (from int64, settled bool, err error) {
	from, settled = infinite, true
	var streams []string
	var tasks []int32
	for id, e := range was {
		closes, ok := closing[id.stream]
		switch {
		case !ok || !e.known && !e.recalled:
			streams, tasks = append(streams, id.stream), append(tasks, id.task)
		case e.watermark != infinite:
			from, settled = min(from, e.watermark-closes), false
		}
	}
	if len(streams) == 0 {
		return from, settled, nil
	}
	var earliest sql.NullTime
	// In the order of the primary key, as the index on window_start would be searched to
	// its end for a stream that has no windows.
	err = tx.QueryRowContext(ctx, `
	select min(w.window_start)
	from unnest($1::text[], $2::integer[]) as of (stream, task)
	cross join lateral (
		select w.stream, w.task, w.window_start from `+table+` as w
		where (w.stream, w.task) >= (of.stream, of.task)
		order by w.stream, w.task, w.window_start limit 1
	) as w
	where w.stream = of.stream and w.task = of.task`, pq.Array(streams), pq.Array(tasks)).Scan(&earliest)
	if earliest.Valid {
		from, settled = min(from, earliest.Time.Unix()), false
	}
	return from, settled, err
}

func with(m map[string]int64, key string, value int64) map[string]int64 {
	more := map[string]int64{key: value}
	for k, v := range m {
		more[k] = v
	}
	return more
}
