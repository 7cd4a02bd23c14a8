package workload

import "fmt"

// Prober makes payments of types of their own, whose rows can be told apart.
type Prober struct {
	header []byte
	oracle *Oracle
}

// NewProber reads the schemas. The rows of the probes are added to the oracle's.
func NewProber(schemas string, oracle *Oracle) (*Prober, error) {
	h, err := headers(schemas)
	if err != nil {
		return nil, err
	}
	return &Prober{h[Payments], oracle}, nil
}

// Payment is the only one of its type. Its order does not exist.
func (p *Prober) Payment(t int64, kind string) Record {
	const value = 100
	p.oracle.Records++
	p.oracle.payment(t, kind, value)
	e := append(make(encoder, 0, 128), p.header...)
	e.text(fmt.Sprintf("%032x", "event "+kind))
	e.long(t)
	e.text("order of " + kind)
	e.long(1)
	e.text(kind)
	e.long(1)
	e.money(value)
	e.long(0) // approved
	return Record{Topic: Payments, Time: t, Key: []byte("order of " + kind), Value: e}
}
