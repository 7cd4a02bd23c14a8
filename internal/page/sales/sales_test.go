package sales

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/internal/page"
)

const gmvRow = `insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue, item_count)
	select 'g', 0, t, t + interval '1 minute', t + interval '3 minutes', 10, 1 from `

// What is final is not read again, unless something says that it was computed anew.
func TestRefresh(t *testing.T) {
	db, s := database(t)
	run(t, db, "insert into tidemark_tasks (stream, task, generation, watermark) values ('g', 0, 1, '2018-01-02 12:00Z')")
	run(t, db, gmvRow+"generate_series(timestamptz '2018-01-01Z', '2018-01-02 12:00Z', interval '1 minute') as t")
	total := func(want string) {
		t.Helper()
		if got := snapshot(t, s, "range=all").GMV.Total; got != want {
			t.Errorf("GMV %s, want %s", got, want)
		}
	}
	total("21610.00")
	loaded := s.past.loaded
	sameLoad := func(want bool) {
		t.Helper()
		if got := s.past.loaded.Equal(loaded); got != want {
			t.Errorf("the former load serves: %v, want %v", got, want)
		}
		loaded = s.past.loaded
	}

	// Against the rules: so it shows what is read.
	run(t, db, "update gmv_windows set item_revenue = 11 where window_start = '2018-01-01 06:00Z'")
	run(t, db, "update gmv_windows set item_revenue = 12 where window_start = '2018-01-02 12:00Z'")
	total("21612.00")
	sameLoad(true)

	// Another generation, though it has committed the same since.
	run(t, db, "update tidemark_tasks set generation = 2")
	total("21613.00")
	sameLoad(false)

	// Windows stay open for longer: the first that says so has the former ones read.
	run(t, db, "update gmv_windows set item_revenue = 13 where window_start = '2018-01-02 09:00Z'")
	total("21613.00")
	run(t, db, "update gmv_windows set closes_at = window_start + interval '5 hours' where window_start = '2018-01-02 12:00Z'")
	total("21616.00")
	sameLoad(false)

	// A stream of which the table knew nothing, whatever its windows.
	run(t, db, "insert into tidemark_tasks (stream, task, generation, watermark) values ('h', 0, 1, '2018-01-02 12:00Z')")
	total("21616.00")
	run(t, db, "insert into gmv_windows select 'h', 0, window_start, window_end, closes_at, 1 from gmv_windows where window_start = '2018-01-01 03:00Z'")
	total("21617.00")
	sameLoad(true)

	// A task that had no watermark may have had its first record long ago.
	run(t, db, "insert into tidemark_tasks (stream, task, generation) values ('g', 1, 1)")
	total("21617.00")
	sameLoad(false)
	run(t, db, "insert into gmv_windows select 'g', 1, window_start, window_end, closes_at, 1 from gmv_windows where window_start = '2018-01-01 04:00Z'")
	total("21618.00")
	sameLoad(true)

	// Nobody's rows are found by the sweep.
	run(t, db, "delete from gmv_windows where window_start = '2018-01-01 02:00Z'")
	total("21618.00")
	s.past.loaded = s.past.loaded.Add(-sweepEvery - time.Minute)
	total("21608.00")

	run(t, db, "truncate gmv_windows, tidemark_tasks")
	if got := snapshot(t, s, "range=all"); got.DataTime != nil || got.GMV.Total != "0.00" {
		t.Errorf("after truncate: %v, %v", got.DataTime, got.GMV.Total)
	}
}

// Minutes that were read serve until they may have changed, or others are asked for.
func TestMinutesAreKept(t *testing.T) {
	db, s := database(t)
	run(t, db, "insert into tidemark_tasks (stream, task, generation, watermark) values ('g', 0, 1, '2018-01-02 12:00Z')")
	run(t, db, gmvRow+"generate_series(timestamptz '2018-01-01Z', '2018-01-02 12:00Z', interval '1 minute') as t")
	total := func(query, want string) {
		t.Helper()
		if got := snapshot(t, s, query); got.GMV.Total != want || got.Bucket != "minute" {
			t.Errorf("GMV by the %s %s, want %s", got.Bucket, got.GMV.Total, want)
		}
	}
	const hours, past = "range=6h&bucket=minute", "from=2018-01-01T06:00:00Z&to=2018-01-01T07:00:00Z&bucket=minute"
	total(hours, "3600.00")

	// Against the rules: so it shows what is read.
	run(t, db, "update gmv_windows set item_revenue = 11 where window_start in ('2018-01-02 07:00Z', '2018-01-02 12:00Z')")
	total(hours, "3601.00")
	total("range=1h", "601.00")
	run(t, db, gmvRow+"generate_series(timestamptz '2018-01-02 12:01Z', '2018-01-02 12:59Z', interval '1 minute') as t")
	total(hours, "3601.00")
	total("range=24h&bucket=minute", "14402.00") // which begins before

	total(past, "600.00")
	run(t, db, "update gmv_windows set item_revenue = 12 where window_start in ('2018-01-01 06:30Z')")
	total(past, "600.00")
	run(t, db, "update tidemark_tasks set generation = 2")
	total(past, "602.00")

	// It goes on for longer than is kept.
	total(hours, "3602.00")
	run(t, db, gmvRow+"generate_series(timestamptz '2018-01-02 13:00Z', '2018-01-09 12:59Z', interval '1 minute') as t")
	total(hours, "3600.00")
}

// One moment for all: what is written while a view serves is seen by the next one.
func TestOneMoment(t *testing.T) {
	db, s := database(t)
	run(t, db, "insert into tidemark_tasks (stream, task, generation, watermark) values ('g', 0, 1, '2018-01-01 01:58Z')")
	run(t, db, gmvRow+"generate_series(timestamptz '2018-01-01Z', '2018-01-01 02:00Z', interval '1 minute') as t")
	s.age = time.Hour
	before := snapshot(t, s, "range=all&bucket=hour")
	run(t, db, gmvRow+"generate_series(timestamptz '2018-01-01 02:01Z', '2018-01-01 03:00Z', interval '1 minute') as t")
	if got := snapshot(t, s, "range=all&bucket=minute"); got.GMV.Total != before.GMV.Total || got.Bucket != "minute" {
		t.Errorf("minutes say %s, hours of the same view %s", got.GMV.Total, before.GMV.Total)
	}
	s.view.serves = 0
	if got := snapshot(t, s, "range=all&bucket=minute"); got.GMV.Total != "1810.00" {
		t.Errorf("the next view says %s", got.GMV.Total)
	}
	s.view.serves = 0
}

// The transaction of a view ends with it, also when nobody asks again: it would keep
// Postgres from cleaning up.
func TestViewEnds(t *testing.T) {
	db, s := database(t)
	s.age = 50 * time.Millisecond
	snapshot(t, s, "")
	for range 100 {
		var open int
		err := db.QueryRowContext(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and application_name = 'tidemark-test' and state <> 'idle'`).Scan(&open)
		if err != nil {
			t.Fatal(err)
		}
		if open == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the transaction is still open")
}

func TestEmpty(t *testing.T) {
	_, s := database(t)
	for _, query := range []string{"", "range=all&bucket=minute", "from=2018-01-01T00:00:00Z&to=2018-01-02T00:00:00Z"} {
		text, err := json.Marshal(snapshot(t, s, query))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`"data_time":null`, `"ended":false`, `"extent":null`, `"from":null`, `"items_rate":"0.00"`, `"bottleneck":""`, `"total":"0.00"`,
			`"forecast":null`, `"statuses":[]`, `"alerts":[]`, `"types":[]`, `"orders_series":[]`, `"series":[]`, `"series":{}`, `"t":[]`,
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%q: no %s in %s", query, want, text)
			}
		}
	}
}

func TestForecast(t *testing.T) {
	db, s := database(t)
	run(t, db, gmvRow+"generate_series(timestamptz '2018-01-01Z', '2018-01-01 02:00Z', interval '1 minute') as t")
	const row = `insert into gmv_forecast (made_at, target_hour, forecast, lower_80, upper_80, lower_95, upper_95, model)
		select $1::timestamptz, $1::timestamptz + h * interval '1 hour', 10.01, 9, 11.5, 8, 12, $2 from generate_series(0, 23) as h`
	run(t, db, row, "2018-01-01 00:00Z", "old")
	run(t, db, row, "2018-01-01 03:00Z", "mean")
	run(t, db, "update gmv_forecast set forecast = 99 where model = 'old'")
	f := snapshot(t, s, "range=24h&bucket=minute").GMV.Forecast
	if f == nil || f.Model != "mean" || f.Bucket != "hour" || len(f.T) != 24 || f.Forecast[0] != 10.01 || f.Upper80[23] != 11.5 ||
		f.T[0] != f.MadeAt.Unix() || f.MadeAt.Hour() != 3 {
		t.Errorf("by minutes: %+v", f)
	}
	if f := snapshot(t, s, "range=7d&bucket=day").GMV.Forecast; f != nil {
		t.Errorf("by days, though it covers none: %+v", f)
	}
	run(t, db, row, "2018-01-02 00:00Z", "mean")
	f = snapshot(t, s, "range=7d&bucket=day").GMV.Forecast
	if f == nil || f.Bucket != "day" || !slices.Equal(f.Forecast, []float64{240.24}) || len(f.T) != 1 || len(f.Lower80) != 0 || f.Lower80 == nil {
		t.Errorf("by days: %+v", f)
	}
}

func TestAlerts(t *testing.T) {
	db, s := database(t)
	run(t, db, gmvRow+"generate_series(timestamptz '2018-01-01Z', '2018-01-05 02:00Z', interval '1 hour') as t")
	run(t, db, `insert into drop_off_alerts (alert_id, kind, window_start, window_end, order_status, total_orders, dropped_orders,
			unique_customers_affected, sample_order_ids, upper_limit, expected, fired_at, fired_data_time, resolved_at, resolution)
		select md5(n::text)::uuid, case when n % 2 = 0 then 'anomaly' else 'threshold' end, t, t + interval '1 hour', 'canceled', 20, n, 3,
			'{a,NULL,b}', 5, case when n % 2 = 0 then 2.105 end, '2026-01-01Z', t,
			case when n > 60 then timestamptz '2026-01-02Z' end, case when n > 60 then 'passed' end
		from (select n, timestamptz '2018-01-01Z' + n * interval '1 hour' as t from generate_series(1, 70) as n) as of`)
	d := snapshot(t, s, "from=2018-01-03T00:00:00Z&to=2018-01-05T00:00:00Z").DropOff
	if d.AlertsOpen != 60 || d.AlertsInRange != 23 || len(d.Alerts) != maxAlerts {
		t.Errorf("%d open, %d in range, %d shown", d.AlertsOpen, d.AlertsInRange, len(d.Alerts))
	}
	a := d.Alerts[0]
	if a.Kind != "anomaly" || a.Dropped != 60 || a.Limit != "5.00" || a.Expected == nil || *a.Expected != "2.11" || a.Customers != 3 ||
		!slices.Equal(a.Samples, []string{"a", "b"}) || a.WindowStart.Format(time.RFC3339) != "2018-01-03T12:00:00Z" || len(a.ID) != 36 {
		t.Errorf("%+v", a)
	}
	if d.Alerts[1].Expected != nil {
		t.Errorf("a threshold expects %s", *d.Alerts[1].Expected)
	}
}

func TestQueries(t *testing.T) {
	db, s := database(t)
	run(t, db, gmvRow+"generate_series(timestamptz '2016-01-01 00:17Z', '2018-08-21 23:58Z', interval '7 days 1 minute') as t")
	run(t, db, gmvRow+"(values (timestamptz '2018-08-21 23:58Z')) as of (t) on conflict do nothing")
	for query, want := range map[string]string{
		"":                        "7d hour 2018-08-15T00:00:00Z 2018-08-22T00:00:00Z 168",
		"range=1h":                "1h minute 2018-08-21T22:59:00Z 2018-08-21T23:59:00Z 60",
		"range=24h&bucket=minute": "24h minute 2018-08-20T23:59:00Z 2018-08-21T23:59:00Z 1440",
		"range=1h&bucket=day":     "1h day 2018-08-21T00:00:00Z 2018-08-22T00:00:00Z 1",
		"range=7d&bucket=minute":  "7d hour 2018-08-15T00:00:00Z 2018-08-22T00:00:00Z 168", // the finest that fits
		"range=90d&bucket=hour":   "90d hour 2018-05-24T00:00:00Z 2018-08-22T00:00:00Z 2160",
		"range=1y&bucket=hour":    "1y day 2017-08-22T00:00:00Z 2018-08-22T00:00:00Z 365",
		"range=all":               "all day 2016-01-01T00:00:00Z 2018-08-22T00:00:00Z 964",
		"from=2018-03-01T10:30:00%2B02:00&to=2018-03-01T12:10:01Z":            " minute 2018-03-01T08:30:00Z 2018-03-01T12:11:00Z 221",
		"from=2018-03-01T10:30:00Z&to=2018-03-01T12:10:00Z&bucket=hour":       " hour 2018-03-01T10:00:00Z 2018-03-01T13:00:00Z 3",
		"from=1970-01-01T00:00:00Z&to=2970-01-01T00:00:00Z&bucket=day":        " day 2016-01-01T00:00:00Z 2018-08-22T00:00:00Z 964", // what there is
		"from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z&bucket=day":        " day 2020-01-01T00:00:00Z 2020-01-01T00:00:00Z 0",
		"from=2018-03-01T10:30:00.5Z&to=2018-03-01T10:31:00.5Z&bucket=minute": " minute 2018-03-01T10:30:00Z 2018-03-01T10:32:00Z 2",
	} {
		got := snapshot(t, s, query)
		have := strings.Join([]string{
			got.Range.Name, got.Bucket, got.Range.From.Format(time.RFC3339), got.Range.To.Format(time.RFC3339),
		}, " ")
		if want, points, _ := cutLast(want); have != want || len(got.GMV.T) != points {
			t.Errorf("%q: %s with %d points, want %s with %d", query, have, len(got.GMV.T), want, points)
		}
	}
	for query, want := range map[string]string{
		"range=8d":                  "range",
		"bucket=week":               "bucket",
		"from=2018-03-01T10:30:00Z": "to",
		"from=yesterday&to=today":   "from",
		"range=7d&from=2018-03-01":  "either",
		"colour=blue":               "colour",
		"from=2018-03-02T00:00:00Z&to=2018-03-01T00:00:00Z": "before",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Canonical(values)
		if !errors.Is(err, page.ErrQuery) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line about %s", query, err, want)
		}
	}
}

func cutLast(text string) (head string, number int, err error) {
	at := strings.LastIndexByte(text, ' ')
	number, err = strconv.Atoi(text[at+1:])
	return text[:at], number, err
}

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		a, factor, b int64
		want         string
	}{
		{1, 10000, 3, "33.33"}, {2, 10000, 3, "66.67"}, {1, 10000, 800, "0.13"}, {799, 10000, 800, "99.88"}, {5, 1, 0, "0.00"},
		{-25, 1, 2, "-0.13"}, {25, 1, 2, "0.13"}, {25, 1, -2, "-0.13"}, {9e18, 10000, 9e18, "100.00"}, {0, 1, 7, "0.00"},
	} {
		if got := divide(c.a, c.factor, c.b).String(); got != c.want {
			t.Errorf("%d·%d/%d is %s, want %s", c.a, c.factor, c.b, got, c.want)
		}
	}
	if got := cents(-9223372036854775808).String(); got != "-92233720368547758.08" {
		t.Error(got)
	}
}
