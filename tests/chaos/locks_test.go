package chaos

import (
	"database/sql"
	"fmt"
	"strings"
)

// resultTables are those that the streams write rows of windows to.
var resultTables = []string{"funnel_windows", "drop_off_windows", "gmv_windows", "payment_windows"}

// hang lets every write to the tables wait, which cannot be told from a slow
// Postgres, until the function that it returns is called.
func (p *pipeline) hang(tables ...string) (release func()) {
	p.Helper()
	tx, err := p.pg.DB.BeginTx(p.Context(), nil)
	if err == nil {
		_, err = tx.Exec("lock table " + strings.Join(tables, ", ") + " in access exclusive mode")
	}
	if err != nil {
		p.Fatal(err)
	}
	return func() {
		p.Helper()
		if err := tx.Rollback(); err != nil {
			p.Fatal(err)
		}
	}
}

// waiting is the condition for sessions of the streams that hang.
const waiting = "datname = current_database() and wait_event_type = 'Lock'"

// awaitHanging waits until n writes hang.
func (p *pipeline) awaitHanging(n int64) {
	p.Helper()
	p.await(fmt.Sprintf("%d writes hang", n), func() bool {
		return p.count("select count(*) from pg_stat_activity where "+waiting) >= n
	})
}

// cutHanging ends the sessions that hang, as a broken connection would.
func (p *pipeline) cutHanging() {
	p.Helper()
	var cut sql.NullInt64
	err := p.pg.DB.QueryRowContext(p.Context(), "select count(pg_terminate_backend(pid)) from pg_stat_activity where "+waiting).Scan(&cut)
	if err != nil {
		p.Fatal(err)
	}
}

// awaitBegun waits until n tasks have begun.
func (p *pipeline) awaitBegun(n int64) {
	p.Helper()
	p.await(fmt.Sprintf("%d tasks have begun", n), func() bool {
		return p.count("select count(*) from tidemark_tasks") >= n
	})
}
