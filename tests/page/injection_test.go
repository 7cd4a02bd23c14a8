package page

import (
	"fmt"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// hostile would run in the page if it was taken for HTML.
const hostile = `<img src=x onerror="window.hit=1"><script>window.hit=2</script>&amp;'"` + "`"

// Whatever events bring is shown as the text that it is.
func TestInjection(t *testing.T) {
	w := newWorld(t)
	w.exec(`insert into funnel_windows (stream, task, window_start, window_end, closes_at, total_orders)
		values ($1, 0, '2018-01-01', '2018-01-01 00:01', '2018-01-01 00:01', 3)`, hostile)
	w.exec(`insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status, total_orders, dropped_orders, sample_order_ids)
		values ($1, 0, '2018-01-01', '2018-01-01 01:00', '2018-01-01 01:00', $1, 3, 3, array[$1])`, hostile)
	w.exec(`insert into payment_windows (stream, task, window_start, window_end, closes_at, payment_type, payment_count, total_value)
		values ($1, 0, '2018-01-01', '2018-01-01 00:01', '2018-01-01 00:01', $1, 1, 5)`, hostile)
	w.exec(`insert into drop_off_alerts (alert_id, kind, window_start, window_end, order_status, total_orders, dropped_orders,
			unique_customers_affected, sample_order_ids, upper_limit, fired_data_time)
		values (md5('x')::uuid, 'threshold', '2018-01-01', '2018-01-01 01:00', $1, 3, 3, 3, array[$1], 2, '2018-01-01')`, hostile)
	w.exec(`insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue, item_count)
		values ($1, 0, '2018-01-01', '2018-01-01 00:01', '2018-01-01 00:01', 5, 1)`, hostile)
	w.exec(`insert into gmv_forecast (made_at, target_hour, forecast, lower_80, upper_80, lower_95, upper_95, model)
		values ('2018-01-01 01:00', '2018-01-01 01:00', 1, 1, 1, 1, 1, $1)`, hostile)
	w.exec(`insert into tidemark_tasks (stream, task, generation) values ($1, 0, 1)`, hostile)
	w.exec(`insert into dead_letter_events (stream, topic, partition, "offset", reason, detail, payload)
		values ($1, $1, 0, 1, 'invalid', $1, $1), ('tidemark-funnel', 'olist.orders', 0, 1, 'late', $1, $1)`, hostile)
	s := w.serve()
	for hash, places := range map[string]int{"#sales?range=all&bucket=hour": 4, "#streams": 4} {
		v := s.open(t, hash)
		v.unfold()
		v.settle()
		const shown = `(() => {
			const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			let n = 0;
			while (walk.nextNode()) if (walk.currentNode.data.includes(%q) && walk.currentNode.parentElement.getClientRects().length) n++;
			return n;
		})()`
		kit.Eventually(t, attention, func() (bool, string) {
			n := kit.Eval[int](v.Tab, fmt.Sprintf(shown, hostile))
			return n >= places, fmt.Sprintf("%s shows the text in %d places, want at least %d: %s", hash, n, places, kit.Eval[string](v.Tab, "document.body.innerText"))
		})
		if found := kit.Eval[bool](v.Tab, "'hit' in window || document.querySelector('[onerror], main script, img[src=x]') !== null"); found {
			t.Errorf("%s: what an event has brought is part of the page", hash)
		}
	}
}
