package filter

import "github.com/tidemark-streams/tidemark/plugins/internal/event"

// Predicate is a condition compiled for one operator of one task. It is not safe
// for concurrent use.
type Predicate struct{ eval func(*event.Row) event.Value }

// Match tells whether the condition holds for r. A comparison of values that have
// no order, such as null with a number, does not hold.
func (p *Predicate) Match(r *event.Row) bool { return p == nil || p.eval(r).Bool() }

// Compile makes the condition runnable. A nil condition holds for every row.
func (e *Expr) Compile() *Predicate {
	if e == nil {
		return nil
	}
	return &Predicate{compile(e.root)}
}

func compile(n node) func(*event.Row) event.Value {
	switch n := n.(type) {
	case literal:
		return func(*event.Row) event.Value { return n.value }
	case fieldRef:
		return event.NewRef(n.path).Get
	case not:
		of := compile(n.of)
		return func(r *event.Row) event.Value { return event.BoolOf(!of(r).Bool()) }
	case contains:
		of := compile(n.of)
		return func(r *event.Row) event.Value {
			v := of(r)
			for _, w := range n.list {
				if equal(v, w) {
					return event.BoolOf(true)
				}
			}
			return event.BoolOf(false)
		}
	case binary:
		return compileBinary(n)
	}
	return func(*event.Row) event.Value { return event.Value{} }
}

func compileBinary(n binary) func(*event.Row) event.Value {
	left, right := compile(n.left), compile(n.right)
	test := func(ok func(c int) bool) func(*event.Row) event.Value {
		return func(r *event.Row) event.Value {
			c, ordered := event.Compare(left(r), right(r))
			return event.BoolOf(ordered && ok(c))
		}
	}
	switch n.op {
	case "&&":
		return func(r *event.Row) event.Value { return event.BoolOf(left(r).Bool() && right(r).Bool()) }
	case "||":
		return func(r *event.Row) event.Value { return event.BoolOf(left(r).Bool() || right(r).Bool()) }
	case "==":
		return func(r *event.Row) event.Value { return event.BoolOf(equal(left(r), right(r))) }
	case "!=":
		return func(r *event.Row) event.Value { return event.BoolOf(!equal(left(r), right(r))) }
	case "<":
		return test(func(c int) bool { return c < 0 })
	case "<=":
		return test(func(c int) bool { return c <= 0 })
	case ">":
		return test(func(c int) bool { return c > 0 })
	default:
		return test(func(c int) bool { return c >= 0 })
	}
}

func equal(a, b event.Value) bool {
	if a.IsNull() || b.IsNull() {
		return a.IsNull() && b.IsNull()
	}
	c, ok := event.Compare(a, b)
	return ok && c == 0
}
