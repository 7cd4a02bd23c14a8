package streams

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/figures"
)

// entry is what Postgres has of a task: its row in the ledger, and what it has told of itself.
type entry struct {
	stream          string
	task            int32
	generation, seq int64
	watermark       *time.Time
	ended           bool

	figures *figures.Task // nil where it has told nothing
	told    time.Time     // when
	current bool          // in the generation that is in the ledger
}

// Figures without a ledger are those of a stream that is being dropped.
const ledgerQuery = `
	select
		t.stream, t.task, t.generation, t.committed_seq,
		case when isfinite(t.watermark) then t.watermark end, coalesce(t.watermark = 'infinity', false),
		f.figures, f.updated_at, coalesce(f.generation = t.generation, false)
	from tidemark_tasks as t
	left join tidemark_task_figures as f using (stream, task)
	order by t.stream, t.task`

func readLedger(ctx context.Context, tx *sql.Tx) (entries []entry, err error) {
	rows, err := tx.QueryContext(ctx, ledgerQuery)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		var watermark, told sql.NullTime
		var text []byte
		if err := rows.Scan(&e.stream, &e.task, &e.generation, &e.seq, &watermark, &e.ended, &text, &told, &e.current); err != nil {
			return nil, err
		}
		e.watermark, e.told = utc(watermark), told.Time
		if text != nil {
			e.figures = &figures.Task{}
			if err := json.Unmarshal(text, e.figures); err != nil {
				return nil, fmt.Errorf("figures of task %d of %s: %w", e.task, e.stream, err)
			}
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// read is how many events a task has read.
func (e *entry) read() (n int64) {
	for _, l := range e.figures.Account {
		if l.Operator == inputOperator {
			n += l.In
		}
	}
	return n
}

// inputOperator has the account of what comes in.
const inputOperator = "input"

// utc is a time that may be null.
func utc(t sql.NullTime) *time.Time {
	if !t.Valid {
		return nil
	}
	return new(t.Time.UTC())
}
