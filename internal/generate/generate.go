// Package generate writes datasets in the shape of the Olist e-commerce files:
// the same columns and the same proportions, but no row of the real data.
package generate

import (
	"errors"
	"fmt"
)

// Options say what to generate.
type Options struct {
	// Orders is the number of orders, at least 1.
	Orders int
	// Seed decides every value: the same seed and number of orders give the same bytes.
	Seed uint64
	// Force allows files that exist to be replaced.
	Force bool
	// Progress, when set, is called after every thousand orders and after the last
	// with the number written so far. Its error ends the generation, and no file is left.
	Progress func(orders int) error
}

// Summary counts the rows of a generated dataset.
type Summary struct {
	Dir                     string
	Orders, Items, Payments int
}

// String is the summary as one line.
func (s Summary) String() string {
	return fmt.Sprintf("wrote %d orders, %d items and %d payments to %s", s.Orders, s.Items, s.Payments, s.Dir)
}

// ErrExists says that the folder holds one of the files already.
var ErrExists = errors.New("file exists")

const progressInterval = 1000

// Write generates the orders, items and payments files in dir, which is made if
// need be. Rows go to disk as they are drawn, so memory does not grow with their
// number. The files appear under their names only when all are complete. Write
// returns an error that wraps ErrExists when one of them is there and Force is not set.
func Write(dir string, o Options) (sum Summary, err error) {
	if o.Orders < 1 {
		return Summary{}, fmt.Errorf("cannot generate %d orders: want at least 1", o.Orders)
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
	p := olist()
	m := newMaker(&p, o.Seed, o.Orders)
	sum.Dir = dir
	for sum.Orders < o.Orders {
		next := m.order()
		if err := out.write(next); err != nil {
			return Summary{}, err
		}
		sum.Orders++
		sum.Items += len(next.items)
		sum.Payments += len(next.payments)
		if o.Progress != nil && (sum.Orders%progressInterval == 0 || sum.Orders == o.Orders) {
			if err := o.Progress(sum.Orders); err != nil {
				return Summary{}, err
			}
		}
	}
	if err := out.publish(); err != nil {
		return Summary{}, err
	}
	return sum, nil
}
