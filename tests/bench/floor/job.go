package main

import "github.com/tidemark-streams/tidemark/tests/bench/workload"

// id is an identifier of 32 characters.
type id [32]byte

func idOf(b []byte) (i id) {
	copy(i[:], b)
	return i
}

// job is the benchmark's job in plain maps. Nothing is ever forgotten.
type job struct {
	seen     map[id]struct{}
	orders   map[id]*order
	funnel   map[int64]*funnel
	gmv      map[int64]*gmv
	payments map[paymentKey]*payments
	kinds    map[string]string // one copy of each payment type
}

// order is what is known of an order; waiting came before it.
type order struct {
	known, hasItem, paid bool
	time                 int64
	waiting              []child
}

type child struct {
	topic       string
	time, cents int64
}

type funnel struct {
	orders, withItems, paid int64
	dirty                   bool
}

type gmv struct {
	cents int64
	dirty bool
}

type paymentKey struct {
	minute int64
	kind   string
}

type payments struct {
	count, cents int64
	dirty        bool
}

func newJob() *job {
	return &job{
		seen: map[id]struct{}{}, orders: map[id]*order{}, funnel: map[int64]*funnel{},
		gmv: map[int64]*gmv{}, payments: map[paymentKey]*payments{}, kinds: map[string]string{},
	}
}

func (j *job) record(topic string, value []byte) error {
	d := decode(value)
	event := idOf(d.bytes())
	if _, duplicate := j.seen[event]; duplicate {
		return d.err
	}
	j.seen[event] = struct{}{}
	t := d.long()
	key := idOf(d.bytes())
	o := j.orders[key]
	if o == nil {
		o = &order{}
		j.orders[key] = o
	}
	c := child{topic: topic, time: t}
	switch topic {
	case workload.Orders:
		j.placed(o, t)
		return d.err
	case workload.Items:
		d.long()
		d.optional()
		d.optional()
		c.cents = d.cents()
	case workload.Payments:
		d.long()
		kind := d.bytes()
		d.long()
		j.payment(t, kind, d.cents())
	}
	if o.known {
		j.join(o, c)
	} else {
		o.waiting = append(o.waiting, c)
	}
	return d.err
}

func (j *job) placed(o *order, t int64) {
	o.known, o.time = true, t
	f := j.funnel[t/workload.Minute]
	if f == nil {
		f = &funnel{}
		j.funnel[t/workload.Minute] = f
	}
	f.orders, f.dirty = f.orders+1, true
	for _, c := range o.waiting {
		j.join(o, c)
	}
	o.waiting = nil
}

func (j *job) join(o *order, c child) {
	const before, within = 60 * workload.Minute, 7 * workload.Day
	if c.time < o.time-before || c.time > o.time+within {
		return
	}
	minute := o.time / workload.Minute
	f := j.funnel[minute]
	if c.topic == workload.Payments {
		if !o.paid {
			o.paid, f.paid, f.dirty = true, f.paid+1, true
		}
		return
	}
	if !o.hasItem {
		o.hasItem, f.withItems, f.dirty = true, f.withItems+1, true
	}
	g := j.gmv[minute]
	if g == nil {
		g = &gmv{}
		j.gmv[minute] = g
	}
	g.cents, g.dirty = g.cents+c.cents, true
}

func (j *job) payment(t int64, kind []byte, cents int64) {
	name, ok := j.kinds[string(kind)]
	if !ok {
		name = string(kind)
		j.kinds[name] = name
	}
	k := paymentKey{t / workload.Minute, name}
	p := j.payments[k]
	if p == nil {
		p = &payments{}
		j.payments[k] = p
	}
	p.count, p.cents, p.dirty = p.count+1, p.cents+cents, true
}
