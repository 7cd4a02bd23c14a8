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

// silence says that figures are not stored, once in logEvery for the outputs of a stream
// together: they share a database.
type silence struct {
	tell func(why string)
	now  func() time.Time

	mu     sync.Mutex
	logged time.Time
}

type silenceResource struct{ streamID string }

func silenceOf(res *service.Resources) *silence {
	log := res.Logger().With("table", figuresTable)
	s, _ := res.GetOrSetGeneric(silenceResource{res.StreamID()}, &silence{now: time.Now, tell: func(why string) {
		log.With("error", why).Warn("Figures of tasks are not stored, so the live page shows none, or old ones")
	}})
	return s.(*silence)
}

func (s *silence) say(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); s.logged.IsZero() || now.Sub(s.logged) >= logEvery {
		s.logged = now
		s.tell(why)
	}
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
		w.silence.say("it does not exist; `tidemark db migrate` creates it")
	case judge(err) == passing:
		return nil, told{"table " + name.String() + ": " + describe(err), err}
	default:
		w.silence.say(describe(err))
	}
	return nil, nil
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
		w.silence.say(describe(err))
	}
	return err
}
