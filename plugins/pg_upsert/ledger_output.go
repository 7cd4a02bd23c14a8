package pgupsert

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/fault"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/postgres"
)

type begunResource struct{ streamID string }

func begunOf(res *service.Resources) *begunRuns {
	b, _ := res.GetOrSetGeneric(begunResource{res.StreamID()}, &begunRuns{runs: map[begunKey]int64{}})
	return b.(*begunRuns)
}

// errFenced wraps host.ErrFenced, so that nobody tries again.
func errFenced(format string, args ...any) error {
	return judged{fmt.Errorf(format, args...), fenced}
}

// Begin implements host.Ledger. It waits for a database that is away, until ctx
// ends or the output closes.
func (w *writer) Begin(ctx context.Context, run host.TaskRun) error {
	ctx, done := w.join(ctx)
	defer done()
	known := false
	err := w.retry.do(ctx, func(ctx context.Context) error {
		return w.inTx(ctx, func(tx *sql.Tx) (err error) {
			known, err = w.begin(ctx, tx, run)
			return err
		})
	})
	if err != nil {
		return w.ledgerError("begin", run, err)
	}
	if !known && run.CommittedSeq > 0 {
		w.log.With("table", w.cfg.ledgerTable, "stream", run.Stream, "task", run.Task, "generation", run.Generation, "seq", run.CommittedSeq).
			Warn("The ledger knows nothing of a task that has state: rows of windows that were closed do not come again, `tidemark replay` computes state and rows anew")
	}
	for _, t := range w.plan.ours {
		w.begun.add(w.begunKey(t, run), run.Generation)
	}
	return nil
}

// begin tells whether the ledger had known the task.
func (w *writer) begin(ctx context.Context, tx *sql.Tx, run host.TaskRun) (known bool, err error) {
	l := ledgerSQL{w.cfg.ledgerTable.sql()}
	var stored sql.NullInt64
	var limit int
	err = tx.QueryRowContext(ctx, l.stored(), run.Stream, run.Task).Scan(&stored, &limit)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	res, err := tx.ExecContext(ctx, l.begin(), run.Stream, run.Task, run.Generation, run.CommittedSeq)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil {
		return false, err
	} else if n == 0 {
		return false, errFenced("generation %d is stored: %w", stored.Int64, host.ErrFenced)
	}
	if fault.On(fault.LedgerOff) {
		return stored.Valid, nil
	}
	if err := w.alone(ctx, tx, run); err != nil {
		return false, err
	}
	again := stored.Valid && stored.Int64 == run.Generation
	for _, t := range w.plan.ours {
		if again && w.begun.has(w.begunKey(t, run), run.Generation) {
			continue
		}
		if _, err := tx.ExecContext(ctx, l.withdraw(t.name), run.Stream, run.Task, run.CommittedSeq); err != nil {
			return false, err
		}
	}
	return stored.Valid, nil
}

// alone makes sure that a task which has committed nothing does not add its rows to those
// of another stream, as after its consumer group was renamed: views would count both.
func (w *writer) alone(ctx context.Context, tx *sql.Tx, run host.TaskRun) error {
	if !w.cfg.taskKey || w.cfg.shared || run.CommittedSeq > 0 {
		return nil
	}
	var other string
	t := w.cfg.table.sql() // whose first and last stream the index of its key tells
	err := tx.QueryRowContext(ctx, "select stream from (select min(stream) as stream from "+t+" union select max(stream) from "+t+") as ends where stream <> $1 limit 1",
		run.Stream).Scan(&other)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fatalf("table %s has rows of stream %s, which would be counted together with those of %s: `tidemark replay --as %s` computes beside them and lets the new take the place of the old, `tidemark state reset --consumer-group %s` deletes them; set %s: true where both streams are meant to write to it",
		w.cfg.table, other, run.Stream, run.Stream, other, fieldShared)
}

func (w *writer) begunKey(t *tableInfo, run host.TaskRun) begunKey {
	return begunKey{postgres.Address(w.cfg.server), t.oid, run.Stream, run.Task}
}

// Advance implements host.Ledger. It waits like Begin.
func (w *writer) Advance(ctx context.Context, run host.TaskRun, seq int64, watermark event.Time) error {
	ctx, done := w.join(ctx)
	defer done()
	err := w.retry.do(ctx, func(ctx context.Context) error {
		res, err := w.db.ExecContext(ctx, ledgerSQL{w.cfg.ledgerTable.sql()}.advance(),
			run.Stream, run.Task, run.Generation, seq, watermarkText(watermark))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return errFenced("%w", host.ErrFenced)
		}
		return nil
	})
	if err != nil {
		return w.ledgerError("advance", run, err)
	}
	return nil
}

func (w *writer) ledgerError(doing string, run host.TaskRun, err error) error {
	return told{fmt.Sprintf("%s task %d of %s, generation %d, in table %s: %s",
		doing, run.Task, run.Stream, run.Generation, w.cfg.ledgerTable, describe(err)), err}
}
