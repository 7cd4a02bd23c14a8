package generate

import (
	"reflect"
	"testing"
	"time"
)

// Orders of days that follow come on top: the others are those of a data set without them.
func TestFollowing(t *testing.T) {
	end := time.Date(2018, 8, 22, 0, 0, 0, 0, time.UTC)
	const orders, days = 4000, 28
	read := func(following int) (d dataset, sum Summary) {
		dir := t.TempDir()
		sum, err := Write(dir, Options{Orders: orders, Seed: 3, Until: end, Incidents: 1, Following: following})
		if err != nil {
			t.Fatal(err)
		}
		return dataset{
			orders: rows(t, dir, OrdersFile), items: rows(t, dir, ItemsFile), payments: rows(t, dir, PaymentsFile),
			customers: rows(t, dir, CustomersFile), products: rows(t, dir, ProductsFile),
		}, sum
	}
	without, _ := read(0)
	with, sum := read(days)
	for what, pair := range map[string][2][]map[string]string{
		"orders": {without.orders, with.orders}, "items": {without.items, with.items}, "payments": {without.payments, with.payments},
		"customers": {without.customers, with.customers}, "products": {without.products, with.products},
	} {
		if n := len(pair[0]); n == 0 || len(pair[1]) < n || !reflect.DeepEqual(pair[0], pair[1][:n]) {
			t.Errorf("%s are others", what)
		}
	}
	known := map[string]bool{}
	for _, c := range with.customers {
		known[c["customer_id"]] = true
	}
	before, hours := 0, map[time.Time]int{}
	for i, o := range with.orders {
		at := moment(t, o["order_purchase_timestamp"])
		first, last := time.Time{}, end
		if i >= orders {
			first, last = end, end.AddDate(0, 0, days)
		}
		if at.Before(first) || !at.Before(last) {
			t.Fatalf("order %d was placed at %v", i, at)
		}
		if !known[o["customer_id"]] {
			t.Fatalf("order %d has no customer", i)
		}
		if i < orders && !at.Before(end.AddDate(0, 0, -days)) {
			before++
		}
		if o["order_approved_at"] == "" {
			hours[at.Truncate(time.Hour)]++
		}
	}
	// As many as in the weeks before, of which the former are a sample.
	if following := len(with.orders) - orders; following < before*7/10 || following > before*13/10 {
		t.Errorf("%d orders follow, %d were placed in as many days before", following, before)
	}
	if len(sum.Incidents) != 2 || !sum.Incidents[0].Before(end) || sum.Incidents[1].Before(end) {
		t.Fatalf("incidents at %v, want one on each side", sum.Incidents)
	}
	for _, hour := range sum.Incidents {
		if hours[hour] < incidentOrders/2 {
			t.Errorf("%d orders failed at %v", hours[hour], hour)
		}
	}
}
