package statefulkafka

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const counting = `
topics: [ a ]
stop_at_end: true
watermark: { max_out_of_orderness: 1m }
processors:
  - label: once
    dedup: { key: id, ttl: 1h }
  - label: minutes
    window: { size: 1m, aggregates: { n: { count: {} }, total: { sum: { field: v } } } }
`

// minute is the row that the operator minutes emits for a minute after epoch.
func minute(taskNumber, m, n int, total string) string {
	start := epoch.Add(time.Duration(m) * time.Minute)
	stamp := func(t time.Time) string { return t.Format(time.RFC3339) }
	return fmt.Sprintf(`minutes/%d {"closes_at":%q,"n":%d,"total":%s,"window_end":%q,"window_start":%q}`,
		taskNumber, stamp(start.Add(time.Minute)), n, total, stamp(start.Add(time.Minute)), stamp(start))
}

func TestBoundedRun(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 10 {
			r := fmt.Sprintf(`{"id":"x%d","v":1.25}`, i)
			w.produce(rec("a", 0, int64(i)*20_000, r), rec("a", 0, int64(i)*20_000, r))
		}
		w.produce(rec("a", 0, 0, "garbage"), rec("a", 0, 180_000, `{"v":1}`), rec("a", 0, 180_000, `{"id":"y","v":"much"}`))
		s := w.start(counting, nil).wait()
		wantEqual(t, s.rows(), []string{minute(0, 0, 3, "3.75"), minute(0, 1, 3, "3.75"), minute(0, 2, 3, "3.75"), minute(0, 3, 1, "1.25")})
		wantEqual(t, s.letters(), []string{"invalid a/0@20", "invalid a/0@21", "invalid a/0@22"})
		for op, want := range map[string]string{
			"input": "in=23 passed=23", "json": "in=23 passed=22 invalid=1", "once": "in=22 passed=11 duplicate=10 invalid=1", "minutes": "in=11 passed=10 invalid=1",
		} {
			if got := s.account(op).String(); got != want {
				t.Errorf("%s: %s, want %s", op, got, want)
			}
		}
		if s.hub.Err() != nil {
			t.Error(s.hub.Err())
		}
	}, kfake.SeedTopics(1, "a"))
}

// orders draws a little shop: orders with items and payments in three partitions of
// three topics, in disorder of up to a minute, with duplicates, late ones and orphans.
func orders(seed uint64) (records []*kgo.Record) {
	r := rand.New(rand.NewPCG(seed, 1))
	type timed struct {
		rec  *kgo.Record
		sent int64
	}
	var all []timed
	add := func(topic string, key int, ms int64, value string) {
		x := rec(topic, int32(key%3), ms, value)
		x.Key = fmt.Appendf(nil, "o%d", key)
		for range 1 + r.IntN(10)/8 { // one in five twice
			all = append(all, timed{x, ms + r.Int64N(60_000)})
		}
	}
	ms := int64(0)
	for i := range 300 {
		ms += r.Int64N(90_000)
		if r.IntN(20) > 0 { // else its children are orphans
			add("orders", i, ms, fmt.Sprintf(`{"id":"o%d","order":"o%d"}`, i, i))
		}
		for k := range r.IntN(4) {
			add("items", i, ms+r.Int64N(4_000_000)/int64(1+r.IntN(3)), fmt.Sprintf(`{"id":"i%d.%d","order":"o%d","price":%d.%02d}`, i, k, i, r.IntN(100), r.IntN(100)))
		}
		for k := range r.IntN(3) {
			add("payments", i, ms+r.Int64N(100_000)-50_000, fmt.Sprintf(`{"id":"p%d.%d","order":"o%d"}`, i, k, i))
		}
	}
	slices.SortStableFunc(all, func(a, b timed) int { return int(a.sent - b.sent) })
	for _, x := range all {
		records = append(records, x.rec)
	}
	return records
}

const funnel = `
topics: [ orders, items, payments ]
stop_at_end: true
watermark: { max_out_of_orderness: 61s }
processors:
  - label: once
    dedup: { key: id, ttl: 2h }
  - label: joined
    join:
      key: order
      anchor: orders
      streams: { items: { topic: items }, payments: { topic: payments } }
      before: 1m
      within: 30m
  - label: both
    fan_out:
      - processors:
          - label: funnel
            window:
              size: 1m
              aggregates:
                orders: { count: { where: 'this.change == "anchor"' } }
                items: { count: { where: 'this.change == "items"' } }
                first_items: { count: { where: 'this.change == "items" && this.items_count == 1' } }
                paid: { count: { where: 'this.change == "payments" && this.payments_count == 1' } }
                lost: { count: { where: 'this.change == "closed" && this.payments_count == 0' } }
      - processors:
          - label: revenue
            window: { size: 1h, emit: on_close, aggregates: { sum: { sum: { field: items.price } }, smallest: { collect: { field: order, limit: 3, order: value } } } }
`

// TestSameRows: the final rows, the dead letters and the account depend on the
// records alone: not on the size of batches or fetches, nor on how slow the output is.
func TestSameRows(t *testing.T) {
	for seed := range uint64(3) {
		records := orders(seed)
		var rows, letters []string
		var accounts string
		for _, c := range []struct {
			batch string
			fetch int32
			slow  bool
		}{{"1024", 1 << 20, false}, {"1", 1 << 20, false}, {"10000", 1 << 20, false}, {"7", 700, true}} {
			inWorld(t, func(w *world) {
				w.produce(records...)
				w.opts = []kgo.Opt{kgo.FetchMaxPartitionBytes(c.fetch)}
				var take taker
				if c.slow {
					take = slowly(300 * time.Millisecond)
				}
				s := w.start(funnel+"batch_size: "+c.batch, take).wait()
				var account strings.Builder
				for _, op := range []string{"input", "json", "once", "joined", "both", "funnel", "revenue"} {
					fmt.Fprintln(&account, op, s.account(op))
				}
				if rows == nil {
					rows, letters, accounts = s.rows(), s.letters(), account.String()
					if n := s.account("joined"); n[task.Orphan] == 0 || n[task.Late] == 0 || n[task.Passed] < 300 || len(rows) < 100 {
						t.Fatalf("a dull test: %v, %d rows", n, len(rows))
					}
					checkFunnel(t, records, rows)
				}
				wantEqual(t, s.rows(), rows)
				wantEqual(t, s.letters(), letters)
				if account.String() != accounts {
					t.Errorf("batch %s: %s\nwant %s", c.batch, account.String(), accounts)
				}
			}, kfake.SeedTopics(3, "orders", "items", "payments"))
		}
	}
}

// checkFunnel computes what can be computed without any order of arrival.
func checkFunnel(t *testing.T, records []*kgo.Record, rows []string) {
	t.Helper()
	type order struct{ at, paid int64 }
	seen := map[string]bool{}
	placed := map[string]*order{}
	field := func(r *kgo.Record, name string) string {
		_, after, _ := strings.Cut(string(r.Value), `"`+name+`":"`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}
	for _, r := range records {
		if r.Topic == "orders" {
			placed[field(r, "order")] = &order{at: r.Timestamp.UnixMilli()}
		}
	}
	var items, paid int64
	for _, r := range records {
		o := placed[field(r, "order")]
		if o == nil || seen[field(r, "id")] || r.Topic == "orders" {
			continue
		}
		seen[field(r, "id")] = true
		if d := r.Timestamp.UnixMilli() - o.at; d < -60_000 || d > 30*60_000 {
			continue
		}
		if r.Topic == "items" {
			items++
		} else if o.paid++; o.paid == 1 {
			paid++
		}
	}
	lost := int64(len(placed)) - paid
	var got [4]int64
	for _, r := range rows {
		if !strings.HasPrefix(r, "funnel/") {
			continue
		}
		for i, name := range []string{"orders", "items", "paid", "lost"} {
			var n int64
			_, after, _ := strings.Cut(r, `"`+name+`":`)
			if _, err := fmt.Sscan(strings.FieldsFunc(after, func(c rune) bool { return c == ',' || c == '}' })[0], &n); err != nil {
				t.Fatal(r, err)
			}
			got[i] += n
		}
	}
	if want := [4]int64{int64(len(placed)), items, paid, lost}; got != want {
		t.Errorf("orders, items, paid, lost are %v, want %v", got, want)
	}
}

// TestEmptyTopics: partitions without records hold nothing up.
func TestEmptyTopics(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.start("topics: [ a, b ]\nstop_at_end: true", nil).wait()
		if len(s.all()) != 0 {
			t.Error(s.all())
		}
		if got := s.account("input").String(); got != "in=0" {
			t.Error(got)
		}
		w.produce(rec("a", 1, 5000, `{"id":"1","v":1}`), rec("b", 0, 65_000, `{"id":"2","v":1}`))
		s = w.start(strings.Replace(counting, "[ a ]", "[ a, b ]", 1), nil).wait()
		wantEqual(t, s.rows(), []string{minute(0, 1, 1, "1"), minute(1, 0, 1, "1")})
	}, kfake.SeedTopics(3, "a", "b"))
}

// TestMergeOrder: without operators the records of a task leave in the order of
// event time, topics in the order of the config where times are equal.
func TestMergeOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		var want []string
		for i := range 500 {
			for _, topic := range []string{"b", "a"} {
				w.produce(rec(topic, 0, int64(i), fmt.Sprint(topic, i)))
				want = append(want, fmt.Sprint(topic, i))
			}
		}
		s := w.start("topics: [ b, a ]\nstop_at_end: true\nbatch_size: 3", nil).wait()
		var got []string
		for _, m := range s.all() {
			b, err := m.AsBytes()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(b))
		}
		wantEqual(t, got, want)
	}, kfake.SeedTopics(1, "a", "b"))
}

// TestRecordsAfterTheStart: a bounded run reads to the end that it found at its start.
func TestRecordsAfterTheStart(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 50 {
			w.produce(rec("a", 0, int64(i), fmt.Sprintf(`{"id":"%d","v":1}`, i)))
		}
		more := int64(1000)
		s := w.start(counting+"batch_size: 5\nemit_interval: 1ms", slowlyAnd(time.Second, func() {
			w.produce(rec("a", 0, more, fmt.Sprintf(`{"id":"m%d","v":1}`, more)))
			more++
		})).wait()
		if n := s.account("input"); n[task.In] != 50 || more == 1000 {
			t.Errorf("%v, %d more", n, more-1000)
		}
		wantEqual(t, s.rows(), []string{minute(0, 0, 50, "50")})
	}, kfake.SeedTopics(1, "a"))
}

// TestFuture: a record too far beyond the clock is a dead letter and moves nothing.
func TestFuture(t *testing.T) {
	inWorld(t, func(w *world) {
		future := rec("a", 0, 0, `{"id":"future","v":1}`)
		future.Timestamp = time.Now().Add(10*time.Minute + time.Second)
		far := rec("a", 0, 0, `{"id":"far","v":1}`)
		far.Timestamp = time.UnixMicro(1_514_764_800_000_000_000) // nanoseconds taken for milliseconds
		near := rec("a", 0, 0, `{"id":"near","v":1}`)
		near.Timestamp = time.Now().Add(10*time.Minute - time.Second)
		w.produce(rec("a", 0, 0, `{"id":"1","v":1}`), future, far, rec("a", 0, 1000, `{"id":"2","v":1}`), near, rec("a", 0, 2000, `{"id":"3","v":1}`))
		s := w.start(counting, nil).wait()
		wantEqual(t, s.letters(), []string{"future a/0@1", "future a/0@2", "late a/0@5"})
		if rows := s.rows(); len(rows) != 2 || rows[0] != minute(0, 0, 2, "2") {
			t.Error(rows)
		}
		for _, m := range s.all() {
			if _, err := m.AsBytes(); err != nil {
				t.Errorf("a message that JSON does not know: %v", err)
			}
		}
	}, kfake.SeedTopics(1, "a"))
}
