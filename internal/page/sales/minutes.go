package sales

import (
	"context"
	"database/sql"
	"math"
	"slices"
)

// minutes keeps the parts of the minutes that were last asked for, so that somebody who
// looks on has only those read again that may have changed. Those are the ones whose hours
// a rollup has read anew: minutes have to hear of each (outdated).
type minutes struct {
	from, to int64 // nothing is kept where they are the same

	funnel   stretch[funnelPart]
	gmv      stretch[gmvPart]
	dropOff  stretch[dropOffPart]
	payments stretch[paymentPart]
}

// stretch is what is kept of a table.
type stretch[P any] struct {
	parts []part[P]
	stale int64 // from then on they may have changed
}

// outdated takes in what a refresh of the hours has read anew.
func (m *minutes) outdated(r *rollup) {
	m.funnel.stale = min(m.funnel.stale, r.funnel.anew)
	m.gmv.stale = min(m.gmv.stale, r.gmv.anew)
	m.dropOff.stale = min(m.dropOff.stale, r.dropOff.anew)
	m.payments.stale = min(m.payments.stale, r.payments.anew)
}

// read makes sure that a span is kept as it is now. The newest window starts at newest.
func (m *minutes) read(ctx context.Context, tx *sql.Tx, s span, newest int64) error {
	if s.from < m.from || s.to > m.to {
		*m = minutes{from: s.from, to: s.to}
		if s.to > newest { // more is to come
			m.to = s.from + 2*maxPoints*minute
		}
		m.funnel.stale, m.gmv.stale, m.dropOff.stale, m.payments.stale = math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64
	}
	return firstError(
		func() error { return m.funnel.read(ctx, tx, funnelTable, m.from, m.to) },
		func() error { return m.gmv.read(ctx, tx, gmvTable, m.from, m.to) },
		func() error { return m.dropOff.read(ctx, tx, dropOffTable, m.from, m.to) },
		func() error { return m.payments.read(ctx, tx, paymentTable, m.from, m.to) },
	)
}

func (k *stretch[P]) read(ctx context.Context, tx *sql.Tx, t table[P], from, to int64) error {
	from = max(from, k.stale)
	if from >= to {
		return nil
	}
	parts, _, err := t.read(ctx, tx, minute, timestamp(from), timestamp(to))
	if err != nil {
		return err
	}
	k.parts, k.stale = slices.Concat(k.parts[:search(k.parts, from)], parts), infinite
	return nil
}
