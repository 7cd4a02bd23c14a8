package generate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidemark-streams/tidemark/internal/generate/calendar"
)

const (
	// busyHours is the number of hours, the ones with the most orders, of which some
	// may have an incident.
	busyHours = 500
	// incidentOrders is the number of orders that an incident moves into its hour and
	// fails, besides those that fall into it anyway.
	incidentOrders = 16
	// mostMoved bounds the orders that are moved, as one in so many.
	mostMoved = 10
	// failing is the share of the other orders in the hour that fail.
	failing = .9
)

// failures are what becomes of an order whose payment fails: three are given up for
// one that waits.
var failures = []outcome{
	{status: "canceled", items: true}, {status: "canceled", items: true},
	{status: "created", items: true}, {status: "canceled", items: true},
}

// incidents are hours in which the provider of card payments fails, so that most of
// their orders end without an approved payment.
type incidents struct {
	hours  []time.Time // in ascending order
	moved  int         // orders that are moved into these hours, all together
	orders int
	r      *rand.Rand
}

// newIncidents draws n hours. There can be as many as there are busy hours.
func newIncidents(k *calendar.Calendar, n, orders int, seed uint64) (*incidents, error) {
	all := k.Busiest(busyHours)
	if n < 0 || n > len(all) {
		return nil, fmt.Errorf("cannot generate %d incidents: want 0 to %d", n, len(all))
	}
	s := &incidents{orders: orders, r: rand.New(rand.NewPCG(seed, incidentSequence))}
	s.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	s.hours = slices.Clone(all[:n])
	slices.SortFunc(s.hours, time.Time.Compare)
	s.moved = n * incidentOrders
	if n > 0 {
		s.moved = min(s.moved, orders/mostMoved/n*n)
	}
	return s, nil
}

// befall returns the hour of an order by its number in the data set and what the
// profile drew for it, and how it fails where it does. The orders that are moved lie
// evenly among all.
func (s *incidents) befall(order int, hour time.Time) (time.Time, *outcome) {
	if s.moved > 0 {
		// The first number at or above turn·orders/moved is the turn's.
		if turn := (order*s.moved + s.orders - 1) / s.orders; turn < s.moved && turn*s.orders/s.moved == order {
			return s.hours[turn%len(s.hours)], &failures[turn/len(s.hours)%len(failures)]
		}
	}
	if _, in := slices.BinarySearchFunc(s.hours, hour, time.Time.Compare); in && s.r.Float64() < failing {
		return hour, &failures[s.r.IntN(len(failures))]
	}
	return hour, nil
}
