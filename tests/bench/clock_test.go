package bench

import (
	"database/sql"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// When rows appear is asked of Postgres afterwards, which notes the time of every
// commit: nobody has to look while the engine works, and nothing is added by the time
// between two looks. The clock is the machine's own. A commit is noted before it
// reaches the disk, but the servers of tests do not wait for the disk.

// keepTime turns that on, for all databases; the server has to start anew for it.
func keepTime(tb testing.TB, pg *kit.Database) {
	tb.Helper()
	var kept bool
	if err := pg.DB.QueryRowContext(tb.Context(), "select current_setting('track_commit_timestamp')::bool").Scan(&kept); err != nil {
		tb.Fatal(err)
	}
	if kept {
		return
	}
	if _, err := pg.DB.ExecContext(tb.Context(), "alter system set track_commit_timestamp = on"); err != nil {
		tb.Fatal(err)
	}
	pg.Stop(tb)
	pg.Start(tb)
}

// lastRow is when the last row of the tables was written.
func lastRow(tb testing.TB, pg *kit.Database, tables ...string) time.Time {
	tb.Helper()
	var last time.Time
	for _, table := range tables {
		var at sql.NullTime
		err := pg.DB.QueryRowContext(tb.Context(), "select max(pg_xact_commit_timestamp(xmin)) from "+table).Scan(&at)
		if err != nil {
			tb.Fatal(err)
		}
		if at.Time.After(last) {
			last = at.Time
		}
	}
	return last
}
