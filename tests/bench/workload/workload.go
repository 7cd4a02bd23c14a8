// Package workload makes the events of the throughput benchmark and, while it makes
// them, the rows that must come of them.
//
// Orders are spread evenly over 30 days, or as Config says; about 1 item and 1 payment
// follow each.
// 2 % of the records come twice, 1 % stand up to a minute too late in their topic, and
// 0.5 % of the orders never come while their items and payments do. Three results are
// asked for, all by minute: how many orders there were, with items and with payments
// within 7 days, by the minute of the order; the value of their items, by the same
// minute; and all payments by their own minute and type.
//
// The oracle is fed from the drawn figures and shares no code with those that are
// measured.
package workload

import (
	"cmp"
	"container/heap"
	"math"
)

// Times are in milliseconds.
const (
	Minute = int64(60_000)
	Day    = 1440 * Minute

	begin = int64(1_514_764_800_000) // 2018-01-01T00:00:00Z
	slot  = 60 * Minute

	defaultSpan = 30 * Day
	// Within is how long after its order an item or a payment joins it: so long an
	// engine has to remember the order.
	Within = 7 * Day

	displaced       = 0.01
	repeated        = 0.02
	orphaned        = 0.005
	maxDisplacement = Minute

	recordsPerOrder = 3.213
	// hotItems are the items that a hot order has more than others.
	hotShare, hotItems = 0.01, 75
)

// Record is what goes to Kafka. Its bytes are the receiver's.
type Record struct {
	Topic string
	Time  int64 // the event time
	Key   []byte
	Value []byte
}

// Config says which workload to make; equal ones make the same.
type Config struct {
	Events  int // about how many records in all
	Seed    uint64
	Schemas string // folder of the Avro schemas

	// Span is the time over which the orders are spread, 30 days where it is 0. The
	// shorter it is, the more orders have to be remembered at a time.
	Span int64
	// Hot gives so many items to 1 % of the orders that 20 % of the events are theirs.
	Hot bool
	// LateApprovals spreads the payments evenly over the five days after their orders.
	LateApprovals bool
}

// orders is how many orders make about so many events.
func (c Config) orders() int64 {
	perOrder := recordsPerOrder
	if c.Hot {
		perOrder += hotShare * hotItems * (1 + repeated)
	}
	return int64(float64(c.Events) / perOrder)
}

func (c Config) span() int64 { return cmp.Or(c.Span, defaultSpan) }

// LiveOrders is about how many orders have to be remembered at a time, at most.
func (c Config) LiveOrders() int64 {
	return int64(float64(c.orders()) * min(1, float64(Within)/float64(c.span())))
}

// SpanFor is the span that makes LiveOrders about so many; it is at least Within, the
// time of all orders.
func (c Config) SpanFor(live int64) int64 {
	return max(Within, int64(float64(Within)*float64(c.orders())/float64(live)))
}

// Make hands every record to send, in the order of the topics, and returns the rows
// that must come of them. It holds the records of the coming minutes and the late
// payments only, a few in a hundred.
func Make(cfg Config, send func(Record)) (*Oracle, error) {
	h, err := headers(cfg.Schemas)
	if err != nil {
		return nil, err
	}
	m := &maker{Config: cfg, draws: newDraws(cfg.Seed), headers: h, oracle: newOracle()}
	orders, slots := cfg.orders(), max(cfg.span()/slot, 1)
	for s := range slots {
		for range orders*(s+1)/slots - orders*s/slots {
			m.order(begin + s*slot + m.Int64N(slot))
		}
		// Nothing of a later slot comes before its start.
		m.sendUntil(begin+(s+1)*slot, send)
	}
	m.sendUntil(math.MaxInt64, send)
	return m.oracle, nil
}

type maker struct {
	Config
	*draws
	headers map[string][]byte
	oracle  *Oracle
	waiting queue
	placed  int64
}

// order makes an order of time t and all that follows from it.
func (m *maker) order(t int64) {
	states := []string{"SP", "SP", "SP", "SP", "RJ", "RJ", "MG", "MG", "RS", "PR", "SC", "BA", "DF", "GO", "ES", "PE"}
	id, known := m.id(), m.Float64() >= orphaned
	if known {
		e := m.event(Orders, t, id)
		e.text(m.id()) // customer
		e.some()
		e.text(oneOf(m.draws, states))
		e.text([]string{"delivered", "shipped", "canceled"}[m.pick(.97, .02, .01)])
		e.none() // approval
		e.none() // estimated delivery
		e.none() // delivery
		m.place(Orders, t, id, e)
	}
	items, payments := m.pick(.09, .91*.84, .91*.12, .91*.03, .91*.01), m.pick(.02, .98*.94, .98*.05, .98*.01)
	spread := Minute
	if m.Hot && m.Float64() < hotShare {
		items, spread = items+hotItems, Day
	}
	value, total := m.items(t, spread, id, items)
	m.payments(t+m.delay(m.LateApprovals), id, payments, total)
	if known {
		m.oracle.order(t, items > 0, payments > 0, value)
	}
}

// items makes the items of an order, and returns their prices' sum without and with freight.
func (m *maker) items(t, spread int64, order string, n int) (value, total int64) {
	for k := range n {
		price, freight := m.price(), m.freight()
		value, total = value+price, total+price+freight
		at := t + m.Int64N(spread)
		e := m.event(Items, at, order)
		e.long(int64(k + 1))
		e.some()
		e.text(oneOf(m.draws, m.products))
		e.some()
		e.text(oneOf(m.draws, m.sellers))
		e.money(price)
		e.money(freight)
		e.none() // category
		e.none() // state of the seller
		m.place(Items, at, order, e)
	}
	return value, total
}

func (m *maker) payments(t int64, order string, n int, total int64) {
	const least = 1000
	for k := range n {
		at := t + m.Int64N(maxSpread)
		kind := []string{"credit_card", "boleto", "voucher", "debit_card"}[m.pick(.74, .19, .055, .015)]
		value := max(total, least) / int64(n)
		e := m.event(Payments, at, order)
		e.long(int64(k + 1))
		e.text(kind)
		e.long(1 + m.Int64N(10)) // instalments
		e.money(value)
		e.long(0) // approved
		m.place(Payments, at, order, e)
		m.oracle.payment(at, kind, value)
	}
}

// event begins a record with what all have.
func (m *maker) event(topic string, t int64, order string) *encoder {
	e := append(make(encoder, 0, 256), m.headers[topic]...)
	e.text(m.id())
	e.long(t)
	e.text(order)
	return &e
}

// place puts a record into its topic, some of them too late and some twice.
func (m *maker) place(topic string, t int64, order string, e *encoder) {
	at := t
	if m.Float64() < displaced {
		at += m.Int64N(maxDisplacement)
	}
	r := Record{Topic: topic, Time: t, Key: []byte(order), Value: *e}
	m.wait(at, r)
	if m.Float64() < repeated {
		m.wait(at+m.Int64N(maxDisplacement), r)
	}
}

func (m *maker) wait(at int64, r Record) {
	m.placed++
	heap.Push(&m.waiting, waiting{at, m.placed, r})
}

func (m *maker) sendUntil(t int64, send func(Record)) {
	for len(m.waiting) > 0 && m.waiting[0].at < t {
		m.oracle.Records++
		send(heap.Pop(&m.waiting).(waiting).Record)
	}
}

// waiting is a record with its place in the order of its topic.
type waiting struct {
	at, nth int64
	Record
}

type queue []waiting

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, k int) { q[i], q[k] = q[k], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(waiting)) }
func (q queue) Less(i, k int) bool {
	return q[i].at < q[k].at || q[i].at == q[k].at && q[i].nth < q[k].nth
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = waiting{}
	*q = (*q)[:last]
	return w
}
