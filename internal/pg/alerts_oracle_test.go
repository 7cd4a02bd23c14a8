package pg_test

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// dropOff is what a test writes into drop_off_windows, and what the oracle reads.
type dropOff struct {
	start   time.Time
	status  string
	task    int
	dropped int64
}

// alertRule is a row of alert_rules.
type alertRule struct {
	threshold  int64
	weeks      int
	sigmas     *big.Rat // nil for no anomalies
	minDropped int64
}

// hourAlert is what a window and status is found to be.
type hourAlert struct {
	threshold, anomaly  bool
	weeks               int
	expected, deviation string // two decimals; "null" where nothing is known
}

// judge says, window by window, what fires by the rules: the description of
// docs/alerts.md once more, with exact numbers instead of SQL.
func judge(rows []dropOff, rules map[string]alertRule) map[string]hourAlert {
	type window struct {
		start  int64
		status string
	}
	dropped := map[window]int64{}
	first := rows[0].start
	for _, r := range rows {
		dropped[window{r.start.Unix(), r.status}] += r.dropped
		if r.start.Before(first) {
			first = r.start
		}
	}
	const week = 7 * 24 * 60 * 60
	found := map[string]hourAlert{}
	for w, n := range dropped {
		rule, ok := rules[w.status]
		if !ok {
			rule, ok = rules["*"]
		}
		if !ok {
			rule = alertRule{5, 8, big.NewRat(3, 1), 3}
		}
		a := hourAlert{threshold: n > rule.threshold, expected: "null", deviation: "null"}
		var before []int64
		for ago := 1; ago <= rule.weeks && w.start-int64(ago)*week >= first.Unix(); ago++ {
			before = append(before, dropped[window{w.start - int64(ago)*week, w.status}])
		}
		if a.weeks = len(before); a.weeks > 0 {
			mean, deviation := spread(before)
			a.expected, a.deviation = mean.FloatString(2), deviation.FloatString(2)
			if rule.sigmas != nil {
				limit := new(big.Rat).Mul(rule.sigmas, rounded(deviation))
				limit.Add(limit, rounded(mean))
				a.anomaly = a.weeks >= min(4, rule.weeks) && n >= rule.minDropped && new(big.Rat).SetInt64(n).Cmp(limit) > 0
			}
		}
		found[fmt.Sprintf("%s|%s", time.Unix(w.start, 0).UTC().Format(time.DateTime), w.status)] = a
	}
	return found
}

// spread is the mean, and the larger of the sample's standard deviation and the
// root of the mean.
func spread(counts []int64) (mean, deviation *big.Rat) {
	n := int64(len(counts))
	var sum, squares int64
	for _, c := range counts {
		sum += c
		squares += c * c
	}
	mean = big.NewRat(sum, n)
	variance := new(big.Rat).Set(mean) // of Poisson
	if n > 1 {
		if sample := big.NewRat(n*squares-sum*sum, n*(n-1)); sample.Cmp(variance) > 0 {
			variance = sample
		}
	}
	root := new(big.Float).SetPrec(300).SetRat(variance)
	deviation, _ = root.Sqrt(root).Rat(nil)
	return mean, deviation
}

// rounded has two decimals; halves go away from zero, as FloatString has it.
func rounded(r *big.Rat) *big.Rat {
	to, ok := new(big.Rat).SetString(r.FloatString(2))
	if !ok {
		panic(r)
	}
	return to
}

func (r alertRule) values(status string) string {
	sigmas := "null"
	if r.sigmas != nil {
		sigmas = r.sigmas.FloatString(3)
	}
	return fmt.Sprintf("('%s', %d, %d, %s, %d)", status, r.threshold, r.weeks, sigmas, r.minDropped)
}

func insertDropOff(rows []dropOff) string {
	values := make([]string, len(rows))
	for i, r := range rows {
		start, end := r.start.Format(time.RFC3339), r.start.Add(time.Hour).Format(time.RFC3339)
		closes := r.start.Add(169 * time.Hour).Format(time.RFC3339)
		values[i] = fmt.Sprintf("('f', %d, '%s', '%s', '%s', '%s', %d, %d, %d, '{o%d}')",
			r.task, start, end, closes, r.status, r.dropped+1, r.dropped, r.dropped, r.task)
	}
	return `insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status,
			total_orders, dropped_orders, customers_affected, sample_order_ids)
		values ` + strings.Join(values, ", ") + `
		on conflict (stream, task, window_start, order_status) do update
		set total_orders = excluded.total_orders, dropped_orders = excluded.dropped_orders, processed_at = now()`
}
