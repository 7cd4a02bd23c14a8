package generate

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidemark-streams/tidemark/internal/generate/calendar"
)

// order is one generated order with all that belongs to it.
type order struct {
	id, customer, status                 string
	placed, approved, carrier, delivered time.Time // zero: never
	estimated                            time.Time
	person                               person
	items                                []item
	payments                             []payment
	reviews                              []review
}

type item struct {
	product
	shippingLimit time.Time
	freight       int64 // cents
}

type payment struct {
	number, installments int
	kind                 string
	value                int64 // cents
}

// maker draws orders from a profile.
type maker struct {
	p         *profile
	r         *rand.Rand
	made      int // orders so far
	parts     []part
	catalogue catalogue
	persons   persons
	reviewer  reviewer

	outcomes         choice[outcome]
	basket, payments choice[int]
	sole, unapproved choice[string]
	pair, many       choice[[2]string]
	installments     map[string]choice[int]
}

// part is a run of orders that are placed in days of its own.
type part struct {
	orders    int
	calendar  *calendar.Calendar
	incidents *incidents
}

func newPart(counts *calendar.Counts, orders int, o Options) (part, error) {
	p := part{orders: orders, calendar: calendar.New(counts, o.Seed)}
	var err error
	p.incidents, err = newIncidents(p.calendar, o.Incidents, orders, o.Seed)
	return p, err
}

func newMaker(p *profile, o Options) (*maker, error) {
	counts := p.counts
	if !o.Until.IsZero() {
		if counts = counts.Until(o.Until); len(counts.Days) == 0 {
			return nil, fmt.Errorf("no order was placed before %s", o.Until.Format(time.DateOnly))
		}
	}
	m := &maker{
		p: p, r: rand.New(rand.NewPCG(o.Seed, 0)),
		catalogue: newCatalogue(p, o.Seed, o.Orders),
		persons:   newPersons(p, o.Seed), reviewer: newReviewer(p, o.Seed),
		outcomes: choose(p.outcomes),
		basket:   choose(p.itemsPerOrder), payments: choose(p.paymentsPerOrder),
		sole: choose(p.soleType), unapproved: choose(p.unapprovedType), pair: choose(p.pairTypes), many: choose(p.manyTypes),
		installments: map[string]choice[int]{},
	}
	for kind, table := range p.installments {
		m.installments[kind] = choose(table)
	}
	first, err := newPart(counts, o.Orders, o)
	if err != nil {
		return nil, err
	}
	m.parts = append(m.parts, first)
	if o.Following > 0 {
		following := counts.Following(o.Following)
		second, err := newPart(following, o.Orders*following.Total()/counts.Total(), o)
		if err != nil {
			return nil, err
		}
		m.parts = append(m.parts, second)
	}
	return m, nil
}

// total is the number of all orders.
func (m *maker) total() (n int) {
	for _, p := range m.parts {
		n += p.orders
	}
	return n
}

// incidents are the hours of all, in ascending order.
func (m *maker) incidents() (hours []time.Time) {
	for _, p := range m.parts {
		hours = append(hours, p.incidents.hours...)
	}
	return hours
}

// place is the part that the next order belongs to, and its number there.
func (m *maker) place() (part, int) {
	number := m.made
	for _, p := range m.parts[:len(m.parts)-1] {
		if number < p.orders {
			return p, number
		}
		number -= p.orders
	}
	return m.parts[len(m.parts)-1], number
}

func (m *maker) order() order {
	way := m.outcomes.draw(m.r)
	part, number := m.place()
	hour, failure := part.incidents.befall(number, part.calendar.Draw(m.r))
	if failure != nil {
		way = *failure
	}
	o := order{id: id(m.r), customer: id(m.r), status: way.status, person: m.persons.of(m.made)}
	m.made++
	o.placed = hour.Add(time.Duration(m.r.IntN(3600)) * time.Second)
	o.estimated = hour.Truncate(24*time.Hour).AddDate(0, 0, int(quantile(m.p.estimatedDays, m.r.Float64())))

	// The basket decides what is paid, even of orders whose items are not listed.
	basket := m.items(o.placed)
	if failure != nil {
		o.payments = []payment{m.payment(1, creditCard, total(basket))}
	} else {
		o.payments = m.pay(total(basket), way.approved)
	}
	if way.items {
		o.items = basket
	}
	m.proceed(&o, way)
	o.reviews = m.reviewer.review(&o)
	return o
}

// proceed dates what becomes of an order after its purchase.
func (m *maker) proceed(o *order, way outcome) {
	if !way.approved {
		return
	}
	o.approved = o.placed
	if m.r.Float64() >= m.p.approvalAtOnce {
		o.approved = m.after(o.placed, m.p.approvalSeconds[o.payments[0].kind], time.Second)
	}
	if way.carrier {
		o.carrier = m.after(o.approved, m.p.carrierHours, time.Hour)
	}
	if way.delivered {
		o.delivered = m.after(o.carrier, m.p.deliveryHours, time.Hour)
	}
}

// after draws a delay in the given unit and returns t plus it, in whole seconds.
func (m *maker) after(t time.Time, delay []point, unit time.Duration) time.Time {
	return t.Add(time.Duration(quantile(delay, m.r.Float64()) * float64(unit)).Truncate(time.Second))
}

func (m *maker) items(placed time.Time) []item {
	items := make([]item, m.basket.draw(m.r))
	same := m.r.Float64() < m.p.oneProduct
	limit := m.after(placed, m.p.shippingHours, time.Hour)
	for i := range items {
		if i > 0 && same {
			items[i] = items[0]
			continue
		}
		items[i] = item{
			product: m.catalogue.draw(m.r), shippingLimit: limit,
			freight: cents(quantile(m.p.freight, m.r.Float64())),
		}
	}
	return items
}

func total(items []item) int64 {
	sum := int64(0)
	for _, it := range items {
		sum += it.price + it.freight
	}
	return sum
}

// pay splits the amount due into payments.
func (m *maker) pay(due int64, approved bool) []payment {
	if !approved {
		kind := m.unapproved.draw(m.r)
		if kind == notDefined {
			due = 0
		}
		return []payment{m.payment(1, kind, due)}
	}
	n := m.payments.draw(m.r)
	if n == 1 {
		number := 1
		if m.r.Float64() < m.p.lostFirst {
			number = 2
		}
		return []payment{m.payment(number, m.sole.draw(m.r), due)}
	}
	kinds := m.pair.draw(m.r)
	if n > 2 {
		kinds = m.many.draw(m.r)
	}
	payments := make([]payment, n)
	for i := n - 1; i >= 0; i-- { // the first pays what the others leave
		kind, value := kinds[min(i, 1)], due
		if i > 0 {
			// The square makes most vouchers small against the order.
			u := m.r.Float64()
			value = int64(float64(due) * u * u / 2)
			if kind == voucher && m.r.Float64() < m.p.freeVoucher {
				value = 0
			}
		}
		due -= value
		payments[i] = m.payment(i+1, kind, value)
	}
	return payments
}

func (m *maker) payment(number int, kind string, value int64) payment {
	p := payment{number: number, installments: 1, kind: kind, value: value}
	if c, ok := m.installments[kind]; ok {
		p.installments = c.draw(m.r)
	}
	return p
}
