package pg_test

import (
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

func TestHourlyGMVHasCompleteHoursOnly(t *testing.T) {
	db := migrated(t)
	const hourly = "select to_char(hour at time zone 'UTC', 'DD HH24'), gmv from hourly_gmv order by hour"
	expect(t, db, hourly)
	// Two streams, two tasks: sales of an hour are those of all.
	run(t, db, `insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue, freight) values
		('g', 0, '2018-01-01 10:59Z', '2018-01-01 11:00Z', '2018-01-01 11:00Z', 1, .5),
		('g', 1, '2018-01-01 10:59Z', '2018-01-01 11:00Z', '2018-01-01 11:00Z', 2, 0),
		('h', 0, '2018-01-01 10:00Z', '2018-01-01 10:01Z', '2018-01-01 10:01Z', 4, 0),
		('g', 0, '2018-01-01 13:00Z', '2018-01-01 13:01Z', '2018-01-01 13:01Z', 8, .25),
		('g', 0, '2018-01-01 14:10Z', '2018-01-01 14:11Z', '2018-01-01 14:11Z', 16, 0)`)
	expect(t, db, hourly) // nobody knows how far the streams are
	// A stream without sales, and a task without records, hold nothing back.
	run(t, db, `insert into tidemark_tasks (stream, task, generation, watermark) values
		('g', 0, 1, '2018-01-01 14:59:59Z'), ('g', 1, 1, '2018-01-01 14:00Z'), ('g', 2, 1, null),
		('h', 0, 1, '2018-01-01 15:00Z'), ('other', 0, 1, '2018-01-01 09:00Z')`)
	expect(t, db, hourly, "01 10|7.50", "01 11|0.00", "01 12|0.00", "01 13|8.25")
	run(t, db, `update tidemark_tasks set watermark = '2018-01-01 17:00Z' where stream = 'g' and task < 2`)
	expect(t, db, hourly, "01 10|7.50", "01 11|0.00", "01 12|0.00", "01 13|8.25", "01 14|16.00")
	run(t, db, `update tidemark_tasks set watermark = '2018-01-01 17:00Z' where stream = 'h'`)
	expect(t, db, hourly, "01 10|7.50", "01 11|0.00", "01 12|0.00", "01 13|8.25", "01 14|16.00", "01 15|0.00", "01 16|0.00")
	// At the end of the input the newest window is the last.
	run(t, db, `update tidemark_tasks set watermark = 'infinity' where watermark is not null`)
	expect(t, db, hourly, "01 10|7.50", "01 11|0.00", "01 12|0.00", "01 13|8.25", "01 14|16.00")
	// Windows that wait for late items close later.
	run(t, db, `update tidemark_tasks set watermark = '2018-01-01 14:00Z' where watermark is not null`)
	run(t, db, `update gmv_windows set closes_at = window_end + interval '1 minute'`)
	expect(t, db, hourly, "01 10|7.50", "01 11|0.00", "01 12|0.00")
	run(t, db, `update tidemark_tasks set watermark = null`)
	expect(t, db, hourly)
}

func TestForecastDue(t *testing.T) {
	db := migrated(t)
	const due = "select count(*), min(gmv), max(gmv) from forecast_due()"
	run(t, db, `insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue)
		select 'g', 0, w, w + interval '1 minute', w + interval '1 minute', 3
		from generate_series(timestamptz '2018-01-01 00:30Z', '2018-01-02 22:30Z', '1 hour') as w`)
	run(t, db, `insert into tidemark_tasks (stream, task, generation, watermark) values ('g', 0, 1, 'infinity')`)
	expect(t, db, due, "0|null|null") // 47 hours are too few for any model
	run(t, db, `update tidemark_tasks set watermark = '2018-01-03Z'`)
	expect(t, db, due, "48|0.00|3.00")
	run(t, db, `insert into gmv_forecast values ('2018-01-03Z', '2018-01-03 00:00Z', 2, 1, 3, 0, 4, 'm')`)
	expect(t, db, due, "0|null|null")
	run(t, db, `update tidemark_tasks set watermark = '2018-01-03 01:59Z'`)
	expect(t, db, due, "49|0.00|3.00")

	// The newest forecast of an hour counts, and its sales once they are known.
	run(t, db, `insert into gmv_forecast values
		('2018-01-02 10:00Z', '2018-01-02 10:00Z', 5, 4, 6, 3, 7, 'm'), ('2018-01-02 09:00Z', '2018-01-02 10:00Z', 50, 4, 60, 3, 70, 'm'),
		('2018-01-03Z', '2018-01-03 01:00Z', 2, 1, 3, 0, 4, 'm')`)
	expect(t, db, `select to_char(target_hour at time zone 'UTC', 'DD HH24'), to_char(made_at at time zone 'UTC', 'DD HH24'), forecast, actual
		from v_gmv_forecast order by target_hour`,
		"02 10|02 10|5.00|3.00", "03 00|03 00|2.00|0.00", "03 01|03 00|2.00|null")

	sales, err := pg.HourlySales(t.Context(), db)
	if err != nil || len(sales) != 49 || sales[46].GMV != 3 || !sales[48].Hour.Equal(time.Date(2018, 1, 3, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%d hours, %v", len(sales), err)
	}
}

// Two years are enough for any model, and bound what a poll reads.
func TestHourlyGMVReachesBackTwoYears(t *testing.T) {
	db := migrated(t)
	run(t, db, `insert into tidemark_tasks (stream, task, generation, watermark) values ('g', 0, 1, 'infinity');
		insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue) values
		('g', 0, '2010-01-01Z', '2010-01-01 00:01Z', '2010-01-01 00:01Z', 1), ('g', 0, '2018-01-01Z', '2018-01-01 00:01Z', '2018-01-01 00:01Z', 2)`)
	expect(t, db, "select count(*), sum(gmv) from hourly_gmv", "17520|2.00")
}
