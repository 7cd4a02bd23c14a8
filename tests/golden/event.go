package golden

import (
	"fmt"
	"slices"
	"time"
)

// Kind is the kind of an event. The order of the constants is the order in which
// events of the same time are sent.
type Kind int

// Kinds of event.
const (
	Order Kind = iota
	Item
	Payment
)

// String is the topic of the kind.
func (k Kind) String() string {
	switch k {
	case Order:
		return "olist.orders"
	case Item:
		return "olist.order_items"
	case Payment:
		return "olist.payments"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Event is one valid event of the three topics. Money is in cents.
type Event struct {
	Kind Kind
	// ID identifies the event: copies with the same ID count once. Where it is
	// empty, the name topic/order id/N stands in for it.
	ID      string
	Time    time.Time
	OrderID string
	// N is 0 for an order, order_item_id for an item, payment_sequential for a payment.
	N int64

	// Fields of an order.
	Customer, Status string

	// Fields of an item.
	Price, Freight int64

	// Fields of a payment.
	Type         string
	Installments int64
	Value        int64
	Approved     bool
}

func (e Event) id() string {
	if e.ID != "" {
		return e.ID
	}
	return fmt.Sprintf("%s/%s/%d", e.Kind, e.OrderID, e.N)
}

// Sort puts events in the order in which they are sent: by time, then order, item
// and payment, then as they stood.
func Sort(events []Event) {
	slices.SortStableFunc(events, func(a, b Event) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return int(a.Kind) - int(b.Kind)
	})
}

// distinct returns the events in sending order without copies (same id) and
// without second OrderCreated events of an order.
func distinct(events []Event) []Event {
	sorted := slices.Clone(events)
	Sort(sorted)
	ids, orders := map[string]bool{}, map[string]bool{}
	return slices.DeleteFunc(sorted, func(e Event) bool {
		if ids[e.id()] {
			return true
		}
		ids[e.id()] = true
		if e.Kind != Order {
			return false
		}
		again := orders[e.OrderID]
		orders[e.OrderID] = true
		return again
	})
}
