package pg_test

import (
	"strings"
	"testing"
)

func TestColumns(t *testing.T) {
	db := migrated(t)
	for relation, want := range map[string]string{
		"real_time_funnel": "window_start, window_end, total_orders, orders_with_items, orders_with_payment, paid_without_items, " +
			"items_conversion_rate, payment_conversion_rate, dropped_after_order, dropped_after_items, is_final, processed_at",
		"gmv_metrics": "window_start, window_end, gmv, item_revenue, item_count, unique_orders, avg_item_price, " +
			"max_item_price, min_item_price, is_final",
		"drop_off_analysis": "window_start, window_end, order_status, total_orders, dropped_orders, pending_orders, " +
			"unique_customers_affected, drop_rate, alert_triggered, sample_order_ids, detected_at",
		"payment_metrics": "window_start, window_end, payment_type, payment_count, transaction_count, unique_orders, total_value, " +
			"total_payment_value, avg_payment_value, avg_installments, max_installments, successful_orders, failed_orders, success_rate",
		"hourly_funnel_summary": "hour, total_orders, orders_with_items, orders_with_payment, paid_without_items, " +
			"items_conversion_rate, payment_conversion_rate, dropped_after_order, dropped_after_items, gmv, total_payment_value",
		"gmv_forecast": "made_at, target_hour, forecast, lower_80, upper_80, lower_95, upper_95, model",
		"v_latest_funnel": "window_start, window_end, total_orders, orders_with_items, orders_with_payment, " +
			"items_conversion_rate, payment_conversion_rate, dropped_after_order, dropped_after_items",
		"v_complete_funnel": "window_start, window_end, total_orders, orders_with_items, orders_with_payment, " +
			"items_conversion_rate, payment_conversion_rate, dropped_after_order, dropped_after_items, " +
			"total_gmv, total_items, total_payment, avg_payment_value, processed_at",
		"v_payment_performance": "payment_type, total_transactions, total_value, avg_value, avg_success_rate",
		"category_gmv":          "window_start, window_end, product_category, gmv, item_revenue, item_count, avg_item_price, is_final",
		"state_gmv": "window_start, window_end, customer_state, gmv, item_revenue, item_count, total_orders, orders_with_items, " +
			"avg_order_value, is_final",
		"delivery_performance": "window_start, window_end, customer_state, total_orders, delivered_orders, promised_orders, late_orders, " +
			"late_rate, avg_delivery_days, avg_delay_days, is_final",
		"top_sellers":      "window_start, window_end, rank, seller_id, seller_state, gmv, item_revenue, item_count, is_final",
		"v_top_categories": "rank, product_category, gmv, gmv_share, item_count, avg_item_price",
		"v_top_sellers":    "rank, seller_id, seller_state, gmv, gmv_share, item_count",
		"v_delivery_by_state": "customer_state, total_orders, delivered_orders, late_orders, late_rate, avg_delivery_days, " +
			"avg_delay_days",
		"v_active_alerts": "window_start, window_end, order_status, dropped_orders, unique_customers_affected, " +
			"sample_order_ids, detected_at",
		"drop_off_anomalies": "window_start, window_end, order_status, dropped_orders, weeks, expected, deviation, upper_limit, is_anomaly",
		"v_open_alerts": "kind, window_start, window_end, order_status, dropped_orders, upper_limit, expected, " +
			"unique_customers_affected, sample_order_ids, fired_at, alert_id",
	} {
		expect(t, db, `select string_agg(attname, ', ' order by attnum) from pg_attribute
			where attrelid = '`+relation+`'::regclass and attnum > 0`, want)
	}
	// Counts are whole numbers, times know their zone.
	expect(t, db, `select relname, attname, format_type(atttypid, atttypmod) from pg_attribute join pg_class on oid = attrelid
		where relkind = 'v' and relnamespace = 'public'::regnamespace and (
			attname ~ '(orders|count|items|without|transactions|affected|after_.*|installments)$' and attname <> 'avg_installments'
				and atttypid <> 'bigint'::regtype
			or attname ~ '(_start|_end|_at|^hour|^watermark)$' and atttypid <> 'timestamptz'::regtype
			or attname ~ '(gmv|revenue|price|value|^total_payment)$'
				and format_type(atttypid, atttypmod) <> 'numeric(15,2)')`)
}

func TestFunnel(t *testing.T) {
	db := migrated(t)
	// Two streams; the first has three tasks, one of which never had a record.
	run(t, db, `insert into tidemark_tasks (stream, task, generation, watermark) values
		('f', 0, 1, '2018-01-09 00:00Z'), ('f', 1, 1, '2018-01-08 12:01Z'), ('f', 2, 1, null),
		('g', 0, 1, 'infinity'), ('idle', 0, 1, null)`)
	run(t, db, `insert into funnel_windows
			(stream, task, window_start, window_end, closes_at, total_orders, orders_with_items, orders_paid, orders_with_payment, processed_at)
		values
		('f', 0, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-08 12:01Z', 5, 3, 3, 2, '2020-01-01 00:00Z'),
		('f', 1, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-08 12:01Z', 2, 2, 1, 1, '2020-01-02 00:00Z'),
		('g', 0, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-08 12:01Z', 1, 0, 1, 0, '2020-01-01 00:00Z'),
		('f', 0, '2018-01-01 12:01Z', '2018-01-01 12:02Z', '2018-01-08 12:02Z', 1, 1, 1, 1, '2020-01-01 00:00Z'),
		('f', 0, '2018-01-01 12:02Z', '2018-01-01 12:03Z', '2018-01-08 12:00Z', 1, 0, 0, 0, '2020-01-01 00:00Z'),
		('idle', 0, '2018-01-01 12:02Z', '2018-01-01 12:03Z', '2018-01-08 12:00Z', 0, 0, 0, 0, '2020-01-01 00:00Z'),
		('gone', 0, '2018-01-01 13:01Z', '2018-01-01 13:02Z', '2018-01-01 13:02Z', 800, 799, 0, 1, '2020-01-01 00:00Z')`)
	const at = "to_char(window_start at time zone 'UTC', 'HH24:MI'), "
	expect(t, db, `select `+at+`total_orders, orders_with_items, orders_with_payment, paid_without_items, items_conversion_rate,
			payment_conversion_rate, dropped_after_order, dropped_after_items, is_final,
			to_char(processed_at at time zone 'UTC', 'MM-DD')
		from real_time_funnel order by window_start`,
		"12:00|8|5|3|2|62.50|37.50|3|2|true|01-02", // closes exactly at the smallest watermark
		"12:01|1|1|1|0|100.00|100.00|0|0|false|01-01",
		"12:02|1|0|0|0|0.00|0.00|1|0|false|01-01",         // a part of a stream without any watermark
		"13:01|800|799|1|-1|99.88|0.13|1|798|false|01-01", // 99.875 and 0.125 round up; a stream without tasks
	)
	// The newest window starts at 13:01, so 12:01 is an hour back and out.
	expect(t, db, `select `+at+`total_orders, dropped_after_items from v_latest_funnel order by window_start`,
		"12:02|1|0", "13:01|800|798")
	run(t, db, `insert into funnel_windows (stream, task, window_start, window_end, closes_at)
		values ('z', 0, '2018-01-02 00:00Z', '2018-01-02 00:01Z', '2018-01-02 00:01Z')`)
	expect(t, db, `select `+at+`total_orders, items_conversion_rate, payment_conversion_rate from v_latest_funnel`, "00:00|0|0.00|0.00")
}

func TestGMV(t *testing.T) {
	db := migrated(t)
	run(t, db, `insert into tidemark_tasks (stream, task, generation, watermark) values ('g', 0, 1, '2018-01-01 12:01Z')`)
	run(t, db, `insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue, freight,
			item_count, unique_orders, max_item_price, min_item_price)
		values
		('g', 0, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-01 12:01Z', 10.05, 1.10, 4, 2, 9.00, 0.05),
		('g', 1, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-01 12:01Z', 20.00, 2.00, 4, 1, 15.00, 0.10),
		('g', 0, '2018-01-01 12:01Z', '2018-01-01 12:02Z', '2018-01-01 12:02Z', 0.25, 0, 2, 1, 0.20, 0.05)`)
	expect(t, db, `select gmv, item_revenue, item_count, unique_orders, avg_item_price, max_item_price, min_item_price, is_final
		from gmv_metrics order by window_start`,
		"33.15|30.05|8|3|3.76|15.00|0.05|true", // 3.75625
		"0.25|0.25|2|1|0.13|0.20|0.05|false",   // 0.125 rounds up
	)
}

func TestDropOff(t *testing.T) {
	db := migrated(t)
	run(t, db, `insert into alert_rules values ('canceled', 1), ('shipped', 0)`)
	run(t, db, `insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status,
			total_orders, complete_orders, dropped_orders, customers_affected, sample_order_ids, processed_at)
		values
		('f', 0, '2018-01-01 12:00Z', '2018-01-01 13:00Z', '2018-01-08 13:00Z', 'canceled', 2, 0, 2, 2, '{b,d}', '2020-01-01Z'),
		('f', 1, '2018-01-01 12:00Z', '2018-01-01 13:00Z', '2018-01-08 13:00Z', 'canceled', 3, 0, 3, 2, '{a,B,c}', '2020-01-02Z'),
		('f', 1, '2018-01-01 12:00Z', '2018-01-01 13:00Z', '2018-01-08 13:00Z', 'delivered', 11, 4, 5, 5, '{x,y,z}', '2020-01-01Z'),
		('f', 1, '2018-01-01 12:00Z', '2018-01-01 13:00Z', '2018-01-08 13:00Z', 'shipped', 16, 16, 0, 0, '{}', '2020-01-01Z'),
		('f', 0, '2018-01-01 11:00Z', '2018-01-01 12:00Z', '2018-01-08 12:00Z', 'created', 6, 0, 6, 6, '{k}', '2020-01-01Z')`)
	const columns = `order_status, total_orders, dropped_orders, pending_orders, unique_customers_affected, drop_rate,
		alert_triggered, sample_order_ids, to_char(detected_at at time zone 'UTC', 'MM-DD')`
	expect(t, db, `select `+columns+` from drop_off_analysis order by window_start, order_status`,
		"created|6|6|0|6|100.00|true|{k}|01-01", // above 5, the rule for all
		"canceled|5|5|0|4|15.63|true|{B,a,b}|01-02",
		"delivered|11|5|2|5|15.63|false|{x,y,z}|01-01", // 5 is not above 5
		"shipped|16|0|0|0|0.00|false|{}|01-01",         // 0 is not above 0
	)
	expect(t, db, `select order_status, dropped_orders, unique_customers_affected, sample_order_ids from v_active_alerts`,
		"canceled|5|4|{B,a,b}")

	// Without any rule the threshold is 5.
	run(t, db, "delete from alert_rules")
	expect(t, db, `select order_status from drop_off_analysis where alert_triggered`, "created")
}

func TestPayments(t *testing.T) {
	db := migrated(t)
	run(t, db, `insert into payment_windows (stream, task, window_start, window_end, closes_at, payment_type, payment_count,
			unique_orders, total_value, installments, max_installments, successful_orders, failed_orders)
		values
		('p', 0, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-01 12:01Z', 'boleto', 1, 1, 10.00, 1, 1, 1, 0),
		('p', 0, '2018-01-01 12:30Z', '2018-01-01 12:31Z', '2018-01-01 12:31Z', 'credit_card', 2, 1, 10.01, 5, 4, 1, 1),
		('p', 1, '2018-01-01 12:30Z', '2018-01-01 12:31Z', '2018-01-01 12:31Z', 'credit_card', 1, 1, 5.00, 10, 10, 1, 0),
		('p', 1, '2018-01-01 13:00Z', '2018-01-01 13:01Z', '2018-01-01 13:01Z', 'credit_card', 1, 1, 5.00, 10, 10, 1, 0)`)
	expect(t, db, `select payment_type, payment_count, transaction_count, unique_orders, total_value, total_payment_value,
			avg_payment_value, avg_installments, max_installments, successful_orders, failed_orders, success_rate
		from payment_metrics order by window_start, payment_type`,
		"boleto|1|1|1|10.00|10.00|10.00|1.00|1|1|0|100.00",
		"credit_card|3|3|2|15.01|15.01|5.00|5.00|10|2|1|66.67",
		"credit_card|1|1|1|5.00|5.00|5.00|10.00|10|1|0|100.00",
	)
	// The boleto came an hour before the newest window.
	expect(t, db, `select * from v_payment_performance`, "credit_card|4|20.01|5.00|75.00")
}

func TestHoursAndCompleteFunnel(t *testing.T) {
	db := migrated(t)
	run(t, db, `insert into funnel_windows (stream, task, window_start, window_end, closes_at, total_orders, orders_with_items,
			orders_paid, orders_with_payment, processed_at)
		values
		('f', 0, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-08Z', 2, 1, 2, 1, '2020-01-01Z'),
		('f', 1, '2018-01-01 12:59Z', '2018-01-01 13:00Z', '2018-01-08Z', 1, 1, 0, 0, '2020-01-01Z'),
		('f', 1, '2018-01-01 17:00Z', '2018-01-01 17:01Z', '2018-01-08Z', 0, 0, 0, 0, '2020-01-01Z')`)
	run(t, db, `insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue, freight, item_count, processed_at)
		values
		('g', 0, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-08Z', 10.00, 1.50, 2, '2020-01-03Z'),
		('g', 1, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-08Z', 1.00, 0.50, 1, '2020-01-02Z'),
		('g', 1, '2018-01-01 14:30Z', '2018-01-01 14:31Z', '2018-01-08Z', 3.00, 0, 1, '2020-01-02Z')`)
	run(t, db, `insert into payment_windows (stream, task, window_start, window_end, closes_at, payment_type, payment_count, total_value, processed_at)
		values
		('p', 0, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-08Z', 'boleto', 1, 10.00, '2020-01-02Z'),
		('p', 0, '2018-01-01 12:00Z', '2018-01-01 12:01Z', '2018-01-08Z', 'voucher', 2, 0.01, '2020-01-02Z'),
		('p', 1, '2018-01-01 15:00Z', '2018-01-01 15:01Z', '2018-01-08Z', 'voucher', 1, 0, '2020-01-02Z')`)
	expect(t, db, `select to_char(hour at time zone 'UTC', 'DD HH24:MI'), total_orders, orders_with_items, orders_with_payment,
			paid_without_items, items_conversion_rate, payment_conversion_rate, dropped_after_order, dropped_after_items,
			gmv, total_payment_value
		from hourly_funnel_summary order by hour`,
		"01 12:00|3|2|1|1|66.67|33.33|1|1|13.00|10.01",
		"01 14:00|0|0|0|0|0.00|0.00|0|0|3.00|0.00",
		"01 15:00|0|0|0|0|0.00|0.00|0|0|0.00|0.00", // a payment of nothing is a payment
	)
	expect(t, db, `select to_char(window_start at time zone 'UTC', 'HH24:MI'), total_orders, orders_with_items, orders_with_payment,
			dropped_after_order, dropped_after_items, total_gmv, total_items, total_payment, avg_payment_value,
			to_char(processed_at at time zone 'UTC', 'DD')
		from v_complete_funnel order by window_start`,
		"12:00|2|1|1|1|0|13.00|3|10.01|3.34|03",
		"12:59|1|1|0|0|1|0.00|0|0.00|0.00|01",
		"17:00|0|0|0|0|0|0.00|0|0.00|0.00|01",
	)
}

// A dashboard asks for some hours of a year: only those may be read.
func TestRecentRowsByIndex(t *testing.T) {
	db := migrated(t)
	run(t, db, `insert into funnel_windows (stream, task, window_start, window_end, closes_at, total_orders)
		select 'f', 0, t, t + interval '1 minute', t, 1
		from generate_series(timestamptz '2018-01-01Z', timestamptz '2018-02-01Z', interval '1 minute') as t`)
	run(t, db, "analyze")
	for _, query := range []string{
		"select * from v_latest_funnel",
		"select * from real_time_funnel where window_start > timestamptz '2018-01-31 20:00Z'",
	} {
		plan := strings.Join(rows(t, db, "explain "+query), "\n")
		if strings.Contains(plan, "Seq Scan on funnel_windows") {
			t.Errorf("%s reads all windows:\n%s", query, plan)
		}
	}
}

func TestSalesByDimension(t *testing.T) {
	db := migrated(t)
	run(t, db, `insert into tidemark_tasks (stream, task, generation, watermark) values ('d', 0, 1, '2018-01-09Z'), ('d', 1, 1, '2018-01-12Z')`)
	run(t, db, `insert into category_windows (stream, task, window_start, window_end, closes_at, product_category, item_revenue, freight, item_count)
		values
		('d', 0, '2018-01-01Z', '2018-01-02Z', '2018-01-02Z', 'toys', 10.00, 1.00, 3),
		('d', 1, '2018-01-01Z', '2018-01-02Z', '2018-01-02Z', 'toys', 0.25, 0.05, 1),
		('d', 0, '2018-01-02Z', '2018-01-03Z', '2018-01-03Z', 'toys', 2.00, 0, 1),
		('d', 0, '2018-01-08Z', '2018-01-09Z', '2018-01-09Z', 'Baby', 1.00, 0, 1),
		('d', 1, '2018-01-08Z', '2018-01-09Z', '2018-01-10Z', 'baby', 1.00, 0, 1)`)
	const at = "to_char(window_start at time zone 'UTC', 'MM-DD'), "
	expect(t, db, `select `+at+`product_category, gmv, item_revenue, item_count, avg_item_price, is_final
		from category_gmv order by window_start, product_category collate "C"`,
		"01-01|toys|11.30|10.25|4|2.56|true", // 2.5625
		"01-02|toys|2.00|2.00|1|2.00|true",
		"01-08|Baby|1.00|1.00|1|1.00|true",
		"01-08|baby|1.00|1.00|1|1.00|false",
	)
	// The first day begins a week before the newest, and is out.
	expect(t, db, "select * from v_top_categories", "1|toys|2.00|50.00|1|2.00", "2|Baby|1.00|25.00|1|1.00", "3|baby|1.00|25.00|1|1.00")

	run(t, db, `insert into seller_windows (stream, task, window_start, window_end, closes_at, seller_id, seller_state, item_revenue, freight, item_count)
		values
		('d', 0, '2018-01-08Z', '2018-01-09Z', '2018-01-09Z', 's1', null, 1.00, 0, 1),
		('d', 1, '2018-01-08Z', '2018-01-09Z', '2018-01-09Z', 's1', 'SP', 1.00, 0.50, 1),
		('d', 1, '2018-01-08Z', '2018-01-09Z', '2018-01-09Z', 's0', 'PR', 2.00, 0.50, 1),
		('d', 1, '2018-01-01Z', '2018-01-02Z', '2018-01-02Z', 's1', 'SP', 9.00, 0, 1)`)
	expect(t, db, `select `+at+`rank, seller_id, seller_state, gmv, item_revenue, item_count, is_final from top_sellers order by window_start, rank`,
		"01-01|1|s1|SP|9.00|9.00|1|true", "01-08|1|s0|PR|2.50|2.00|1|true", "01-08|2|s1|SP|2.50|2.00|2|true")
	expect(t, db, "select * from v_top_sellers", "1|s0|PR|2.50|50.00|1", "2|s1|SP|2.50|50.00|2")
}

func TestStatesAndDeliveries(t *testing.T) {
	db := migrated(t)
	run(t, db, `insert into state_windows (stream, task, window_start, window_end, closes_at, customer_state, total_orders, orders_with_items,
			item_revenue, freight, item_count)
		values
		('d', 0, '2018-01-01Z', '2018-01-02Z', '2018-01-09Z', 'SP', 3, 2, 10.00, 1.00, 3),
		('d', 1, '2018-01-01Z', '2018-01-02Z', '2018-01-09Z', 'SP', 1, 1, 0.25, 0.05, 1),
		('d', 1, '2018-01-01Z', '2018-01-02Z', '2018-01-09Z', 'RJ', 1, 0, 0, 0, 0)`)
	expect(t, db, `select customer_state, gmv, item_revenue, item_count, total_orders, orders_with_items, avg_order_value, is_final
		from state_gmv order by 1`,
		"RJ|0.00|0.00|0|1|0|0.00|false", "SP|11.30|10.25|4|4|3|3.77|false")
	run(t, db, `insert into delivery_windows (stream, task, window_start, window_end, closes_at, customer_state, total_orders,
			delivered_orders, promised_orders, late_orders, delivery_ms, delay_ms)
		values
		('d', 0, '2018-01-01Z', '2018-01-02Z', '2018-01-02Z', 'SP', 5, 2, 2, 1, 86400000, -86832000),
		('d', 1, '2018-01-31Z', '2018-02-01Z', '2018-02-01Z', 'SP', 2, 2, 1, 0, 108000000, -10800000),
		('d', 1, '2018-01-31Z', '2018-02-01Z', '2018-02-01Z', 'RJ', 1, 0, 0, 0, 0, 0)`)
	expect(t, db, `select customer_state, total_orders, delivered_orders, promised_orders, late_orders, late_rate, avg_delivery_days, avg_delay_days
		from delivery_performance order by window_start, customer_state`,
		"SP|5|2|2|1|50.00|0.50|-0.50", // -0.5025
		"RJ|1|0|0|0|0.00|0.00|0.00",
		"SP|2|2|1|0|0.00|0.63|-0.13", // 0.625, and -0.125: halves away from zero
	)
	expect(t, db, "select * from v_delivery_by_state", "SP|2|2|0|0.00|0.63|-0.13", "RJ|1|0|0|0.00|0.00|0.00")
}
