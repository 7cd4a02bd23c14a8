package pgupsert

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/postgres"
)

// writer is the output apart from Benthos's interface: it owns the connections,
// writes batches and keeps the ledger.
type writer struct {
	cfg        config
	streamName string // names the stream where messages do not
	log        *service.Logger
	begun      *begunRuns
	silence    *silence // about figures
	retry      *retrier

	db   *sql.DB
	plan *plan

	// alive ends when the output closes, and with it every wait.
	alive context.Context
	stop  context.CancelFunc
}

// idleConnection is how long a connection may be out of use before it is closed.
const idleConnection = 5 * time.Second

// Outcomes of a row in the metric.
const (
	outcomeWritten    = "written"
	outcomeSuperseded = "superseded" // a newer value of the same row was in the batch
	outcomeRefused    = "refused"
)

func newWriter(cfg config, res *service.Resources) *writer {
	w := &writer{
		cfg: cfg, streamName: res.StreamID(), log: res.Logger(), begun: begunOf(res), silence: silenceOf(res),
	}
	if w.streamName == "" {
		w.streamName = cfg.table.String()
	}
	w.alive, w.stop = context.WithCancel(context.Background())
	w.retry = &retrier{warn: w.warn, info: w.info, now: time.Now, sleep: sleep, refresh: w.refresh}
	return w
}

func (w *writer) warn(message string, fields ...any) {
	w.log.With("table", w.cfg.table).With(fields...).Warn(message)
}

func (w *writer) info(message string, fields ...any) {
	w.log.With("table", w.cfg.table).With(fields...).Info(message)
}

// open makes the connections and checks the tables, once.
func (w *writer) open(ctx context.Context) error {
	if w.db == nil {
		server := w.cfg.server
		server.BinaryParameters = true // also saves the round trip that asks for types
		connector, err := pq.NewConnectorConfig(server)
		if err != nil {
			return fatalf("%s: %w", fieldDSN, err)
		}
		w.db = sql.OpenDB(connector)
		// One connection for each batch in flight, and one for the ledger.
		w.db.SetMaxOpenConns(w.cfg.maxInFlight + 1)
		// Those that are not in use leave room for others: many processes share a server.
		w.db.SetConnMaxIdleTime(idleConnection)
		w.refresh()
	}
	if err := w.db.PingContext(ctx); err != nil {
		return told{fmt.Sprintf("Postgres at %s: %s", postgres.Address(w.cfg.server), describe(err)), err}
	}
	p, err := w.check(ctx)
	if err != nil {
		return err
	}
	if w.cfg.ledger {
		if p.figures, err = w.figures(ctx); err != nil {
			return err
		}
	}
	w.plan = p
	return nil
}

// refresh closes the idle connections.
func (w *writer) refresh() {
	w.db.SetMaxIdleConns(0)
	w.db.SetMaxIdleConns(w.cfg.maxInFlight + 1)
}

func (w *writer) close() error {
	w.stop()
	if w.db == nil {
		return nil
	}
	return w.db.Close()
}

// join ends ctx when the output closes.
func (w *writer) join(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(w.alive, cancel)
	return ctx, func() { unhook(); cancel() }
}

// inTx runs do in a transaction and commits it.
func (w *writer) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// write stores a group of rows. It returns the messages that were refused and
// could not be put away as dead letters, and an error if the group as a whole
// failed; what had been written before the error stays, and may be written again.
func (w *writer) write(ctx context.Context, batch service.MessageBatch, g *group) ([]refusal, error) {
	refused := g.refused
	pending := coalesce(g.rows)
	w.count(g.origin, outcomeSuperseded, len(g.rows)-len(pending))
	for len(pending) > 0 {
		var bad []refusal
		for _, part := range byNovelty(pending) {
			b, err := bisect(part, func(rows []*row) error { return w.put(ctx, g.origin, rows) })
			if err != nil {
				return nil, err
			}
			bad = append(bad, b...)
		}
		w.count(g.origin, outcomeWritten, len(pending)-len(bad))
		refused = append(refused, bad...)
		// Behind a refused row the value that it was to replace comes into sight again.
		pending = pending[:0]
		for _, b := range bad {
			if b.row.older != nil {
				pending = append(pending, b.row.older)
			}
		}
	}
	if len(refused) == 0 {
		return nil, nil
	}
	w.count(g.origin, outcomeRefused, len(refused))
	if w.plan.letters == nil {
		return refused, nil
	}
	return nil, w.putAway(ctx, batch, g.origin, refused)
}

// count counts what became of rows.
func (w *writer) count(from origin, outcome string, n int) {
	stream := from.stream
	if stream == "" {
		stream = w.streamName
	}
	meter.Process.Stream(stream).Rows(w.cfg.table.String(), outcome, n)
}

// put writes rows of a task, which are all first of their keys or all not, for all that
// is known. What proves untrue is made good by Postgres' looking at each key.
func (w *writer) put(ctx context.Context, from origin, rows []*row) error {
	u, cells := w.plan.rows, cellsOf(rows)
	if rows[0].first {
		if err := w.run(ctx, from, u, u.insertion(), cells); !taken(err) {
			return err
		}
	}
	return w.run(ctx, from, u, u.statement(), cells)
}

func cellsOf(rows []*row) [][]cell {
	cells := make([][]cell, len(rows))
	for i, r := range rows {
		cells[i] = r.cells
	}
	return cells
}

// putAway writes refused rows to the dead letter table.
func (w *writer) putAway(ctx context.Context, batch service.MessageBatch, from origin, refused []refusal) error {
	letters := make([]letter, len(refused))
	for i, r := range refused {
		letters[i] = w.letterOf(from, batch[r.row.index], r)
	}
	cells, err := letterRows(letters, w.plan.letters.cols)
	if err == nil {
		err = w.run(ctx, from, *w.plan.letters, w.plan.letters.statement(), cells)
	}
	if err != nil {
		return told{fmt.Sprintf("dead letters to %s: %s", w.cfg.deadLetters, describe(err)), err}
	}
	w.warn("Postgres refuses rows, which are dead letters now", "stream", from.stream, "task", from.task,
		"rows", len(refused), "dead_letters", w.cfg.deadLetters, "error", letters[0].detail)
	return nil
}

// run executes a statement of u for rows of a task, as one transaction, however long
// Postgres is away. With a ledger it writes nothing when the task is of another
// generation.
func (w *writer) run(ctx context.Context, from origin, u upsert, statement string, cells [][]cell) error {
	args := u.args(from, cells)
	return w.retry.do(ctx, func(ctx context.Context) error {
		if u.ledger == nil {
			_, err := w.db.ExecContext(ctx, statement, args...)
			return err
		}
		var held int
		if err := w.db.QueryRowContext(ctx, statement, args...).Scan(&held); err != nil {
			return err
		}
		if held == 0 {
			return errFenced("task %d of %s, generation %d: %w", from.task, from.stream, from.generation, host.ErrFenced)
		}
		return nil
	})
}
