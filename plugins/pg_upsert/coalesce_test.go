package pgupsert

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawRows(t *rapid.T) []*row {
	rows := make([]*row, rapid.IntRange(0, 60).Draw(t, "rows"))
	for i := range rows {
		rows[i] = &row{
			index: i,
			seq:   rapid.Int64Range(0, 8).Draw(t, "seq"),
			key:   rapid.StringMatching(`[a-e]`).Draw(t, "key"),
		}
	}
	return rows
}

// The heads are the newest rows of their keys in the order of the keys, and the
// chains behind them hold all other rows, each older than the one before.
func TestCoalesce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		want := map[string]*row{}
		for _, r := range rows {
			if o := want[r.key]; o == nil || r.newer(o) {
				want[r.key] = r
			}
		}
		heads := coalesce(rows)
		if len(heads) != len(want) {
			t.Fatalf("%d heads for %d keys", len(heads), len(want))
		}
		if !slices.IsSortedFunc(heads, func(a, b *row) int { return strings.Compare(a.key, b.key) }) {
			t.Fatal("not in the order of the keys")
		}
		seen := map[int]bool{}
		for _, h := range heads {
			if h != want[h.key] {
				t.Fatalf("key %s: row %d, want %d", h.key, h.index, want[h.key].index)
			}
			for r := h; r != nil; r = r.older {
				if seen[r.index] || r.key != h.key || r.older != nil && !r.newer(r.older) {
					t.Fatalf("row %d is out of place", r.index)
				}
				seen[r.index] = true
			}
		}
		if len(seen) != len(rows) {
			t.Fatalf("%d of %d rows are in a chain", len(seen), len(rows))
		}
	})
}

func TestRowKey(t *testing.T) {
	numeric, _ := typeOf("numeric")
	types := []columnType{typeText, numeric, typeText}
	key := func(a, n, b string) string {
		var t texts
		return t.rowKey([]cell{{text: a}, {text: n}, {text: b}}, types, []int{0, 1, 2})
	}
	for _, same := range [][2]string{{"1", "1.0"}, {"0", "-0.00"}, {"+1.50", "01.5"}, {"-2.5", "-2.50"}} {
		if key("a", same[0], "b") != key("a", same[1], "b") {
			t.Errorf("%s and %s are one number", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"1", "10"}, {"1", "-1"}, {"0.5", "5"}, {"15", "1.5"}} {
		if key("a", other[0], "b") == key("a", other[1], "b") {
			t.Errorf("%s and %s are two numbers", other[0], other[1])
		}
	}
	if key("a", "1", "bc") == key("ab", "1", "c") {
		t.Error("columns run into each other")
	}
}
