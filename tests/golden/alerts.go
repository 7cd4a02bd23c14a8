package golden

import (
	"math/big"
	"strconv"
	"time"
)

// DropOffWindow names a row of the drop-off.
type DropOffWindow struct {
	Start  time.Time // in UTC
	Status string
}

// AlertRule is a row of alert_rules.
type AlertRule struct {
	Threshold  int64
	Weeks      int
	Sigmas     *big.Rat // nil where anomalies raise no alert
	MinDropped int64
}

// DefaultAlertRule holds where the rules name neither the status nor "*".
func DefaultAlertRule() AlertRule { return AlertRule{5, 8, big.NewRat(3, 1), 5} }

// Judgement says which alerts a window raises, and what the weeks before are.
type Judgement struct {
	Threshold, Anomaly bool
	Weeks              int    // those that it is compared with
	Expected           string // their mean, with two decimals; "null" without any
	Deviation          string // the same of their spread
}

// Judge holds the dropped orders of windows against the rules, by order status.
// Windows that are missing have none. It computes with exact numbers.
func Judge(dropped map[DropOffWindow]int64, rules map[string]AlertRule) map[DropOffWindow]Judgement {
	var first time.Time
	for w := range dropped {
		if first.IsZero() || w.Start.Before(first) {
			first = w.Start
		}
	}
	all := map[DropOffWindow]Judgement{}
	for w, n := range dropped {
		rule, ok := rules[w.Status]
		if !ok {
			rule, ok = rules["*"]
		}
		if !ok {
			rule = DefaultAlertRule()
		}
		all[w] = judge(n, weeksBefore(dropped, w, rule.Weeks, first), rule)
	}
	return all
}

// weeksBefore are the dropped orders of the same hour in the weeks before, from the
// first window of all on.
func weeksBefore(dropped map[DropOffWindow]int64, w DropOffWindow, weeks int, first time.Time) (before []int64) {
	for range weeks {
		w.Start = w.Start.Add(-7 * 24 * time.Hour)
		if w.Start.Before(first) {
			break
		}
		before = append(before, dropped[w])
	}
	return before
}

func judge(n int64, before []int64, rule AlertRule) Judgement {
	j := Judgement{Threshold: n > rule.Threshold, Weeks: len(before), Expected: "null", Deviation: "null"}
	if len(before) == 0 {
		return j
	}
	mean, deviation := spread(before)
	j.Expected, j.Deviation = mean.FloatString(2), deviation.FloatString(2)
	if rule.Sigmas != nil {
		limit := new(big.Rat).Mul(rule.Sigmas, rounded(deviation))
		limit.Add(limit, rounded(mean))
		j.Anomaly = j.Weeks >= min(4, rule.Weeks) && n >= rule.MinDropped && new(big.Rat).SetInt64(n).Cmp(limit) > 0
	}
	return j
}

// spread is the mean, and the larger of the sample's standard deviation and the root
// of the mean.
func spread(counts []int64) (mean, deviation *big.Rat) {
	n := int64(len(counts))
	var total, squares int64
	for _, c := range counts {
		total += c
		squares += c * c
	}
	mean = big.NewRat(total, n)
	variance := new(big.Rat).Set(mean) // of Poisson
	if n > 1 {
		if sample := big.NewRat(n*squares-total*total, n*(n-1)); sample.Cmp(variance) > 0 {
			variance = sample
		}
	}
	root := new(big.Float).SetPrec(300).SetRat(variance)
	deviation, _ = root.Sqrt(root).Rat(nil)
	return mean, deviation
}

// rounded has two decimals; halves go away from zero, as FloatString has it.
func rounded(r *big.Rat) *big.Rat {
	to, _ := new(big.Rat).SetString(r.FloatString(2)) // which is a number
	return to
}

// Dropped are the dropped orders that the view of the drop-off shows.
func (t Tables) Dropped() (map[DropOffWindow]int64, error) {
	dropped := map[DropOffWindow]int64{}
	for _, row := range t[DropOff] {
		start, err := time.Parse(time.RFC3339, row[0])
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(row[4], 10, 64)
		if err != nil {
			return nil, err
		}
		dropped[DropOffWindow{start.UTC(), row[2]}] = n
	}
	return dropped, nil
}
