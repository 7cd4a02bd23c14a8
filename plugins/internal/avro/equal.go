package avro

import "slices"

// Equal tells whether data of one type is read in the same way as data of the other:
// names, structure and logical types are the same. Aliases and defaults do not count.
func Equal(a, b *Type) bool { return equal(a, b, map[[2]*Type]bool{}) }

// equal takes pairs that are being compared already as equal: a type may contain itself.
func equal(a, b *Type, seen map[[2]*Type]bool) bool {
	if a == b || seen[[2]*Type{a, b}] {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	seen[[2]*Type{a, b}] = true
	if a.Kind != b.Kind || a.Logical != b.Logical || a.Name != b.Name || a.Size != b.Size ||
		a.Precision != b.Precision || a.Scale != b.Scale || !slices.Equal(a.Symbols, b.Symbols) {
		return false
	}
	return equal(a.Elem, b.Elem, seen) &&
		slices.EqualFunc(a.Branches, b.Branches, func(x, y *Type) bool { return equal(x, y, seen) }) &&
		slices.EqualFunc(a.Fields, b.Fields, func(x, y Field) bool { return x.Name == y.Name && equal(x.Type, y.Type, seen) })
}
