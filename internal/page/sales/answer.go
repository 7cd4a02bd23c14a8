package sales

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// maxSeries is how many statuses or payment types have a series: their names come from
// events, so there may be any number.
const maxSeries = 20

// answer is the snapshot of a query.
func (v *view) answer(ctx context.Context, q query) (*Snapshot, error) {
	r := v.rollup
	snapshot := &Snapshot{
		AsOf: v.at.UTC().Truncate(time.Millisecond), Ended: r.ledger.ended(), Range: Range{Name: q.name}, Bucket: q.bucket,
	}
	first, end, newest := r.extent()
	if newest.IsZero() {
		if q.bucket == auto {
			snapshot.Bucket = bucketName(hour)
		}
		v.compute(snapshot, span{0, 0, hour}, nil, nil, nil, nil)
		return snapshot, nil
	}
	snapshot.DataTime, snapshot.Extent = &newest, &Extent{From: first, To: end}
	s := q.within(first.Unix(), newest.Unix())
	from, to := time.Unix(s.from, 0).UTC(), time.Unix(s.to, 0).UTC()
	snapshot.Range.From, snapshot.Range.To = &from, &to
	snapshot.Bucket = bucketName(s.bucket)
	funnel, gmv, dropOff, payments := r.funnel.parts, r.gmv.parts, r.dropOff.parts, r.payments.parts
	if s.bucket == minute {
		m := v.minutes
		if err := m.read(ctx, v.tx, s, newest.Unix()); err != nil {
			return nil, err
		}
		funnel, gmv, dropOff, payments = m.funnel.parts, m.gmv.parts, m.dropOff.parts, m.payments.parts
	}
	v.compute(snapshot, s, between(funnel, s.from, s.to), between(gmv, s.from, s.to), between(dropOff, s.from, s.to), between(payments, s.from, s.to))
	var err error
	snapshot.DropOff.AlertsInRange, err = alertsWithin(ctx, v.tx, s)
	return snapshot, err
}

// extent is the time of all data: the first start and the last end of a window, and the
// start of the newest one of funnel, GMV or payments.
func (r *rollup) extent() (first, end, newest time.Time) {
	for _, b := range []bounds{r.funnel.bounds, r.gmv.bounds, r.payments.bounds} {
		if b.any && b.newest.After(newest) {
			newest, end = b.newest, b.end
		}
	}
	for _, b := range []bounds{r.funnel.bounds, r.gmv.bounds, r.payments.bounds, r.dropOff.bounds} {
		if b.any && (first.IsZero() || b.first.Before(first)) {
			first = b.first
		}
	}
	return first, end, newest
}

func (v *view) compute(
	snapshot *Snapshot, s span, funnel []part[funnelPart], gmv []part[gmvPart], dropOff []part[dropOffPart], payments []part[paymentPart],
) {
	starts := s.starts()
	snapshot.Funnel = sumFunnel(s, starts, funnel)
	snapshot.GMV = sumGMV(s, starts, gmv)
	snapshot.GMV.Forecast = v.forecast.answer(s.bucket)
	snapshot.DropOff = sumDropOff(s, starts, dropOff)
	snapshot.DropOff.Alerts, snapshot.DropOff.AlertsOpen = v.alerts, v.open
	snapshot.Payments = sumPayments(s, starts, payments)
}

func sumFunnel(s span, starts []int64, parts []part[funnelPart]) Funnel {
	f := Funnel{
		T: starts, IsFinal: len(parts) > 0,
		OrdersSeries: make([]int64, len(starts)), WithItemsSeries: make([]int64, len(starts)), WithPaymentSeries: make([]int64, len(starts)),
	}
	for _, p := range parts {
		i := s.index(p.t)
		f.Orders += p.p.orders
		f.WithItems += p.p.withItems
		f.WithPayment += p.p.withPayment
		f.PaidWithoutItems += p.p.paid - p.p.withPayment
		f.IsFinal = f.IsFinal && p.p.final
		f.OrdersSeries[i] += p.p.orders
		f.WithItemsSeries[i] += p.p.withItems
		f.WithPaymentSeries[i] += p.p.withPayment
	}
	f.ItemsRate, f.PaymentRate = percent(f.WithItems, f.Orders), percent(f.WithPayment, f.Orders)
	f.DroppedAfterOrder, f.DroppedAfterItems = f.Orders-f.WithItems, f.WithItems-f.WithPayment
	switch {
	case f.DroppedAfterOrder > 0 && f.DroppedAfterOrder >= f.DroppedAfterItems:
		f.Bottleneck = "items"
	case f.DroppedAfterItems > 0:
		f.Bottleneck = "payment"
	}
	return f
}

func sumGMV(s span, starts []int64, parts []part[gmvPart]) GMV {
	g := GMV{T: starts}
	series := make([]cents, len(starts))
	var total, revenue cents
	for _, p := range parts {
		total += p.p.itemRevenue + p.p.freight
		revenue += p.p.itemRevenue
		g.Items += p.p.items
		g.Orders += p.p.orders
		series[s.index(p.t)] += p.p.itemRevenue + p.p.freight
	}
	g.Total, g.ItemRevenue, g.AvgItemPrice = total.String(), revenue.String(), mean(revenue, g.Items)
	g.Series = numbers(series)
	return g
}

func sumDropOff(s span, starts []int64, parts []part[dropOffPart]) DropOff {
	d := DropOff{Statuses: []Status{}, T: starts, Series: map[string][]int64{}}
	if s.bucket == minute {
		// Windows are of an hour. One that began before the span is not in it.
		s = span{ceil(s.from, hour), ceil(s.to, hour), hour}
		if len(parts) > 0 {
			s.from = min(s.from, floor(parts[0].t, hour))
		}
		d.T = s.starts()
	}
	sums := map[string]*Status{}
	series := map[string][]int64{}
	for _, p := range parts {
		one := sums[p.p.status]
		if one == nil {
			one = &Status{Status: p.p.status, Samples: []string{}}
			sums[p.p.status] = one
			series[p.p.status] = make([]int64, len(d.T))
		}
		one.Orders += p.p.orders
		one.Dropped += p.p.dropped
		one.Pending += p.p.orders - p.p.complete - p.p.dropped
		one.Customers += p.p.customers
		for _, id := range p.p.samples {
			one.Samples = addSample(one.Samples, id)
		}
		series[p.p.status][s.index(p.t)] += p.p.dropped
	}
	for _, one := range sums {
		d.Orders += one.Orders
		d.Dropped += one.Dropped
		d.Pending += one.Pending
		d.Customers += one.Customers
		d.Statuses = append(d.Statuses, *one)
	}
	d.Rate = percent(d.Dropped, d.Orders)
	slices.SortFunc(d.Statuses, func(a, b Status) int {
		return cmp.Or(cmp.Compare(b.Dropped, a.Dropped), cmp.Compare(b.Orders, a.Orders), cmp.Compare(a.Status, b.Status))
	})
	for i := range d.Statuses {
		one := &d.Statuses[i]
		one.Rate = percent(one.Dropped, d.Orders)
		if i < maxSeries {
			d.Series[one.Status] = series[one.Status]
		}
	}
	return d
}

func sumPayments(s span, starts []int64, parts []part[paymentPart]) Payments {
	m := Payments{Types: []PaymentType{}, T: starts, Series: map[string][]float64{}}
	type sum struct {
		paymentPart
		series []cents
	}
	sums := map[string]*sum{}
	var value cents
	var successful int64
	for _, p := range parts {
		one := sums[p.p.kind]
		if one == nil {
			one = &sum{series: make([]cents, len(starts))}
			one.kind = p.p.kind
			sums[p.p.kind] = one
		}
		one.count += p.p.count
		one.value += p.p.value
		one.installments += p.p.installments
		one.successful += p.p.successful
		one.series[s.index(p.t)] += p.p.value
		m.Count += p.p.count
		value += p.p.value
		successful += p.p.successful
	}
	m.Value, m.SuccessRate = value.String(), percent(successful, m.Count)
	list := make([]*sum, 0, len(sums))
	for _, one := range sums {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *sum) int { return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.kind, b.kind)) })
	for i, one := range list {
		m.Types = append(m.Types, PaymentType{
			Type: one.kind, Count: one.count, Value: one.value.String(), Share: percent(int64(one.value), int64(value)),
			Average: mean(one.value, one.count), Installments: divide(one.installments, 100, one.count).String(),
			SuccessRate: percent(one.successful, one.count),
		})
		if i < maxSeries {
			m.Series[one.kind] = numbers(one.series)
		}
	}
	return m
}

func numbers(list []cents) []float64 {
	floats := make([]float64, len(list))
	for i, c := range list {
		floats[i] = c.number()
	}
	return floats
}
