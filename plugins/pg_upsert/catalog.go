package pgupsert

import (
	"slices"
	"strings"
)

// tableInfo is what the catalog says of a table.
type tableInfo struct {
	name    tableName
	oid     uint32
	columns map[string]columnInfo
	order   []string // the names as the table has them
	unique  [][]string
}

type columnInfo struct {
	typ      string
	required bool // not null, and nothing fills it
}

// column is the column of that name, if the output can write its type.
func (t *tableInfo) column(name string) (column, error) {
	info, ok := t.columns[name]
	if !ok {
		return column{}, fatalf("table %s has no column %q; it has %s", t.name, name, strings.Join(t.order, ", "))
	}
	typ, ok := typeOf(info.typ)
	if !ok {
		return column{}, fatalf("table %s: column %q is of type %s; the output writes %s", t.name, name, info.typ, supportedTypes())
	}
	return column{name, typ}, nil
}

// need finds columns that must be of a given kind, and at least as wide.
func (t *tableInfo) need(want ...column) ([]column, error) {
	found := make([]column, len(want))
	for i, n := range want {
		c, err := t.column(n.name)
		if err != nil {
			return nil, err
		}
		if c.typ.kind != n.typ.kind || c.typ.array || c.typ.bits < n.typ.bits {
			return nil, fatalf("table %s: column %q is of type %s and must be %s", t.name, n.name, c.typ.name, n.typ.name)
		}
		found[i] = c
	}
	return found, nil
}

// fits checks that rows of u can be stored: no column is left empty that must
// not be, and the key is one.
func (t *tableInfo) fits(u upsert) error {
	written := map[string]bool{u.stamp: true}
	for _, c := range append(slices.Clone(u.consts), u.cols...) {
		written[c.name] = true
	}
	for _, name := range t.order {
		if t.columns[name].required && !written[name] {
			return fatalf("table %s: column %q must not be null and has no default, so it must be among the columns", t.name, name)
		}
	}
	return t.keyed(u.key)
}

// keyed checks for a unique index on exactly these columns, in any order.
func (t *tableInfo) keyed(key []string) error {
	want := slices.Sorted(slices.Values(key))
	var have []string
	for _, u := range t.unique {
		if slices.Equal(slices.Sorted(slices.Values(u)), want) {
			return nil
		}
		have = append(have, "("+strings.Join(u, ", ")+")")
	}
	if len(have) == 0 {
		have = []string{"none"}
	}
	return fatalf("table %s has no primary key or unique index on exactly (%s); it has %s",
		t.name, strings.Join(key, ", "), strings.Join(have, ", "))
}
