package filter

import "github.com/tidemark-streams/tidemark/plugins/internal/event"

// Never tells that the condition holds for no row that has the fields of r with the
// values of r, whatever else it has. False where that cannot be told.
func (e *Expr) Never(r *event.Row) bool {
	if e == nil {
		return false
	}
	holds, known := settled(e.root, r)
	return known && !holds
}

// settled is what n comes to for every row that has the fields of r, if that is known.
func settled(n node, r *event.Row) (holds, known bool) {
	if decided(n, r) {
		return test(n)(r), true
	}
	switch n := n.(type) {
	case not:
		holds, known = settled(n.of, r)
		return !holds, known
	case binary:
		if n.op != "&&" && n.op != "||" {
			return false, false
		}
		settles := n.op == "||" // either side decides when it is this
		for _, side := range []node{n.left, n.right} {
			if holds, known := settled(side, r); known && holds == settles {
				return settles, true
			}
		}
	}
	return false, false
}

// decided tells whether r has every field that n reads.
func decided(n node, r *event.Row) bool {
	for _, f := range n.fields(nil) {
		if r.Schema.Index(f) < 0 {
			return false
		}
	}
	return true
}
