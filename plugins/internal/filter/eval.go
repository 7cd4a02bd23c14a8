package filter

import "github.com/tidemark-streams/tidemark/plugins/internal/event"

// Predicate is a condition compiled for one operator of one task. It is not safe
// for concurrent use.
type Predicate struct{ test func(*event.Row) bool }

// Match tells whether the condition holds for r. A comparison of values that have
// no order, such as null with a number, does not hold.
func (p *Predicate) Match(r *event.Row) bool { return p == nil || p.test(r) }

// Compile makes the condition runnable. A nil condition holds for every row.
func (e *Expr) Compile() *Predicate {
	if e == nil {
		return nil
	}
	return &Predicate{test(e.root)}
}

// value compiles an expression.
func value(n node) func(*event.Row) event.Value {
	switch n := n.(type) {
	case literal:
		return func(*event.Row) event.Value { return n.value }
	case fieldRef:
		return event.NewRef(n.path).Get
	}
	holds := test(n)
	return func(r *event.Row) event.Value { return event.BoolOf(holds(r)) }
}

// test compiles an expression of which only matters whether it is true.
func test(n node) func(*event.Row) bool {
	switch n := n.(type) {
	case not:
		of := test(n.of)
		return func(r *event.Row) bool { return !of(r) }
	case contains:
		of := value(n.of)
		return func(r *event.Row) bool {
			v := of(r)
			for _, w := range n.list {
				if equal(v, w) {
					return true
				}
			}
			return false
		}
	case binary:
		return testBinary(n)
	}
	of := value(n)
	return func(r *event.Row) bool { return of(r).Bool() }
}

func testBinary(n binary) func(*event.Row) bool {
	switch n.op {
	case "&&":
		left, right := test(n.left), test(n.right)
		return func(r *event.Row) bool { return left(r) && right(r) }
	case "||":
		left, right := test(n.left), test(n.right)
		return func(r *event.Row) bool { return left(r) || right(r) }
	case "==":
		return testEqual(n)
	case "!=":
		same := testEqual(n)
		return func(r *event.Row) bool { return !same(r) }
	}
	left, right := value(n.left), value(n.right)
	order := func(ok func(c int) bool) func(*event.Row) bool {
		return func(r *event.Row) bool {
			c, ordered := event.Compare(left(r), right(r))
			return ordered && ok(c)
		}
	}
	switch n.op {
	case "<":
		return order(func(c int) bool { return c < 0 })
	case "<=":
		return order(func(c int) bool { return c <= 0 })
	case ">":
		return order(func(c int) bool { return c > 0 })
	default:
		return order(func(c int) bool { return c >= 0 })
	}
}

// testEqual compares, quickly where a field is compared with a text or a whole number
// of its own kind.
func testEqual(n binary) func(*event.Row) bool {
	left, right := value(n.left), value(n.right)
	if l, ok := n.right.(literal); ok {
		want := l.value
		switch want.Kind() {
		case event.String:
			text := want.Str()
			return func(r *event.Row) bool {
				v := left(r)
				if v.Kind() == event.String {
					return v.Str() == text
				}
				return equal(v, want)
			}
		case event.Int:
			number := want.Int()
			return func(r *event.Row) bool {
				v := left(r)
				if v.Kind() == event.Int {
					return v.Int() == number
				}
				return equal(v, want)
			}
		}
	}
	return func(r *event.Row) bool { return equal(left(r), right(r)) }
}

func equal(a, b event.Value) bool {
	if a.IsNull() || b.IsNull() {
		return a.IsNull() && b.IsNull()
	}
	c, ok := event.Compare(a, b)
	return ok && c == 0
}
