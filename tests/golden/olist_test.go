package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// olist is the folder of the real files, which are not part of the project.
func olist(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TIDEMARK_OLIST")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "olist")
	}
	if _, err := os.Stat(filepath.Join(dir, OrdersFile)); err != nil {
		const hint = "no Olist files: set TIDEMARK_OLIST to the folder of the subset with 8,135 orders"
		if os.Getenv("CI") == "true" {
			t.Fatal(hint)
		}
		t.Skip(hint)
	}
	return dir
}

func TestOlist(t *testing.T) {
	events, rejects := read(t, olist(t), Selection{})
	if len(rejects) != 0 {
		t.Errorf("%d rejects, the first %v", len(rejects), rejects[0])
	}
	tables := Compute(events, Defaults())
	for _, c := range []struct{ view, column, want string }{
		{Funnel, "total_orders", "8135"},
		{Funnel, "orders_with_items", "7360"},
		{Funnel, "orders_with_payment", "7353"},
		{DropOff, "total_orders", "8135"},
		{GMV, "gmv", "1265552.74"},
		{GMV, "item_count", "8365"},
		{Payments, "payment_count", "8924"},
		{Hourly, "total_orders", "8135"},
		{Hourly, "gmv", "1265552.74"},
	} {
		if got, err := tables.Sum(c.view, c.column); err != nil || got != c.want {
			t.Errorf("%s.%s adds up to %s, want %s (%v)", c.view, c.column, got, c.want, err)
		}
	}
	if d := Diff(tables, Compute(append(events, events...), Defaults())); d != nil {
		t.Errorf("a second copy of every event changes rows: %v", d)
	}
}
