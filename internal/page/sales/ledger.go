package sales

import (
	"context"
	"database/sql"
	"math"
	"time"
)

// infinite is the watermark of a task at the end of its input.
const infinite = math.MaxInt64

type taskID struct {
	stream string
	task   int32
}

type taskEntry struct {
	generation int64
	known      bool  // there is a watermark
	recalled   bool  // there is none, but watermark is what the generation before had
	watermark  int64 // seconds, rounded down
}

// ledger is how far the tasks of all streams have come.
type ledger map[taskID]taskEntry

func readLedger(ctx context.Context, tx *sql.Tx) (ledger, error) {
	rows, err := tx.QueryContext(ctx, `
	select
		stream, task, generation, watermark is not null, coalesce(watermark = 'infinity', false),
		case when isfinite(watermark) then floor(extract(epoch from watermark))::bigint end
	from tidemark_tasks`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	l := ledger{}
	for rows.Next() {
		var id taskID
		var e taskEntry
		var ended bool
		var at sql.NullInt64
		if err := rows.Scan(&id.stream, &id.task, &e.generation, &e.known, &ended, &at); err != nil {
			return nil, err
		}
		e.watermark = at.Int64
		if ended {
			e.watermark = infinite
		}
		l[id] = e
	}
	return l, rows.Err()
}

// watermarks are those of the streams: of the slowest task that has one.
func (l ledger) watermarks() map[string]int64 {
	slowest := map[string]int64{}
	for id, e := range l {
		if at, ok := slowest[id.stream]; e.known && (!ok || e.watermark < at) {
			slowest[id.stream] = e.watermark
		}
	}
	return slowest
}

// ended tells whether all streams have come to the end of their input.
func (l ledger) ended() bool {
	slowest := l.watermarks()
	for id := range l {
		if at, ok := slowest[id.stream]; !ok || at != infinite {
			return false
		}
	}
	return len(l) > 0
}

// recall has tasks keep the watermark that they had in before: a task that begins anew has
// none until its first commit, and goes on from where it was. Not from the end of its
// input, which is no watermark of its state.
func (l ledger) recall(before ledger) {
	for id, e := range l {
		was, ok := before[id]
		if !e.known && ok && e.generation >= was.generation && (was.known || was.recalled) && was.watermark != infinite {
			e.recalled, e.watermark = true, was.watermark
			l[id] = e
		}
	}
}

// continues tells whether these streams have only gone on since before: then windows that
// were final still are as they were. Another generation may withdraw rows, or compute them
// anew from any time on.
func (l ledger) continues(before ledger, streams map[string]bool) bool {
	for id := range before {
		if _, ok := l[id]; !ok && streams[id.stream] {
			return false
		}
	}
	for id, e := range l {
		if !streams[id.stream] {
			continue
		}
		was, ok := before[id]
		if !ok || e.generation != was.generation || was.known && !e.known {
			return false
		}
		if e.known && (was.known || was.recalled) && e.watermark < was.watermark {
			return false
		}
	}
	// That of a stream may go back when a task gets its first one, and with it what is
	// final; a stream's first one makes final what none of its tasks may ever write again.
	now, then := l.watermarks(), before.watermarks()
	for stream := range streams {
		at, ok := now[stream]
		was, had := then[stream]
		if ok != had || at < was {
			return false
		}
	}
	return true
}

// bounds are the first and the newest window of a table.
type bounds struct {
	any    bool
	first  time.Time // its start
	newest time.Time // its start
	end    time.Time // of the newest
}

func readBounds(ctx context.Context, tx *sql.Tx, table string) (b bounds, err error) {
	var first, newest, end sql.NullTime
	err = tx.QueryRowContext(ctx, `
	select (select min(window_start) from `+table+`), n.window_start, n.window_end
	from (select) as always
	left join (select window_start, window_end from `+table+` order by window_start desc limit 1) as n on true`).
		Scan(&first, &newest, &end)
	return bounds{newest.Valid, first.Time.UTC(), newest.Time.UTC(), end.Time.UTC()}, err
}
