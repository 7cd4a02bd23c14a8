package bench

import (
	"database/sql"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// glance is the time between two looks at a table: it adds half of that to a figure.
const glance = 4 * time.Millisecond

// progress looks at how far the rows of a stream have come.
type progress struct {
	testing.TB
	pg           *kit.Database
	table, group string // of the stream
}

// newest is the start of the last window that has a row, in minutes, 0 without rows.
// The tasks come along side by side, and each finds its last one by the key: a look
// costs next to nothing.
func (p progress) newest() int64 {
	p.Helper()
	var minute sql.NullInt64
	query(p, p.pg, `select max((select (extract(epoch from window_start) / 60)::bigint from `+p.table+`
	where stream = $1 and task = t order by window_start desc limit 1)) from generate_series(0, $2 - 1) t`,
		[]any{p.group, defaultPartitions}, &minute)
	return minute.Int64
}

// settle waits until nothing more comes to rows of what a process had sent that was
// killed before the given time.
func (p progress) settle(killed time.Time) {
	p.Helper()
	for n := 1; n > 0; time.Sleep(glance) {
		query(p, p.pg, `select count(*) from pg_stat_activity where datname = current_database()
	and backend_type = 'client backend' and backend_start < $1 and state <> 'idle' and pid <> pg_backend_pid()`, []any{killed}, &n)
	}
}

// restart starts a process anew that was killed, and returns the time from there to
// its first row of a window that had none.
func (p progress) restart(c kit.Command) (*kit.Process, time.Duration) {
	p.Helper()
	began := time.Now()
	process := kit.Start(p, c)
	p.settle(began)
	before := p.newest()
	for p.newest() <= before {
		if !process.Running() {
			p.Fatal("it ended without a new row")
		}
		time.Sleep(glance)
	}
	return process, time.Since(began)
}

func query(tb testing.TB, pg *kit.Database, text string, args []any, into ...any) {
	tb.Helper()
	if err := pg.DB.QueryRowContext(tb.Context(), text, args...).Scan(into...); err != nil {
		tb.Fatal(err)
	}
}
