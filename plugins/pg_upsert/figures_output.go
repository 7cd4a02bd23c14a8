package pgupsert

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/postgres"
)

// reporter stores the figures of tasks, for the outputs of a stream together.
type reporter struct {
	mu     sync.Mutex
	logged time.Time
}

type reporterResource struct{ streamID string }

func reporterOf(res *service.Resources) *reporter {
	r, _ := res.GetOrSetGeneric(reporterResource{res.StreamID()}, &reporter{})
	return r.(*reporter)
}

// news tells whether it is time for another line about figures that are not stored.
func (r *reporter) news(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.logged.IsZero() && now.Sub(r.logged) < logEvery {
		return false
	}
	r.logged = now
	return true
}

// figures finds the table of figures, or leaves w without one. Figures are no part of the
// ledger, so what is wrong with the table is a warning and no more.
func (w *writer) figures(ctx context.Context) (*tableInfo, error) {
	name := tableName{w.cfg.ledgerTable.schema, figuresTable}
	t := &tableInfo{name: name}
	err := w.db.QueryRowContext(ctx, sqlTable, name.sql()).Scan(&t.oid)
	if err == nil {
		_, err = w.db.ExecContext(ctx, "explain "+figuresSQL(w.cfg.ledgerTable, name), "", 0, 0, "{}")
	}
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, sql.ErrNoRows):
		w.unreported("it does not exist; `tidemark db migrate` creates it")
	case judge(err) == passing:
		return nil, told{"table " + name.String() + ": " + describe(err), err}
	default:
		w.unreported(describe(err))
	}
	return nil, nil
}

func (w *writer) unreported(why string) {
	if w.reports.news(w.retry.now()) {
		w.log.Warnf("The table %s does not take the figures of tasks, so the live page shows none, or old ones: %s", figuresTable, why)
	}
}

// Place implements host.Reporter.
func (w *writer) Place() string {
	if w.plan == nil || w.plan.figures == nil {
		return ""
	}
	return postgres.Address(w.cfg.server) + " " + w.plan.figures.name.String()
}

// Report implements host.Reporter.
func (w *writer) Report(ctx context.Context, run host.TaskRun, figures []byte) error {
	ctx, done := w.join(ctx)
	defer done()
	_, err := w.db.ExecContext(ctx, figuresSQL(w.cfg.ledgerTable, w.plan.figures.name), run.Stream, run.Task, run.Generation, string(figures))
	if err != nil && w.alive.Err() == nil {
		w.unreported(describe(err))
	}
	return err
}
