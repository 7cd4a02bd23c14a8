package generate

import (
	"math/rand/v2"
	"time"
)

// order is one generated order with its items and payments.
type order struct {
	id, customer, status                 string
	placed, approved, carrier, delivered time.Time // zero: never
	estimated                            time.Time
	items                                []item
	payments                             []payment
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
	catalogue catalogue

	days             choice[time.Time]
	hours            choice[int]
	outcomes         choice[outcome]
	basket, parts    choice[int]
	sole, unapproved choice[string]
	pair, many       choice[[2]string]
	installments     map[string]choice[int]
}

func newMaker(p *profile, seed uint64, orders int) *maker {
	m := &maker{
		p: p, r: rand.New(rand.NewPCG(seed, 0)),
		days: choose(p.days()), outcomes: choose(p.outcomes),
		basket: choose(p.itemsPerOrder), parts: choose(p.paymentsPerOrder),
		sole: choose(p.soleType), unapproved: choose(p.unapprovedType), pair: choose(p.pairTypes), many: choose(p.manyTypes),
		installments: map[string]choice[int]{},
	}
	hours := make([]weighted[int], len(p.hours))
	for h, w := range p.hours {
		hours[h] = weighted[int]{h, w}
	}
	m.hours = choose(hours)
	for kind, table := range p.installments {
		m.installments[kind] = choose(table)
	}
	m.catalogue = catalogue{
		p: p, seed: seed, endings: choose(p.priceEndings),
		products: max(1, int(p.productsPerItem*float64(orders))),
		sellers:  max(1, int(p.sellersPerItem*float64(orders))),
	}
	return m
}

// days spreads the months over their days by weekday.
func (p *profile) days() []weighted[time.Time] {
	var all []weighted[time.Time]
	for _, m := range p.months {
		var month []weighted[time.Time]
		total := 0.0
		for d := time.Date(m.value.year, m.value.month, 1, 0, 0, 0, 0, time.UTC); d.Month() == m.value.month; d = d.AddDate(0, 0, 1) {
			if d.Before(p.first) || d.After(p.last) {
				continue
			}
			w := p.weekdays[d.Weekday()]
			month, total = append(month, weighted[time.Time]{d, w}), total+w
		}
		for _, d := range month {
			all = append(all, weighted[time.Time]{d.value, m.weight * d.weight / total})
		}
	}
	return all
}

func (m *maker) order() order {
	way := m.outcomes.draw(m.r)
	o := order{id: id(m.r), customer: id(m.r), status: way.status}
	day := m.days.draw(m.r)
	o.placed = day.Add(time.Duration(m.hours.draw(m.r))*time.Hour + time.Duration(m.r.IntN(3600))*time.Second)
	o.estimated = day.AddDate(0, 0, int(quantile(m.p.estimatedDays, m.r.Float64())))

	// The basket decides what is paid, even of orders whose items are not listed.
	basket := m.items(o.placed)
	o.payments = m.pay(total(basket), way.approved)
	if way.items {
		o.items = basket
	}
	if !way.approved {
		return o
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
	return o
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
	n := m.parts.draw(m.r)
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
