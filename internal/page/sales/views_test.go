package sales

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A shop is streams as the ledger and the tables see them: tasks that write rows of
// windows which are not final, commit, begin anew, and whatever else happens to rows.
type shop struct {
	t       *testing.T
	db      *sql.DB
	rand    *rand.Rand
	streams []*stream
	log     []string
}

type stream struct {
	name  string
	write []func(s *shop, k *shopTask, start int64)
	close int64 // seconds from the start of a window to its closes_at
	tasks []*shopTask
	fresh bool // windows stay open for longer than those that have rows
}

type shopTask struct {
	stream     *stream
	task       int
	generation int
	seq        int
	committed  int // seq
	watermark  int64
	seen       bool // has had a record
	begun      bool // since then it has told its watermark
	ended      bool
}

const shopStart = 1_500_000_000 / 3600 * 3600

func newShop(t *testing.T, db *sql.DB, seed uint64) *shop {
	s := &shop{t: t, db: db, rand: rand.New(rand.NewPCG(seed, 1))}
	funnel := &stream{name: "funnel", close: 3*hour + 60, write: []func(*shop, *shopTask, int64){writeFunnel, writeDropOff}}
	gmv := &stream{name: "gmv", close: 180, write: []func(*shop, *shopTask, int64){writeGMV}}
	payments := &stream{name: "payments", close: 60, write: []func(*shop, *shopTask, int64){writePayment}}
	other := &stream{name: "other"}
	s.streams = []*stream{funnel, gmv, payments, other}
	for _, st := range s.streams {
		for n := range 3 {
			st.tasks = append(st.tasks, &shopTask{stream: st, task: n})
		}
	}
	return s
}

func (s *shop) run(statement string, args ...any) {
	s.t.Helper()
	run(s.t, s.db, statement, args...)
}

// anyTask is one that may do something; the last of a stream stays without a record for long.
func (s *shop) anyTask() *shopTask {
	st := s.streams[s.rand.IntN(len(s.streams))]
	n := s.rand.IntN(len(st.tasks))
	if n == 2 && s.rand.IntN(20) > 0 && !st.tasks[2].seen {
		n = s.rand.IntN(2)
	}
	return st.tasks[n]
}

// step does one thing that may happen.
func (s *shop) step() {
	k := s.anyTask()
	switch roll := s.rand.IntN(100); {
	case k.generation == 0:
		s.begin(k)
	case roll < 60:
		s.rows(k)
	case roll < 80:
		s.commit(k)
	case roll < 86:
		s.begin(k)
	case roll < 89:
		s.end(k)
	case roll < 91:
		s.replay(k)
	case roll < 92 && s.rand.IntN(3) == 0:
		s.truncate()
	case roll < 93 || roll < 94 && s.rand.IntN(3) == 0:
		s.cleanup()
	case roll < 97:
		s.reconfigure(k.stream)
	}
}

func (s *shop) say(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

// rows writes to windows that are open for a task.
func (s *shop) rows(k *shopTask) {
	if k.ended || len(k.stream.write) == 0 {
		return
	}
	if !k.seen {
		// Its first record may lie before all others.
		k.watermark = shopStart + s.rand.Int64N(40*hour)
	}
	if k.stream.fresh {
		// The first rows of windows that stay open for longer are of the newest one.
		k.stream.fresh = false
		for _, write := range k.stream.write {
			write(s, k, floor(k.watermark, 60)+2*hour)
		}
		return
	}
	for range 1 + s.rand.IntN(6) {
		earliest := floor(k.watermark-k.stream.close, 60) + 60
		start := earliest + s.rand.Int64N((k.stream.close+2*hour)/60)*60
		k.stream.write[s.rand.IntN(len(k.stream.write))](s, k, start)
	}
	k.seen = true
	s.say("rows %s/%d", k.stream.name, k.task)
}

func (s *shop) commit(k *shopTask) {
	if !k.seen || k.ended {
		return
	}
	if s.rand.IntN(2) == 0 {
		k.watermark += s.rand.Int64N(hour)
	}
	k.committed, k.begun = k.seq, true
	s.run("update tidemark_tasks set committed_seq = $3, watermark = $4 where stream = $1 and task = $2",
		k.stream.name, k.task, k.committed, timestamp(k.watermark))
	s.say("commit %s/%d at %s", k.stream.name, k.task, timestamp(k.watermark))
}

// begin withdraws what was not committed, and forgets the watermark.
func (s *shop) begin(k *shopTask) {
	k.generation++
	k.seq, k.ended, k.begun = k.committed, false, false
	s.run(`insert into tidemark_tasks (stream, task, generation, committed_seq) values ($1, $2, $3, $4)
		on conflict (stream, task) do update set generation = excluded.generation, watermark = null`,
		k.stream.name, k.task, k.generation, k.committed)
	s.withdraw(k, "seq > $3", k.committed)
	s.say("begin %s/%d", k.stream.name, k.task)
}

func (s *shop) withdraw(k *shopTask, what string, arg any) {
	for _, table := range []string{"funnel_windows", "gmv_windows", "payment_windows", "drop_off_windows"} {
		s.run("delete from "+table+" where stream = $1 and task = $2 and "+what, k.stream.name, k.task, arg)
	}
}

// end emits everything as final, which is not committed.
func (s *shop) end(k *shopTask) {
	if !k.seen || k.ended {
		return
	}
	s.commit(k)
	s.rows(k)
	k.ended = true
	s.run("update tidemark_tasks set watermark = 'infinity' where stream = $1 and task = $2", k.stream.name, k.task)
	s.say("end %s/%d", k.stream.name, k.task)
}

// replay computes windows anew from some time on.
func (s *shop) replay(k *shopTask) {
	if !k.seen {
		return
	}
	k.watermark -= s.rand.Int64N(6 * hour)
	s.begin(k)
	s.withdraw(k, "closes_at > $3", timestamp(k.watermark))
	s.run("update tidemark_tasks set watermark = $3 where stream = $1 and task = $2", k.stream.name, k.task, timestamp(k.watermark))
	s.say("replay %s/%d from %s", k.stream.name, k.task, timestamp(k.watermark))
}

func (s *shop) truncate() {
	s.run("truncate funnel_windows, gmv_windows, payment_windows, drop_off_windows, tidemark_tasks")
	for _, st := range s.streams {
		for _, k := range st.tasks {
			*k = shopTask{stream: st, task: k.task}
		}
	}
	s.say("truncate")
}

func (s *shop) cleanup() {
	before := timestamp(shopStart + s.rand.Int64N(20*hour))
	for _, table := range []string{"funnel_windows", "gmv_windows", "payment_windows", "drop_off_windows"} {
		s.run("delete from "+table+" where window_start < $1", before)
	}
	s.say("cleanup before %s", before)
}

// reconfigure lets the windows of a stream stay open for longer, and its tasks begin anew.
func (s *shop) reconfigure(st *stream) {
	if len(st.write) == 0 {
		return
	}
	st.close += 60 * s.rand.Int64N(30)
	for _, k := range st.tasks {
		if k.generation > 0 {
			s.begin(k)
		}
	}
	st.fresh = true
	s.say("windows of %s close after %d s", st.name, st.close)
}

func (k *shopTask) row(start, length int64) []any {
	k.seq++
	// Windows of an hour that hold the start close no earlier than its minute.
	at := floor(start, length)
	return []any{k.stream.name, k.task, timestamp(at), timestamp(at + length), timestamp(at + length - 60 + k.stream.close), k.seq}
}

func (s *shop) money() string {
	return strconv.FormatFloat(float64(s.rand.IntN(100_000))/100, 'f', 2, 64)
}

func writeFunnel(s *shop, k *shopTask, start int64) {
	n := s.rand.IntN(9)
	items := s.rand.IntN(n + 1)
	paid := s.rand.IntN(n + 1)
	s.run(`insert into funnel_windows (stream, task, window_start, window_end, closes_at, seq, total_orders, orders_with_items, orders_paid,
			orders_with_payment)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict (stream, task, window_start) do update set total_orders = excluded.total_orders, seq = excluded.seq,
			orders_with_items = excluded.orders_with_items, closes_at = excluded.closes_at, orders_paid = excluded.orders_paid,
			orders_with_payment = excluded.orders_with_payment`,
		append(k.row(start, 60), n, items, paid, min(items, paid))...)
}

func writeGMV(s *shop, k *shopTask, start int64) {
	s.run(`insert into gmv_windows (stream, task, window_start, window_end, closes_at, seq, item_revenue, freight, item_count, unique_orders)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict (stream, task, window_start) do update set item_revenue = excluded.item_revenue, seq = excluded.seq,
			closes_at = excluded.closes_at, freight = excluded.freight, item_count = excluded.item_count, unique_orders = excluded.unique_orders`,
		append(k.row(start, 60), s.money(), s.money(), s.rand.IntN(9), s.rand.IntN(5))...)
}

func writeDropOff(s *shop, k *shopTask, start int64) {
	status := []string{"canceled", "created", "delivered", "unavailable"}[s.rand.IntN(4)]
	n := s.rand.IntN(9)
	dropped := s.rand.IntN(n + 1)
	var ids []string
	for range min(3, dropped) {
		ids = append(ids, strconv.Quote(fmt.Sprintf("%c%03d", "aBé"[s.rand.IntN(2)], s.rand.IntN(1000))))
	}
	s.run(`insert into drop_off_windows (stream, task, window_start, window_end, closes_at, seq, order_status, total_orders, complete_orders,
			dropped_orders, customers_affected, sample_order_ids)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		on conflict (stream, task, window_start, order_status) do update set total_orders = excluded.total_orders, seq = excluded.seq,
			complete_orders = excluded.complete_orders, closes_at = excluded.closes_at, dropped_orders = excluded.dropped_orders,
			customers_affected = excluded.customers_affected, sample_order_ids = excluded.sample_order_ids`,
		append(k.row(start, hour), status, n, s.rand.IntN(n-dropped+1), dropped, s.rand.IntN(dropped+1), "{"+strings.Join(ids, ",")+"}")...)
}

func writePayment(s *shop, k *shopTask, start int64) {
	kind := []string{"boleto", "credit_card", "voucher"}[s.rand.IntN(3)]
	n := 1 + s.rand.IntN(9)
	ok := s.rand.IntN(n + 1)
	s.run(`insert into payment_windows (stream, task, window_start, window_end, closes_at, seq, payment_type, payment_count, total_value,
			installments, successful_orders, failed_orders)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		on conflict (stream, task, window_start, payment_type) do update set payment_count = excluded.payment_count, seq = excluded.seq,
			closes_at = excluded.closes_at, total_value = excluded.total_value, installments = excluded.installments,
			successful_orders = excluded.successful_orders, failed_orders = excluded.failed_orders`,
		append(k.row(start, 60), kind, n, s.money(), s.rand.IntN(20), ok, n-ok)...)
}

// fromViews is what the views say of a snapshot's range, in the form of the snapshot.
func fromViews(t *testing.T, db *sql.DB, from, to time.Time, bucket string) string {
	t.Helper()
	dropBucket := bucket
	if bucket == "minute" {
		dropBucket = "hour"
	}
	in := fmt.Sprintf("window_start >= '%s' and window_start < '%s'", from.Format(time.RFC3339), to.Format(time.RFC3339))
	bin := func(b string) string {
		return "extract(epoch from date_bin('1 " + b + "', window_start, '1970-01-01Z'))::bigint"
	}
	rate := func(part, whole string) string {
		return "coalesce(round(100.0 * " + part + " / nullif(" + whole + ", 0), 2), 0.00)::text"
	}
	mean := func(part, whole string) string {
		return "coalesce(round(" + part + " / nullif(" + whole + ", 0), 2), 0.00)::text"
	}
	series := func(b, view, value, by string) string {
		return "(select coalesce(jsonb_object_agg(k, v), '{}') from (select " + by + " as k, jsonb_object_agg(b, n) as v from (select " + by + ", " +
			bin(b) + " as b, sum(" + value + ") as n from " + view + " where " + in + " group by 1, 2 having sum(" + value + ") <> 0) as x group by 1) as y)"
	}
	var text string
	err := db.QueryRowContext(t.Context(), `
	select jsonb_build_object(
		'funnel', (
			select jsonb_build_object(
				'orders', n, 'with_items', i, 'with_payment', p, 'paid_without_items', w, 'items_rate', `+rate("i", "n")+`,
				'payment_rate', `+rate("p", "n")+`, 'dropped_after_order', a, 'dropped_after_items', b, 'is_final', f,
				'bottleneck', case when a > 0 and a >= b then 'items' when b > 0 then 'payment' else '' end)
			from (
				select coalesce(sum(total_orders), 0) as n, coalesce(sum(orders_with_items), 0) as i, coalesce(sum(orders_with_payment), 0) as p,
					coalesce(sum(paid_without_items), 0) as w, coalesce(sum(dropped_after_order), 0) as a,
					coalesce(sum(dropped_after_items), 0) as b, coalesce(bool_and(is_final), false) as f
				from real_time_funnel where `+in+`) as x),
		'orders_series', `+series(bucket, "real_time_funnel", "total_orders", "''::text")+`,
		'with_items_series', `+series(bucket, "real_time_funnel", "orders_with_items", "''::text")+`,
		'with_payment_series', `+series(bucket, "real_time_funnel", "orders_with_payment", "''::text")+`,
		'gmv', (
			select jsonb_build_object('total', g::text, 'item_revenue', r::text, 'items', n, 'orders', o, 'avg_item_price', `+mean("r", "n")+`)
			from (
				select coalesce(sum(gmv), 0.00) as g, coalesce(sum(item_revenue), 0.00) as r, coalesce(sum(item_count), 0) as n,
					coalesce(sum(unique_orders), 0) as o
				from gmv_metrics where `+in+`) as x),
		'gmv_series', `+series(bucket, "gmv_metrics", "gmv", "''::text")+`,
		'drop_off', (
			select jsonb_build_object('orders', n, 'dropped', d, 'pending', p, 'rate', `+rate("d", "n")+`, 'customers', c)
			from (
				select coalesce(sum(total_orders), 0) as n, coalesce(sum(dropped_orders), 0) as d, coalesce(sum(pending_orders), 0) as p,
					coalesce(sum(unique_customers_affected), 0) as c
				from drop_off_analysis where `+in+`) as x),
		'statuses', (
			select coalesce(jsonb_agg(jsonb_build_object('status', s, 'orders', n, 'dropped', d, 'pending', p, 'rate', `+rate("d", "sum_n")+`,
				'customers', c, 'samples', coalesce((
					select jsonb_agg(id) from (
						select distinct id collate "C" as id from drop_off_analysis, unnest(sample_order_ids) as id
						where `+in+` and order_status = s order by 1 limit 3) as y), '[]')
				) order by d desc, n desc, s), '[]')
			from (
				select order_status as s, sum(total_orders) as n, sum(dropped_orders) as d, sum(pending_orders) as p,
					sum(unique_customers_affected) as c, sum(sum(total_orders)) over () as sum_n
				from drop_off_analysis where `+in+` group by 1) as x),
		'drop_off_series', `+series(dropBucket, "drop_off_analysis", "dropped_orders", "order_status")+`,
		'payments', (
			select jsonb_build_object('count', n, 'value', v::text, 'success_rate', `+rate("o", "n")+`)
			from (
				select coalesce(sum(payment_count), 0) as n, coalesce(sum(total_value), 0.00) as v, coalesce(sum(successful_orders), 0) as o
				from payment_metrics where `+in+`) as x),
		'types', (
			select coalesce(jsonb_agg(jsonb_build_object('type', k, 'count', n, 'value', v::text, 'share', `+rate("v", "sum_v")+`, 'average', `+mean("v", "n")+`,
				'installments', `+mean("i", "n")+`, 'success_rate', `+rate("o", "n")+`) order by v desc, k), '[]')
			from (
				select payment_type as k, sum(payment_count) as n, sum(total_value) as v, sum(successful_orders) as o,
					sum(sum(total_value)) over () as sum_v,
					(select sum(w.installments)::numeric from payment_windows as w where w.`+in[:len("window_start")]+` >= '`+from.Format(time.RFC3339)+`'
						and w.window_start < '`+to.Format(time.RFC3339)+`' and w.payment_type = m.payment_type) as i
				from payment_metrics as m where `+in+` group by 1) as x),
		'payment_series', `+series(bucket, "payment_metrics", "total_value", "payment_type")+`
	)`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// inForm is a snapshot in the form of fromViews.
func inForm(t *testing.T, s *Snapshot) string {
	t.Helper()
	form := map[string]any{
		"orders_series":       nonzero(t, s, s.Funnel.T, map[string][]int64{"": s.Funnel.OrdersSeries}),
		"with_items_series":   nonzero(t, s, s.Funnel.T, map[string][]int64{"": s.Funnel.WithItemsSeries}),
		"with_payment_series": nonzero(t, s, s.Funnel.T, map[string][]int64{"": s.Funnel.WithPaymentSeries}),
		"gmv_series":          nonzero(t, s, s.GMV.T, map[string][]float64{"": s.GMV.Series}),
		"drop_off_series":     nonzero(t, s, s.DropOff.T, s.DropOff.Series),
		"payment_series":      nonzero(t, s, s.Payments.T, s.Payments.Series),
		"statuses":            s.DropOff.Statuses,
		"types":               s.Payments.Types,
	}
	keep := func(name string, value any, fields ...string) {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		kept := map[string]any{}
		for _, f := range fields {
			kept[f] = all[f]
		}
		form[name] = kept
	}
	keep("funnel", s.Funnel, "orders", "with_items", "with_payment", "paid_without_items", "items_rate", "payment_rate",
		"dropped_after_order", "dropped_after_items", "is_final", "bottleneck")
	keep("gmv", s.GMV, "total", "item_revenue", "items", "orders", "avg_item_price")
	keep("drop_off", s.DropOff, "orders", "dropped", "pending", "rate", "customers")
	keep("payments", s.Payments, "count", "value", "success_rate")
	text, err := json.Marshal(form)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// nonzero are series by name and bucket, and checks that the buckets have no gaps.
func nonzero[N int64 | float64](t *testing.T, s *Snapshot, starts []int64, series map[string][]N) map[string]map[string]N {
	t.Helper()
	step := buckets[s.Bucket]
	if len(starts) != len(s.Funnel.T) {
		step = hour // drop-off beside minutes
	}
	for i := 1; i < len(starts); i++ {
		if starts[i]-starts[i-1] != step {
			t.Fatalf("a gap: %d after %d", starts[i], starts[i-1])
		}
	}
	all := map[string]map[string]N{}
	for name, values := range series {
		if len(values) != len(starts) {
			t.Fatalf("%d values of %q for %d buckets", len(values), name, len(starts))
		}
		for i, v := range values {
			if v != 0 {
				if all[name] == nil {
					all[name] = map[string]N{}
				}
				all[name][strconv.FormatInt(starts[i], 10)] = v
			}
		}
	}
	return all
}

// same is a JSON text in one form: numbers as they are, keys in order.
func same(t *testing.T, text string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	form, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(form)
}

// Whatever happens to the rows, every snapshot is what the views say at that time.
func TestSnapshotsLikeTheViews(t *testing.T) {
	seed, steps := uint64(time.Now().UnixNano()), 150
	if text := os.Getenv("TIDEMARK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("TIDEMARK_STEPS"); text != "" {
		var err error
		if steps, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TIDEMARK_SEED=%d", seed)
	db, sales := database(t)
	shop := newShop(t, db, seed)
	queries := []string{
		"range=all", "range=all&bucket=hour", "range=all&bucket=day", "range=24h&bucket=minute", "range=1h", "range=6h&bucket=hour",
		"range=7d", "range=30d&bucket=day", "range=1y", "from=2017-07-14T06:30:00Z&to=2017-07-14T18:10:00Z&bucket=minute",
		"from=2017-07-14T06:30:00Z&to=2017-07-15T18:10:00Z&bucket=hour",
	}
	for i := range steps {
		for range 1 + shop.rand.IntN(3) {
			shop.step()
		}
		query := queries[shop.rand.IntN(len(queries))]
		got := snapshot(t, sales, query)
		if got.DataTime == nil {
			var n int
			if err := db.QueryRowContext(t.Context(), `select (select count(*) from funnel_windows) + (select count(*) from gmv_windows)
				+ (select count(*) from payment_windows)`).Scan(&n); err != nil || n > 0 {
				t.Fatalf("step %d: no data, but %d rows (%v)", i, n, err)
			}
			continue
		}
		have, want := same(t, inForm(t, got)), same(t, fromViews(t, db, *got.Range.From, *got.Range.To, got.Bucket))
		if have != want {
			t.Fatalf("step %d, after %s\n%s differs from the views\n got %s\nwant %s", i,
				strings.Join(shop.log[max(0, len(shop.log)-8):], "; "), query, have, want)
		}
	}
}
