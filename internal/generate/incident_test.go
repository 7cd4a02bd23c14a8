package generate

import (
	"slices"
	"testing"
	"time"
)

func TestIncidents(t *testing.T) {
	for _, c := range []struct{ orders, incidents, atLeast int }{
		{20_000, 3, 16}, {2000, 2, 12}, {8000, 20, 12}, {100, 2, 4}, {5, 1, 0},
	} {
		d, sum := generated(t, Options{Orders: c.orders, Seed: 7, Incidents: c.incidents})
		if len(d.orders) != c.orders || len(sum.Incidents) != c.incidents {
			t.Errorf("%d orders and %d incidents, want %d and %d", len(d.orders), len(sum.Incidents), c.orders, c.incidents)
		}
		approved := map[string]bool{}
		type of struct{ orders, unapproved, canceled int }
		hours := map[time.Time]*of{}
		for _, hour := range sum.Incidents {
			hours[hour] = &of{}
		}
		for _, o := range d.orders {
			approved[o["order_id"]] = o["order_approved_at"] != ""
			h := hours[moment(t, o["order_purchase_timestamp"]).Truncate(time.Hour)]
			if h == nil {
				continue
			}
			h.orders++
			if o["order_approved_at"] == "" {
				h.unapproved++
				if o["order_status"] == "canceled" {
					h.canceled++
				}
			}
		}
		for hour, h := range hours {
			t.Logf("%d orders: %v: %+v", c.orders, hour, *h)
			if h.unapproved < c.atLeast || h.unapproved*10 < h.orders*7 {
				t.Errorf("%d of %d orders failed at %v, want most, and at least %d", h.unapproved, h.orders, hour, c.atLeast)
			}
			// An alert takes more than five dropped orders of one status.
			if c.atLeast >= 12 && h.canceled <= 5 {
				t.Errorf("%d orders were canceled at %v, too few for an alert", h.canceled, hour)
			}
		}
		for _, p := range d.payments {
			if _, known := approved[p["order_id"]]; !known {
				t.Fatalf("payment of no order: %v", p)
			}
		}
	}
}

// TestIncidentsLeaveTheRestAlone compares the shares of statuses outside of the hours.
func TestIncidentsLeaveTheRestAlone(t *testing.T) {
	status := func(r map[string]string) string { return r["order_status"] }
	without, _ := generated(t, Options{Orders: 8000, Seed: 7})
	with, sum := generated(t, Options{Orders: 8000, Seed: 7, Incidents: 20})
	var rest []map[string]string
	for _, o := range with.orders {
		if hour := moment(t, o["order_purchase_timestamp"]).Truncate(time.Hour); !slices.Contains(sum.Incidents, hour) {
			rest = append(rest, o)
		}
	}
	if d := distance(shares(without.orders, status), shares(rest, status)); d > .02 {
		t.Errorf("statuses outside of the incidents: total variation distance %.4f", d)
	}
}

func TestIncidentsAreBounded(t *testing.T) {
	for _, n := range []int{-1, busyHours + 1} {
		if _, err := Write(t.TempDir(), Options{Orders: 100, Incidents: n}); err == nil {
			t.Errorf("no error for %d incidents", n)
		}
	}
}
