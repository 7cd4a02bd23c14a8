package page

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	// standing is how many orders are there before the page is looked at.
	standing = 2500
	// arriving is how many come at a time while it is open.
	arriving = 200
)

// pipeline is a world with streams that orders arrive at.
type pipeline struct {
	*world
	dir    string
	events []golden.Event // of the orders that stand
	orders []time.Time    // when each order of the dataset was placed
	sent   *int           // how many of them are in Kafka
}

// newOrders is a pipeline at whose end a dataset's first orders are.
func newOrders(t testing.TB, dir string) *pipeline {
	t.Helper()
	p := &pipeline{world: newPipeline(t), dir: dir, sent: new(int)}
	for limit, events := range map[int]*[]golden.Event{standing: &p.events, 0: nil} {
		all, _, err := golden.Read(dir, golden.Selection{Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		if events != nil {
			*events = all
			continue
		}
		golden.Sort(all)
		for _, event := range all {
			if event.Kind == golden.Order {
				p.orders = append(p.orders, event.Time)
			}
		}
	}
	p.fill(dir, "--limit", strconv.Itoa(standing))
	*p.sent = standing
	return p
}

// arrive sends the next orders.
func (p *pipeline) arrive() {
	p.Helper()
	from := p.orders[*p.sent].Format("2006-01-02 15:04:05")
	p.run("produce", "--dataset-dir", p.dir, "--start-from", from, "--limit", strconv.Itoa(arriving))
	*p.sent += arriving
}

// of is the pipeline's page within a part of the test.
func (s *server) of(t testing.TB) *server {
	part := *s
	part.world = s.world.of(t)
	return &part
}

// TestPage looks at one pipeline: first at what stands, then at what happens.
func TestPage(t *testing.T) {
	p := newOrders(t, dataset(t))
	p.foresee()
	s := p.serve()
	t.Run("figures", func(t *testing.T) { s.of(t).showsTheDatabase(t) })
	t.Run("oracle", func(t *testing.T) { s.of(t).agreesWithTheOracle(t, p.events) })
	t.Run("charts", func(t *testing.T) { s.of(t).drawsTheDatabase(t) })
	t.Run("data time", func(t *testing.T) { s.of(t).tellsDataTime(t) })
	t.Run("streams", func(t *testing.T) { s.of(t).showsTheStreams(t) })
	t.Run("looks", func(t *testing.T) { s.of(t).looksRight(t) })
	kit.Start(t, p.command("consume", "--no-console"))
	live := func(name string, part func(*server, *testing.T, func())) {
		t.Run(name, func(t *testing.T) {
			p := *p
			p.world = p.world.of(t)
			part(s.of(t), t, p.arrive)
		})
	}
	live("orders arrive", (*server).goesOn)
	live("streams run", (*server).showsRunningStreams)
	live("the server is killed", (*server).comesBack)
	live("Postgres is away", (*server).tellsOfPostgres)
	live("Kafka is away", (*server).tellsOfKafka)
}

// foresee adds what bounded runs leave out: open alerts, and a forecast where there is none.
func (w *world) foresee() {
	w.Helper()
	for i, expected := range []any{nil, "2.10"} {
		w.exec(`insert into drop_off_alerts (alert_id, kind, window_start, window_end, order_status, total_orders, dropped_orders,
				unique_customers_affected, sample_order_ids, upper_limit, expected, fired_data_time)
			select md5($1::text)::uuid, $2, window_start, window_end, order_status, total_orders, 7, 6, array['a', 'b'], 5, $3, window_end
			from drop_off_analysis order by window_start desc limit 1`, i, []string{"threshold", "anomaly"}[i], expected)
	}
	w.exec(`insert into gmv_forecast (made_at, target_hour, forecast, lower_80, upper_80, lower_95, upper_95, model)
		select at, at + n * interval '1 hour', 100 + n, 90 + n / 8.0, 120, 50.25, 1200 + n, 'seasonal_mean'
		from generate_series(0, 23) as hours (n), (select date_trunc('hour', max(window_start)) + interval '1 hour' as at from gmv_windows) as w
		where not exists (select from gmv_forecast)`)
}

// queries are ranges and buckets; what is asked of the page is asked of its API as well.
var queries = []string{
	"", "range=1h", "range=6h&bucket=minute", "range=24h&bucket=minute", "range=24h", "range=7d&bucket=hour", "range=30d&bucket=day",
	"range=90d", "range=1y&bucket=hour", "range=all", "range=all&bucket=day",
	"from=2017-11-20T00:00:00Z&to=2017-11-27T00:00:00Z&bucket=hour", "from=2017-03-01T12:00:00Z&to=2017-03-01T13:30:00Z&bucket=minute",
	"from=2012-01-01T00:00:00Z&to=2012-02-01T00:00:00Z",
}

// showsTheDatabase: every figure of the analyst's view is what SQL says, for any range.
func (s *server) showsTheDatabase(t *testing.T) {
	v := s.open(t, "#sales")
	for _, query := range queries {
		v.ask(query)
		about := s.about(query)
		v.shows(func() figures { return s.sales(about) })
		for name, shown := range v.shownTexts() {
			if !sameNumber(shown.Value, shown.Text) {
				t.Errorf("%s: %s is %q, and shown as %q", query, name, shown.Value, shown.Text)
			}
		}
	}
}

// ask changes what the page shows as its address bar would, without loading it again.
func (v *view) ask(query string) {
	v.Helper()
	hash := "#sales"
	if query != "" {
		hash += "?" + query
	}
	kit.Eval[bool](v.Tab, fmt.Sprintf("location.hash = %q; true", hash))
	v.awaitConnection("live")
}

// about is the time that a query is about, in whole buckets: its own, cut to that of the
// data, or so long back from the end of the newest bucket.
func (s *server) about(query string) span {
	s.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		s.Fatal(err)
	}
	got := s.api(query)
	bucket := bucketLengths[got.Bucket]
	if bucket == 0 {
		s.Fatalf("%s: bucket %q", query, got.Bucket)
	}
	first, last := instant(s, s.row(oldest)["at"]).Truncate(bucket), instant(s, s.row(newest)["at"]).Truncate(bucket).Add(bucket)
	want := span{first, last}
	if q.Has("from") {
		want.from = later(first, instant(s, q.Get("from")).Truncate(bucket))
		want.to = later(want.from, earlier(last, instant(s, q.Get("to")).Add(bucket-1).Truncate(bucket)))
	} else if length := rangeLengths[q.Get("range")]; length > 0 {
		want.from = last.Add(-length).Truncate(bucket)
	}
	if !got.Range.From.Equal(want.from) || !got.Range.To.Equal(want.to) {
		s.Errorf("%s is about %v to %v, want %v to %v", query, got.Range.From, got.Range.To, want.from, want.to)
	}
	return want
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

var (
	bucketLengths = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	rangeLengths  = map[string]time.Duration{
		"1h": time.Hour, "6h": 6 * time.Hour, "24h": 24 * time.Hour, "": 7 * 24 * time.Hour, "7d": 7 * 24 * time.Hour,
		"30d": 30 * 24 * time.Hour, "90d": 90 * 24 * time.Hour, "1y": 365 * 24 * time.Hour,
	}
)

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// sameNumber says whether a text shows a value, if that is a number, digit for digit.
func sameNumber(value, text string) bool {
	if _, err := strconv.ParseFloat(value, 64); err != nil {
		return true
	}
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789.-", r) {
			return r
		}
		return -1
	}, text)
	return digits == value
}

// shown is a figure as it is, and as people see it.
type shown struct{ Value, Text string }

func (v *view) shownTexts() map[string]shown {
	v.Helper()
	return kit.Eval[map[string]shown](v.Tab, `(() => {
		`+visible+`
		return Object.fromEntries([...document.querySelectorAll('[data-figure]')].filter(e => visible(e) && !e.closest('[data-chart]')).map(e => [
			(e.closest('[data-row]')?.dataset.row ?? '') + ' ' + e.dataset.figure, {Value: e.dataset.value ?? '', Text: e.textContent}]));
	})()`)
}

// agreesWithTheOracle: totals over everything are those of the CSV files.
func (s *server) agreesWithTheOracle(t *testing.T, events []golden.Event) {
	tables := golden.Compute(events, golden.Defaults())
	want := figures{}
	for figure, column := range map[string][2]string{
		"funnel.orders": {golden.Funnel, "total_orders"}, "funnel.with_items": {golden.Funnel, "orders_with_items"},
		"funnel.with_payment": {golden.Funnel, "orders_with_payment"}, "funnel.paid_without_items": {golden.Funnel, "paid_without_items"},
		"gmv.total": {golden.GMV, "gmv"}, "gmv.item_revenue": {golden.GMV, "item_revenue"}, "gmv.items": {golden.GMV, "item_count"},
		"drop_off.dropped": {golden.DropOff, "dropped_orders"}, "drop_off.pending": {golden.DropOff, "pending_orders"},
		"payments.count": {golden.Payments, "payment_count"}, "payments.value": {golden.Payments, "total_value"},
	} {
		sum, err := tables.Sum(column[0], column[1])
		if err != nil {
			t.Fatal(err)
		}
		if figure == "gmv.total" || figure == "gmv.item_revenue" || figure == "payments.value" {
			whole, cents, _ := strings.Cut(sum, ".") // the oracle leaves zeros out
			sum = whole + "." + (cents + "00")[:2]
		}
		want[figure] = sum
	}
	v := s.open(t, "#sales?range=all")
	v.shows(func() figures { return want })
}

// drawsTheDatabase: the points of every chart, as its table tells them, are what SQL says.
func (s *server) drawsTheDatabase(t *testing.T) {
	v := s.open(t, "#sales")
	kit.Eval[bool](v.Tab, "document.querySelectorAll('[data-chart] details').forEach(d => d.open = true); true")
	for _, query := range []string{"range=24h&bucket=hour", "range=7d&bucket=hour", "range=90d&bucket=day"} {
		v.ask(query)
		about := s.about(query)
		bucket := bucketLengths[s.api(query).Bucket]
		for name := range charts {
			want := s.chart(name, about, bucket)
			kit.Eventually(t, attention, func() (bool, string) {
				got, buckets := v.points(name)
				diff := want.differences(got, buckets, about, bucket)
				return len(diff) == 0, name + ", " + query + ": " + strings.Join(diff, "\n")
			})
		}
	}
}

// tellsDataTime: the page says how far the data has come, and that this is not now.
func (s *server) tellsDataTime(t *testing.T) {
	v := s.open(t, "#sales")
	v.shows(func() figures { return figures{"data_time": s.row(newest)["at"]} })
	text := kit.Eval[string](v.Tab, "document.querySelector('.clock').innerText")
	for _, says := range []string{instant(s, s.row(newest)["at"]).Format("2 Jan 2006, 15:04 UTC"), "Replayed"} {
		if !strings.Contains(text, says) {
			t.Errorf("%q does not say %q", text, says)
		}
	}
}
