package pg_test

import (
	"database/sql"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/tidemark-streams/tidemark/tests/golden"
)

// alerts is a database whose alerts are asked for and marked as the stream does it.
type alerts struct {
	*testing.T
	db *sql.DB
}

func newAlerts(t *testing.T) alerts { return alerts{t, migrated(t)} }

// dropOff is a row of drop_off_windows.
type dropOff struct {
	start   time.Time
	status  string
	task    int
	dropped int64
}

// insertDropOff writes rows in the place of those that are there.
func insertDropOff(rows []dropOff) string {
	values := make([]string, len(rows))
	for i, r := range rows {
		at := func(after time.Duration) string { return r.start.Add(after).Format(time.RFC3339) }
		values[i] = fmt.Sprintf("('f', %d, '%s', '%s', '%s', '%s', %d, %d, %d, '{o%d}')",
			r.task, at(0), at(time.Hour), at(169*time.Hour), strings.ReplaceAll(r.status, "'", "''"),
			r.dropped+1, r.dropped, r.dropped, r.task)
	}
	return `insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status,
			total_orders, dropped_orders, customers_affected, sample_order_ids)
		values ` + strings.Join(values, ", ") + `
		on conflict (stream, task, window_start, order_status) do update
		set total_orders = excluded.total_orders, dropped_orders = excluded.dropped_orders, processed_at = now()`
}

// hour is the start of a window, so many hours after a Monday.
func hour(n int) time.Time { return time.Date(2018, 1, 1, n, 0, 0, 0, time.UTC) }

// drop writes a window in which so many canceled orders are dropped.
func (a alerts) drop(at time.Time, dropped int64) {
	a.Helper()
	run(a, a.db, insertDropOff([]dropOff{{at, "canceled", 0, dropped}}))
}

// due is what a destination is to be sent: event, kind, day and hour, dropped orders.
func (a alerts) due(destination string) []string {
	a.Helper()
	return rows(a, a.db, `select event, kind, to_char(window_start at time zone 'UTC', 'DD HH24'), dropped_orders
		from alerts_due('`+destination+`')`)
}

func (a alerts) wantDue(destination string, want ...string) {
	a.Helper()
	if got := a.due(destination); !slices.Equal(got, want) {
		a.Errorf("%s is to be sent\n     %s\nwant %s", destination, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// sent is wantDue, after which all of it is sent.
func (a alerts) sent(destination string, want ...string) {
	a.Helper()
	a.wantDue(destination, want...)
	a.mark(destination, true)
}

// mark marks what the destination was handed out in the way of the stream.
func (a alerts) mark(destination string, sent bool) {
	a.Helper()
	run(a, a.db, `update alert_deliveries as d set sent_at = now(), sent = $2
		where destination = $1 and sent_at is null
			and (event = 'fired' or exists (select from alert_deliveries as f
				where f.alert_id = d.alert_id and f.destination = d.destination and f.event = 'fired' and f.sent_at is not null))`, destination, sent)
}

// reached forgets the attempt, which nobody marked, so that there is no waiting for the next.
func reached(a alerts, destination string) {
	a.Helper()
	run(a, a.db, "update alert_destinations set tried_at = null where destination = $1", destination)
}

func TestAlertFiresAndIsResolvedOnce(t *testing.T) {
	a := newAlerts(t)
	a.wantDue("log")
	a.drop(hour(0), 5)
	a.wantDue("log") // 5 is not above 5
	a.drop(hour(0), 6)
	a.wantDue("log", "fired|threshold|01 00|6")
	reached(a, "log")
	a.drop(hour(0), 7)
	a.sent("log", "fired|threshold|01 00|7") // as it stands when it is sent
	a.wantDue("log")
	a.drop(hour(0), 9)
	a.wantDue("log")
	expect(t, a.db, "select kind, order_status, dropped_orders, upper_limit, unique_customers_affected, sample_order_ids from v_open_alerts",
		"threshold|canceled|9|5.00|5|{o0}")

	a.drop(hour(0).Add(59*time.Minute), 0) // one minute less than an hour of data is not enough
	a.wantDue("log")
	a.drop(hour(1), 0)
	a.sent("log", "resolved|threshold|01 00|9")
	a.sent("kafka", "fired|threshold|01 00|9")
	a.sent("kafka", "resolved|threshold|01 00|9")
	expect(t, a.db, "select count(*) from v_open_alerts", "0")

	// What is computed anew tells nothing new.
	run(t, a.db, "delete from drop_off_windows")
	a.wantDue("log")
	a.drop(hour(0), 12)
	a.drop(hour(2), 0)
	a.wantDue("log")
	a.wantDue("kafka")
	expect(t, a.db, "select dropped_orders, resolution from drop_off_alerts", "9|passed")
}

// While a task moves, some of its rows are gone until its successor has written them.
func TestAlertStaysOpenWhileRowsAreGone(t *testing.T) {
	a := newAlerts(t)
	a.drop(hour(0), 8)
	a.sent("log", "fired|threshold|01 00|8")
	run(t, a.db, "delete from drop_off_windows")
	a.wantDue("log")
	a.drop(hour(0), 2)
	a.wantDue("log")
	a.drop(hour(0), 9)
	a.wantDue("log")
	expect(t, a.db, "select dropped_orders from v_open_alerts", "9")
}

// Orders without payment count as dropped a week later: their alert is about an old
// window, and stays open for an hour from then on.
func TestAlertOfAnOldWindow(t *testing.T) {
	a := newAlerts(t)
	a.drop(hour(0), 0)
	a.drop(hour(170), 0)
	a.wantDue("log")
	a.drop(hour(0), 6)
	a.sent("log", "fired|threshold|01 00|6")
	a.wantDue("log")
	a.drop(hour(171), 0)
	a.sent("log", "resolved|threshold|01 00|6")
}

// At the end of time nothing will come that an old alert could wait for. One of the last
// hour waits for new data.
func TestAlertsAtTheEndOfTime(t *testing.T) {
	a := newAlerts(t)
	run(t, a.db, "insert into tidemark_tasks (stream, task, generation, watermark) values ('f', 0, 1, 'infinity')")
	a.drop(hour(0), 6)
	a.drop(hour(100), 7)
	a.sent("log", "fired|threshold|01 00|6", "fired|threshold|05 04|7")
	a.sent("log", "resolved|threshold|01 00|6")
	a.wantDue("log")
	a.drop(hour(101), 0)
	a.sent("log", "resolved|threshold|05 04|7")
}

func TestAlertRulesThatChange(t *testing.T) {
	a := newAlerts(t)
	a.drop(hour(0), 9)
	a.drop(hour(1), 4)
	a.sent("log", "fired|threshold|01 00|9")
	run(t, a.db, "insert into alert_rules (order_status, threshold) values ('canceled', 3)")
	a.sent("log", "fired|threshold|01 01|4")
	run(t, a.db, "update alert_rules set threshold = 4 where order_status = 'canceled'")
	a.sent("log", "resolved|threshold|01 01|4")
	expect(t, a.db, "select resolution from drop_off_alerts where dropped_orders = 4", "rule_changed")
	run(t, a.db, "update alert_rules set threshold = 3 where order_status = 'canceled'")
	a.wantDue("log") // once is once

	// One week is enough where the rule asks for no more; 4 plus twice its root is 8.
	run(t, a.db, "delete from alert_rules")
	run(t, a.db, "insert into alert_rules (order_status, threshold, sigmas, weeks) values ('*', 100, 2, 1)")
	a.sent("log", "resolved|threshold|01 00|9")
	a.drop(hour(1+168), 8)
	a.wantDue("log")
	a.drop(hour(1+168), 9)
	a.sent("log", "fired|anomaly|08 01|9")
	run(t, a.db, "update alert_rules set sigmas = null")
	a.sent("log", "resolved|anomaly|08 01|9")
}

// A destination hears of the alerts that fire while it is there and on.
func TestAlertDestinations(t *testing.T) {
	a := newAlerts(t)
	a.drop(hour(0), 9)
	a.wantDue("pager") // is there from now on
	a.sent("log", "fired|threshold|01 00|9")
	a.drop(hour(1), 7)
	a.sent("pager", "fired|threshold|01 01|7")
	a.wantDue("webhook", "fired|threshold|01 00|9", "fired|threshold|01 01|7")
	a.mark("webhook", false) // it is off
	a.drop(hour(2), 0)
	a.drop(hour(3), 0)
	a.wantDue("webhook") // who was not told that it fired is not told that it is over
	a.sent("pager", "resolved|threshold|01 01|7")
	a.wantDue("pager")
	// In order: what fired before what was resolved.
	a.wantDue("kafka", "fired|threshold|01 00|9", "fired|threshold|01 01|7")
	run(t, a.db, "delete from alert_destinations where destination = 'kafka'")
	a.drop(hour(4), 6)
	if got := rows(t, a.db, "select count(*) from alert_deliveries where destination = 'kafka' and alert_id in (select alert_id from v_open_alerts)"); got[0] != "0" {
		t.Error("a destination that is gone is to be told of new alerts")
	}
}

// A destination that is not reached is given time, then tried with one alert, another
// one each time.
func TestAlertsAreTriedAgain(t *testing.T) {
	a := newAlerts(t)
	var want []string
	for n := range 30 {
		a.drop(hour(n), 6)
		want = append(want, fmt.Sprintf("fired|threshold|%02d %02d|6", 1+n/24, n%24))
	}
	a.wantDue("webhook", want[:25]...)
	tried := map[string]bool{}
	for n, pause := range []int{2, 4, 8, 16, 30, 30, 30, 30, 30} {
		if got := a.after(pause*1000-1, "webhook"); len(got) != 0 {
			t.Errorf("attempt %d too early: %q", n+2, got)
		}
		one := a.after(pause*1000, "webhook")
		if len(one) != 1 {
			t.Fatalf("attempt %d with %q, want one", n+2, one)
		}
		tried[one[0]] = true
	}
	if len(tried) < 4 {
		t.Errorf("always the same are tried: %v", tried)
	}
	a.sent("log", want[:25]...) // nobody else waits
	// Once one is through, all are sent at once.
	run(t, a.db, `update alert_deliveries set sent_at = now(), sent = true where destination = 'webhook' and
		alert_id = (select alert_id from drop_off_alerts order by window_start limit 1)`)
	a.sent("webhook", want[1:26]...)
	a.wantDue("webhook")
}

// after are the windows that are due so many milliseconds after the last attempt. In one
// transaction time stands still.
func (a alerts) after(ms int, destination string) (due []string) {
	a.Helper()
	tx, err := a.db.BeginTx(a.Context(), nil)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if _, err := tx.ExecContext(a.Context(),
		"update alert_destinations set tried_at = now() - $1 * interval '1 millisecond' where destination = $2", ms, destination); err != nil {
		a.Fatal(err)
	}
	if err := tx.QueryRowContext(a.Context(),
		"select coalesce(array_agg(window_start::text), '{}') from alerts_due($1)", destination).Scan(pq.Array(&due)); err != nil {
		a.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		a.Fatal(err)
	}
	return due
}

// An Alertmanager that was restarted has forgotten its alerts.
func TestOpenAlertsAreRepeated(t *testing.T) {
	a := newAlerts(t)
	a.drop(hour(0), 6)
	a.sent("alertmanager", "fired|threshold|01 00|6")
	a.wantDue("alertmanager")
	older := func() {
		run(t, a.db, "update alert_deliveries set sent_at = sent_at - interval '61 seconds'")
		run(t, a.db, "update alert_destinations set tried_at = tried_at - interval '61 seconds'")
	}
	older()
	a.drop(hour(0), 7)
	a.wantDue("alertmanager", "fired|threshold|01 00|7")
	run(t, a.db, "update alert_deliveries set sent_at = now() where destination = 'alertmanager'")
	a.wantDue("alertmanager")
	a.sent("log", "fired|threshold|01 00|7")
	older()
	a.wantDue("log")
	a.drop(hour(1), 0)
	a.sent("alertmanager", "resolved|threshold|01 00|7")
	older()
	a.wantDue("alertmanager")
}

// A task that is behind has not counted its part of the weeks before.
func TestAnomalyWaitsForTheSlowestTask(t *testing.T) {
	a := newAlerts(t)
	for week := range 4 {
		a.drop(hour(168*week), 1)
	}
	a.drop(hour(168*4), 5) // above 1 + 3 * 1
	run(t, a.db, `insert into tidemark_tasks (stream, task, generation, watermark)
		values ('f', 0, 1, '2018-01-29 00:30Z'), ('f', 1, 1, '2018-01-28 23:59Z'), ('f', 2, 1, null), ('other', 0, 1, '2017-01-01Z')`)
	a.wantDue("log")
	run(t, a.db, insertDropOff([]dropOff{{hour(0), "created", 2, 0}})) // its first commit is about to come
	run(t, a.db, "update tidemark_tasks set watermark = '2018-01-29Z' where stream = 'f' and task = 1")
	a.wantDue("log")
	run(t, a.db, "update tidemark_tasks set watermark = '2018-01-28Z' where stream = 'f' and task > 0")
	a.wantDue("log")
	run(t, a.db, "update drop_off_windows set processed_at = now() - interval '1 day'")
	a.wantDue("log")
	run(t, a.db, "update tidemark_tasks set watermark = '2018-01-29Z' where stream = 'f' and task > 0")
	a.sent("log", "fired|anomaly|29 00|5")
}

// Looks go by the watermark, and a sweep finds the rest.
func TestSweep(t *testing.T) {
	a := newAlerts(t)
	run(t, a.db, "insert into tidemark_tasks (stream, task, generation, watermark) values ('f', 0, 1, '2018-03-01Z')")
	run(t, a.db, "update alert_rules set sigmas = null")
	a.drop(hour(24*60), 0)
	a.wantDue("log")
	a.drop(hour(24*53), 6) // still open: it closes a week after its end
	a.sent("log", "fired|threshold|23 00|6")
	a.drop(hour(24*49), 6) // final
	a.wantDue("log")
	run(t, a.db, "update alert_scan set swept_at = now() - interval '61 seconds'")
	a.sent("log", "fired|threshold|19 00|6")
	// At the end of time all windows are final.
	run(t, a.db, "update tidemark_tasks set watermark = 'infinity'")
	a.drop(hour(0), 6)
	a.sent("log", "fired|threshold|01 00|6", "resolved|threshold|19 00|6", "resolved|threshold|23 00|6")
}

// Windows that are older than the log of alerts are history.
func TestAlertsOfAnOldDatabase(t *testing.T) {
	a := newAlerts(t)
	a.drop(hour(0), 9)
	a.drop(hour(5), 9)
	run(t, a.db, "update drop_off_windows set processed_at = now() - interval '1 hour'")
	a.wantDue("log", "fired|threshold|01 05|9") // the last hour is not
}

// Random windows and rules: the views, and what fires, are what the oracle says.
func TestAlertsLikeTheOracle(t *testing.T) {
	a := newAlerts(t)
	fired := 0
	for seed := range uint64(25) {
		run(t, a.db, "truncate drop_off_windows, drop_off_alerts, alert_deliveries, alert_rules")
		random := rand.New(rand.NewPCG(seed, 1))
		data, dropped := randomDropOff(random)
		rules := randomRules(random)
		for status, r := range rules {
			var sigmas any
			if r.Sigmas != nil {
				sigmas = r.Sigmas.FloatString(1)
			}
			run(t, a.db, "insert into alert_rules (order_status, threshold, weeks, sigmas, min_dropped) values ($1, $2, $3, $4, $5)",
				status, r.Threshold, r.Weeks, sigmas, r.MinDropped)
		}
		run(t, a.db, insertDropOff(data))

		var views, fires []string
		for window, j := range golden.Judge(dropped, rules) {
			name := window.Start.Format(time.DateTime) + "|" + window.Status
			views = append(views, fmt.Sprintf("%s|%v|%v|%d|%s|%s", name, j.Threshold, j.Anomaly, j.Weeks, j.Expected, j.Deviation))
			if j.Threshold {
				fires = append(fires, name+"|threshold")
			}
			if j.Anomaly {
				fires = append(fires, name+"|anomaly")
			}
		}
		slices.Sort(views)
		slices.Sort(fires)
		const window = `to_char(window_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), order_status`
		expect(t, a.db, `select `+window+`, alert_triggered, is_anomaly, weeks, expected, deviation
			from drop_off_analysis join drop_off_anomalies using (window_start, window_end, order_status)
			order by concat_ws('|', `+window+`) collate "C"`, views...)
		a.due("log")
		expect(t, a.db, `select `+window+`, kind from drop_off_alerts order by concat_ws('|', `+window+`, kind) collate "C"`, fires...)
		fired += len(fires)
		if t.Failed() {
			t.Fatalf("seed %d, rules %v", seed, rules)
		}
	}
	if fired < 200 {
		t.Errorf("only %d alerts in all", fired)
	}
}

// randomDropOff are windows of two tasks, and their dropped orders added up.
func randomDropOff(random *rand.Rand) (rows []dropOff, dropped map[golden.DropOffWindow]int64) {
	dropped = map[golden.DropOffWindow]int64{}
	level := 1 + random.Int64N(6)
	for week := range 3 + random.IntN(12) {
		for _, at := range []int{0, 5, 6, 100, 167} {
			for _, status := range []string{"canceled", "created", "it's"} {
				for task := range 2 {
					if random.IntN(4) == 0 {
						continue // a window that no order fell into
					}
					n := random.Int64N(level)
					if random.IntN(20) == 0 {
						n += random.Int64N(12)
					}
					start := hour(168*week + at)
					rows = append(rows, dropOff{start, status, task, n})
					dropped[golden.DropOffWindow{Start: start, Status: status}] += n
				}
			}
		}
	}
	return rows, dropped
}

func randomRules(random *rand.Rand) map[string]golden.AlertRule {
	rules := map[string]golden.AlertRule{}
	for _, status := range []string{"*", "created", "canceled"} {
		if random.IntN(2) == 0 {
			continue
		}
		r := golden.AlertRule{
			Threshold: random.Int64N(9), Weeks: 1 + random.IntN(10),
			Sigmas: big.NewRat(1+random.Int64N(8), 2), MinDropped: 1 + random.Int64N(5),
		}
		if random.IntN(5) == 0 {
			r.Sigmas = nil
		}
		rules[status] = r
	}
	return rules
}
