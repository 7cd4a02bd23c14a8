package window

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
)

// Kinds of aggregate.
const (
	Count    = "count"
	Sum      = "sum"
	Min      = "min"
	Max      = "max"
	Avg      = "avg"
	Distinct = "distinct"
	First    = "first"
	Last     = "last"
	Collect  = "collect"
)

// Kinds lists the aggregates in the order of the documentation.
var Kinds = []string{Count, Sum, Min, Max, Avg, Distinct, First, Last, Collect}

// Aggregate is one figure of a window.
type Aggregate struct {
	// Name of the field that the figure is emitted as.
	Name string
	// Kind is one of Kinds.
	Kind string
	// Field is what is aggregated; count needs none.
	Field string
	// Where says which rows count; nil means all.
	Where *filter.Expr
	// Limit bounds collect.
	Limit int
	// Smallest makes collect keep the smallest values instead of the earliest.
	Smallest bool
}

// avgScale is the number of decimal places of the average of exact numbers.
const avgScale = 6

// accumulator is the state of one aggregate in one window. Which fields it uses
// depends on the kind. Nulls count in nothing but count.
type accumulator struct {
	n     int64       // count, avg
	value event.Value // sum, min, max, avg: the sum; first, last: the value
	rest  *rest       // of the kinds that need more; nil until then
}

// rest is what the rarer kinds need.
type rest struct {
	time event.Time          // first, last
	id   string              // first, last
	set  map[string]struct{} // distinct
	list []collected         // collect, in order
}

func (a *accumulator) more() *rest {
	if a.rest == nil {
		a.rest = &rest{}
	}
	return a.rest
}

// collected is one collected value.
type collected struct {
	time  event.Time
	id    string
	value event.Value
}

// sample is what a row offers to an aggregate, if it counts there.
type sample struct {
	counts bool
	time   event.Time
	id     string
	value  event.Value
}

// check tells why v cannot be added, before anything is changed.
func (a *accumulator) check(g *Aggregate, v event.Value) error {
	switch g.Kind {
	case Sum, Avg:
		if f, ok := v.Float(); !ok || !finite(f) {
			return fmt.Errorf("%s of %s: %s is not a number", g.Kind, g.Field, v.Key())
		}
		if a.n > 0 {
			if _, ok := event.Add(a.value, v); !ok {
				return fmt.Errorf("%s of %s: the sum does not fit 64 bits", g.Kind, g.Field)
			}
		}
	case Min, Max:
		return checkOrder(g, a.n == 0, a.value, v)
	case Collect:
		if f, ok := v.Float(); ok && !finite(f) {
			return fmt.Errorf("%s of %s: %s cannot be written as JSON", g.Kind, g.Field, v.Key())
		}
		if g.Smallest && a.rest != nil && len(a.rest.list) > 0 {
			return checkOrder(g, false, a.rest.list[0].value, v)
		} else if g.Smallest {
			return checkOrder(g, true, event.Value{}, v)
		}
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// checkOrder tells why v cannot be compared with what is there already, if anything.
func checkOrder(g *Aggregate, first bool, there, v event.Value) error {
	if _, ok := event.Compare(v, v); !ok {
		return fmt.Errorf("%s of %s: %s has no order", g.Kind, g.Field, v.Key())
	}
	if first {
		return nil
	}
	if _, ok := event.Compare(there, v); !ok {
		return fmt.Errorf("%s of %s: %s and %s have no order", g.Kind, g.Field, there.Key(), v.Key())
	}
	return nil
}

// add takes a sample that check let pass. Samples are borrowed.
func (a *accumulator) add(g *Aggregate, s *sample) {
	first := a.n == 0
	a.n++
	switch g.Kind {
	case Sum, Avg:
		if first {
			a.value = s.value
		} else {
			a.value, _ = event.Add(a.value, s.value)
		}
	case Min, Max:
		c := -1
		if !first {
			c, _ = event.Compare(s.value, a.value)
		}
		if first || (g.Kind == Min) == (c < 0) && c != 0 {
			a.value = s.value.Clone()
		}
	case First, Last:
		if x := a.more(); first || before(s.time, s.id, x.time, x.id) == (g.Kind == First) {
			x.time, x.id, a.value = s.time, string([]byte(s.id)), s.value.Clone()
		}
	case Distinct:
		x, k := a.more(), s.value.Key()
		if _, ok := x.set[k]; !ok {
			if x.set == nil {
				x.set = map[string]struct{}{}
			}
			x.set[string([]byte(k))] = struct{}{}
		}
	case Collect:
		a.more().collect(g, s)
	}
}

func (x *rest) collect(g *Aggregate, s *sample) {
	e := collected{s.time, s.id, s.value}
	at, _ := slices.BinarySearchFunc(x.list, e, func(x, y collected) int {
		if compareCollected(g, x, y) <= 0 {
			return -1 // behind its equals, in the order of arrival
		}
		return 1
	})
	if at >= g.Limit {
		return
	}
	e.id, e.value = string([]byte(e.id)), e.value.Clone()
	if len(x.list) == g.Limit {
		x.list = x.list[:g.Limit-1]
	}
	x.list = slices.Insert(x.list, at, e)
}

func compareCollected(g *Aggregate, x, y collected) int {
	if g.Smallest {
		if c, ok := event.Compare(x.value, y.value); ok && c != 0 {
			return c
		}
	}
	switch {
	case before(x.time, x.id, y.time, y.id):
		return -1
	case before(y.time, y.id, x.time, x.id):
		return 1
	}
	return 0
}

func before(t event.Time, id string, u event.Time, jd string) bool {
	return t < u || t == u && id < jd
}

// result is the figure. Over no rows, count, sum and distinct are 0, collect is
// empty and the others are null.
func (a *accumulator) result(g *Aggregate) event.Value {
	switch g.Kind {
	case Count:
		return event.IntOf(a.n)
	case Distinct:
		return event.IntOf(int64(len(a.more().set)))
	case Sum:
		if a.n == 0 {
			return event.IntOf(0)
		}
	case Avg:
		for scale := avgScale; scale >= 0; scale-- { // fewer places where six do not fit
			if v, ok := event.Div(a.value, a.n, uint8(scale)); ok {
				return v
			}
		}
		return event.Value{}
	case Collect:
		list := a.more().list
		values := make([]any, len(list))
		for i, e := range list {
			values[i] = e.value.Any()
		}
		text, err := json.Marshal(values)
		if err != nil { // only a float that JSON cannot say gets here
			return event.Value{}
		}
		return event.JSONOf(string(text))
	}
	return a.value
}

// orders tells whether the aggregate goes by the order of events.
func (a Aggregate) orders() bool { return a.Kind == First || a.Kind == Last || a.Kind == Collect }
