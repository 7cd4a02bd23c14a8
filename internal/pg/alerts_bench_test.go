package pg_test

import (
	"database/sql"
	"testing"
)

// What each poll of each destination costs beside two years of hourly windows, with
// eight statuses in three tasks: some ten times as many rows as the Olist orders make.
func BenchmarkAlertsDue(b *testing.B) {
	db := migrated(b)
	run(b, db, `insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status,
			total_orders, complete_orders, dropped_orders, customers_affected, processed_at)
		select 'f', task, t, t + interval '1 hour', t + interval '169 hours', 'status ' || status, 10, 9, (random() < 0.1)::int, 1,
			now() - interval '1 day'
		from generate_series(timestamptz '2016-09-01Z', timestamptz '2018-09-01Z', interval '1 hour') as t,
			generate_series(0, 2) as task, generate_series(1, 8) as status`)
	run(b, db, "insert into tidemark_tasks (stream, task, generation, watermark) select 'f', t, 1, '2018-09-01Z' from generate_series(0, 2) as t")
	run(b, db, "analyze")
	due := func(b *testing.B) {
		b.Helper()
		rows, err := db.QueryContext(b.Context(), "select * from alerts_due('log')")
		if err != nil {
			b.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
		}
		if err := rows.Err(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("nothing changed", func(b *testing.B) {
		for b.Loop() {
			due(b)
		}
	})
	b.Run("the newest hour changed", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			touch(b, db, "window_start >= '2018-08-31 23:00Z'")
			b.StartTimer()
			due(b)
		}
	})
	b.Run("a month changed", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			touch(b, db, "window_start >= '2018-08-01Z'")
			b.StartTimer()
			due(b)
		}
	})
}

func touch(b *testing.B, db *sql.DB, where string) {
	b.Helper()
	run(b, db, "update drop_off_windows set processed_at = now() - interval '1 day' where processed_at > now() - interval '1 hour'")
	run(b, db, "update drop_off_windows set processed_at = now() where "+where)
}
