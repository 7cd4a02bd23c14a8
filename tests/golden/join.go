package golden

import "time"

// Options are the settings of the streams that change rows.
type Options struct {
	// Before and Within bound the join, both inclusive: a child belongs to its order
	// when −Before ≤ child time − order time ≤ Within.
	Before, Within time.Duration
	// Thresholds holds the dropped orders above which a row raises an alert, by
	// order status; "*" stands for every status that is not named, 5 where it is missing.
	Thresholds map[string]int64
}

// Defaults are the options of the shipped streams.
func Defaults() Options { return Options{Before: time.Hour, Within: 7 * 24 * time.Hour} }

func (o Options) threshold(status string) int64 {
	for _, k := range []string{status, "*"} {
		if n, ok := o.Thresholds[k]; ok {
			return n
		}
	}
	return 5
}

// ChildCounts is what the join makes of the items or payments.
type ChildCounts struct {
	// Joined lie within the bounds of their order, unapproved payments included.
	Joined int64
	// Outside belong to a known order but lie outside its bounds. The join reports
	// them as late while it remembers the order and as orphans when it does not.
	Outside int64
	// Orphans belong to no order among the events.
	Orphans int64
}

// Children counts the fates of items and of payments. Copies are not counted.
func Children(events []Event, o Options) map[Kind]ChildCounts {
	_, counts := join(distinct(events), o)
	return counts
}

// order is an order with what has joined it.
type order struct {
	Event
	hasItem, hasPayment bool // an approved payment
}

func (o *order) complete() bool { return o.hasItem && o.hasPayment && !droppedAtOnce(o.Status) }

func droppedAtOnce(status string) bool {
	return status == "canceled" || status == "unavailable" || status == "created"
}

// join finds the order of each child and returns the orders in sending order.
func join(events []Event, opt Options) ([]*order, map[Kind]ChildCounts) {
	var all []*order
	byID := map[string]*order{}
	for _, e := range events {
		if e.Kind == Order {
			o := &order{Event: e}
			all, byID[e.OrderID] = append(all, o), o
		}
	}
	counts := map[Kind]ChildCounts{Item: {}, Payment: {}}
	for _, e := range events {
		if e.Kind == Order {
			continue
		}
		n := counts[e.Kind]
		o := byID[e.OrderID]
		switch {
		case o == nil:
			n.Orphans++
		case e.Time.Before(o.Time.Add(-opt.Before)) || e.Time.After(o.Time.Add(opt.Within)):
			n.Outside++
		default:
			n.Joined++
			o.hasItem = o.hasItem || e.Kind == Item
			o.hasPayment = o.hasPayment || e.Kind == Payment && e.Approved
		}
		counts[e.Kind] = n
	}
	return all, counts
}
