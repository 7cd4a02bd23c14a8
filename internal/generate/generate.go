// Package generate writes datasets in the shape of the Olist e-commerce files:
// the same files, columns and proportions, but no row of the real data.
package generate

import (
	"errors"
	"fmt"
	"time"
)

// Options say what to generate.
type Options struct {
	// Orders is the number of orders, at least 1.
	Orders int
	// Seed decides every value: the same seed and other options but Force give the same bytes.
	Seed uint64
	// Until, unless zero, leaves out the days from that date (UTC) on. The orders of the
	// real files fade out in their last weeks, as the extract ends.
	Until time.Time
	// Following is the number of days behind the last one for which orders are
	// generated on top of Orders, as many a day as four weeks before: a shop that
	// goes on. The rows of the others stay what they are without them.
	Following int
	// Incidents is the number of hours in which the provider of card payments fails,
	// so that most orders of that hour end canceled or without an approved payment:
	// 16 at least, or fewer where that were more than a tenth of all orders. There are
	// as many once more among the days of Following.
	Incidents int
	// Force allows files that exist to be replaced.
	Force bool
	// Progress, when set, is called after every thousand orders and after the last
	// with the number written so far, and before the first, with 0, after every
	// thousand products. Its error ends the generation, and no file is left.
	Progress func(orders int) error
}

// Summary counts the rows of a generated dataset.
type Summary struct {
	Dir                                                   string
	Orders, Items, Payments, Customers, Reviews           int
	Products, Sellers, GeolocationPoints, CategoriesNamed int
	// Incidents are the hours in which payments failed, in ascending order.
	Incidents []time.Time
}

// String is the summary as one line.
func (s Summary) String() string {
	line := fmt.Sprintf("wrote %d orders, %d items, %d payments, %d customers, %d reviews, %d products, %d sellers, "+
		"%d points of places and %d names of categories to %s",
		s.Orders, s.Items, s.Payments, s.Customers, s.Reviews, s.Products, s.Sellers, s.GeolocationPoints, s.CategoriesNamed, s.Dir)
	for i, hour := range s.Incidents {
		line += []string{"; payments fail in the hour from ", ", "}[min(i, 1)] + hour.Format("2006-01-02 15:04")
	}
	return line
}

// ErrExists says that the folder holds one of the files already.
var ErrExists = errors.New("file exists")

const progressInterval = 1000

// Write generates the files of a dataset in dir, which is made if need be. Rows go to
// disk as they are drawn, so memory does not grow with their number. The files appear
// under their names only when all are complete. Write returns an error that wraps
// ErrExists when one of them is there and Force is not set.
func Write(dir string, o Options) (sum Summary, err error) {
	if o.Orders < 1 {
		return Summary{}, fmt.Errorf("cannot generate %d orders: want at least 1", o.Orders)
	}
	p := olist()
	m, err := newMaker(&p, o)
	if err != nil {
		return Summary{}, err
	}
	out, err := create(dir, o.Force)
	if err != nil {
		return Summary{}, err
	}
	defer func() {
		if err != nil {
			out.discard()
		}
	}()
	var places visited
	if err := out.writeCatalogue(&m.catalogue, &places, o.Progress); err != nil {
		return Summary{}, err
	}
	all := m.total()
	for made := 1; made <= all; made++ {
		next := m.order()
		if err := out.write(&next); err != nil {
			return Summary{}, err
		}
		places.add(next.person.place)
		if o.Progress != nil && (made%progressInterval == 0 || made == all) {
			if err := o.Progress(made); err != nil {
				return Summary{}, err
			}
		}
	}
	if err := points(p.areas, &places, o.Seed, out.geolocation.row); err != nil {
		return Summary{}, err
	}
	if err := out.publish(); err != nil {
		return Summary{}, err
	}
	return Summary{
		Dir: dir, Orders: out.orders.rows, Items: out.items.rows, Payments: out.payments.rows,
		Customers: out.customers.rows, Reviews: out.reviews.rows, Products: out.products.rows, Sellers: out.sellers.rows,
		GeolocationPoints: out.geolocation.rows, CategoriesNamed: out.translations.rows, Incidents: m.incidents(),
	}, nil
}
