package generate

import "math/rand/v2"

// person is somebody who orders. As in the real files, each order has a customer id
// of its own, and the person shows only in the customers file.
type person struct {
	id string
	place
}

// persons makes the persons of orders. A person follows from the seed and the number
// of an order alone, so none is kept in memory.
type persons struct {
	share float64 // of orders of somebody new
	seed  uint64
	r     *rand.Rand
	areas choice[area]
}

func newPersons(p *profile, seed uint64) persons {
	return persons{
		share: p.persons, seed: seed, r: rand.New(rand.NewPCG(seed, customerSequence)),
		areas: pick(p.areas, func(a area) int { return a.customers }),
	}
}

// of returns the person of the order with a number: a new one, or that of an earlier number.
func (p *persons) of(order int) person {
	number := order
	if order > 0 && p.r.Float64() >= p.share {
		number = p.r.IntN(order)
	}
	own := rand.New(rand.NewPCG(p.seed, personSequence+uint64(number)))
	return person{id(own), live(p.areas, own)}
}
