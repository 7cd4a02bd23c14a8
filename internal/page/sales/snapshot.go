package sales

import "time"

// Snapshot is what the analyst's view shows, as of one moment. Its figures are sums over
// the windows that start in the range, those of the views real_time_funnel, gmv_metrics,
// drop_off_analysis and payment_metrics. Times are UTC; T are the starts of buckets in
// seconds since 1970, without gaps; money and rates are decimals with two places.
type Snapshot struct {
	AsOf     time.Time  `json:"as_of"`     // the wall clock of the read
	DataTime *time.Time `json:"data_time"` // start of the newest window of funnel, GMV or payments
	Ended    bool       `json:"ended"`     // all streams have come to the end of their input
	Extent   *Extent    `json:"extent"`
	Range    Range      `json:"range"`
	Bucket   string     `json:"bucket"` // minute, hour or day
	Funnel   Funnel     `json:"funnel"`
	GMV      GMV        `json:"gmv"`
	DropOff  DropOff    `json:"drop_off"`
	Payments Payments   `json:"payments"`
}

// Extent is the time of all data, from its first window to the end of its last.
type Extent struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Range is the time that the figures are about, whole buckets: To is exclusive. Both are
// nil where there is no data.
type Range struct {
	Name string     `json:"name"` // empty where the query gave two times
	From *time.Time `json:"from"`
	To   *time.Time `json:"to"`
}

// Funnel are the orders that were placed in the range, and how far they came.
type Funnel struct {
	Orders            int64  `json:"orders"`
	WithItems         int64  `json:"with_items"`
	WithPayment       int64  `json:"with_payment"`
	PaidWithoutItems  int64  `json:"paid_without_items"`
	ItemsRate         string `json:"items_rate"`
	PaymentRate       string `json:"payment_rate"`
	DroppedAfterOrder int64  `json:"dropped_after_order"`
	DroppedAfterItems int64  `json:"dropped_after_items"`
	// Bottleneck is the step that loses most orders: items, payment, or empty where none does.
	Bottleneck string `json:"bottleneck"`
	// IsFinal says that no window of the range will change. Without windows it is false.
	IsFinal           bool    `json:"is_final"`
	T                 []int64 `json:"t"`
	OrdersSeries      []int64 `json:"orders_series"`
	WithItemsSeries   []int64 `json:"with_items_series"`
	WithPaymentSeries []int64 `json:"with_payment_series"`
}

// GMV is what was sold in the range: prices and freight.
type GMV struct {
	Total        string    `json:"total"`
	ItemRevenue  string    `json:"item_revenue"`
	Items        int64     `json:"items"`
	Orders       int64     `json:"orders"`
	AvgItemPrice string    `json:"avg_item_price"`
	T            []int64   `json:"t"`
	Series       []float64 `json:"series"`
	Forecast     *Forecast `json:"forecast"`
}

// Forecast is the newest one, of hours or, where Bucket is day, of the whole days in it.
// Days have no intervals: those of hours do not add up.
type Forecast struct {
	MadeAt   time.Time `json:"made_at"`
	Model    string    `json:"model"`
	Bucket   string    `json:"bucket"`
	T        []int64   `json:"t"`
	Forecast []float64 `json:"forecast"`
	Lower80  []float64 `json:"lower_80"`
	Upper80  []float64 `json:"upper_80"`
	Lower95  []float64 `json:"lower_95"`
	Upper95  []float64 `json:"upper_95"`
}

// DropOff are the orders of the range that were dropped, by their status.
type DropOff struct {
	Orders    int64  `json:"orders"`
	Dropped   int64  `json:"dropped"`
	Pending   int64  `json:"pending"`
	Rate      string `json:"rate"`
	Customers int64  `json:"customers"`
	// Statuses are in descending order of dropped orders.
	Statuses []Status `json:"statuses"`
	T        []int64  `json:"t"`
	// Series are dropped orders by status, of the maxSeries statuses with most of them.
	Series map[string][]int64 `json:"series"`
	// Alerts are the open ones, whatever the range, newest windows first.
	Alerts        []Alert `json:"alerts"`
	AlertsOpen    int64   `json:"alerts_open"`
	AlertsInRange int64   `json:"alerts_in_range"` // open or resolved, of windows in the range
}

// Status are the orders of one status.
type Status struct {
	Status    string   `json:"status"`
	Orders    int64    `json:"orders"`
	Dropped   int64    `json:"dropped"`
	Pending   int64    `json:"pending"`
	Rate      string   `json:"rate"` // dropped ones of the orders of all statuses
	Customers int64    `json:"customers"`
	Samples   []string `json:"samples"` // the three smallest ids of dropped orders
}

// Alert is an open alert of the drop-off.
type Alert struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"` // threshold or anomaly
	Status      string    `json:"status"`
	WindowStart time.Time `json:"window_start"`
	WindowEnd   time.Time `json:"window_end"`
	Dropped     int64     `json:"dropped"`
	Limit       string    `json:"limit"`
	Expected    *string   `json:"expected"` // nil for a threshold
	Customers   int64     `json:"customers"`
	Samples     []string  `json:"samples"`
	FiredAt     time.Time `json:"fired_at"`
}

// Payments are those of the range.
type Payments struct {
	Count       int64  `json:"count"`
	Value       string `json:"value"`
	SuccessRate string `json:"success_rate"`
	// Types are in descending order of value.
	Types []PaymentType `json:"types"`
	T     []int64       `json:"t"`
	// Series are values by type, of the maxSeries types with most of it.
	Series map[string][]float64 `json:"series"`
}

// PaymentType are the payments of one type.
type PaymentType struct {
	Type         string `json:"type"`
	Count        int64  `json:"count"`
	Value        string `json:"value"`
	Share        string `json:"share"` // of the value of all types, in percent
	Average      string `json:"average"`
	Installments string `json:"installments"` // the mean
	SuccessRate  string `json:"success_rate"`
}
