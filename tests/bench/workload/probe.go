package workload

import "fmt"

// Prober makes payments of types of their own, whose rows can be told apart.
type Prober struct{ header []byte }

// NewProber reads the schemas.
func NewProber(schemas string) (*Prober, error) {
	h, err := headers(schemas)
	if err != nil {
		return nil, err
	}
	return &Prober{h[Payments]}, nil
}

// Payment is the only one of its type. Its order does not exist.
func (p *Prober) Payment(t int64, kind string) Record {
	e := append(make(encoder, 0, 128), p.header...)
	e.text(fmt.Sprintf("%032x", "event "+kind))
	e.long(t)
	e.text("order of " + kind)
	e.long(1)
	e.text(kind)
	e.long(1)
	e.money(100)
	e.long(0) // approved
	return Record{Topic: Payments, Time: t, Key: []byte("order of " + kind), Value: e}
}
