package golden

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	orderHeader   = "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date\n"
	itemHeader    = "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value\n"
	paymentHeader = "order_id,payment_sequential,payment_type,payment_installments,payment_value\n"
)

func dataset(t *testing.T, orders, items, payments string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		OrdersFile: orderHeader + orders, ItemsFile: itemHeader + items, PaymentsFile: paymentHeader + payments,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	threeOrders = `o2,c2,canceled,2018-01-01 12:00:00,,,,2018-02-01 00:00:00
o1,c1,delivered,2018-01-01 12:00:00,2018-01-01 12:30:00,,,2018-02-01 00:00:00
o0,c0,delivered,2018-01-01 11:59:59,2018-01-08 11:59:59,,,
`
	threeItems = "o1,1,p,s,,99.9,8.77\no1,2,p,s,,1.0,0.0\no0,1,p,s,,5.00,0\n"
	payments3  = "o2,1,voucher,1,3.00\no1,1,credit_card,3,109.67\no0,1,boleto,1,5.00\n"
)

func read(t *testing.T, dir string, sel Selection) ([]Event, []Reject) {
	t.Helper()
	events, rejects, err := Read(dir, sel)
	if err != nil {
		t.Fatal(err)
	}
	return events, rejects
}

func TestRead(t *testing.T) {
	events, rejects := read(t, dataset(t, threeOrders, threeItems, payments3), Selection{})
	if len(rejects) != 0 {
		t.Errorf("rejects: %v", rejects)
	}
	at := func(s string) time.Time {
		v, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	early, first, half := at("2018-01-01 11:59:59"), at("2018-01-01 12:00:00"), at("2018-01-01 12:30:00")
	want := []Event{
		{Kind: Order, Time: early, OrderID: "o0", Customer: "c0", Status: "delivered"},
		{Kind: Item, Time: early, OrderID: "o0", N: 1, Price: 500},
		{Kind: Order, Time: first, OrderID: "o2", Customer: "c2", Status: "canceled"},
		{Kind: Order, Time: first, OrderID: "o1", Customer: "c1", Status: "delivered"},
		{Kind: Item, Time: first, OrderID: "o1", N: 1, Price: 9990, Freight: 877},
		{Kind: Item, Time: first, OrderID: "o1", N: 2, Price: 100},
		{Kind: Payment, Time: first, OrderID: "o2", N: 1, Type: "voucher", Installments: 1, Value: 300},
		{Kind: Payment, Time: half, OrderID: "o1", N: 1, Type: "credit_card", Installments: 3, Value: 10967, Approved: true},
		{Kind: Payment, Time: at("2018-01-08 11:59:59"), OrderID: "o0", N: 1, Type: "boleto", Installments: 1, Value: 500, Approved: true},
	}
	if !reflect.DeepEqual(events, want) {
		t.Errorf("got\n%+v\nwant\n%+v", events, want)
	}
}

func TestReadSelection(t *testing.T) {
	dir := dataset(t, threeOrders, threeItems, payments3)
	for _, c := range []struct {
		name   string
		sel    Selection
		orders string
		events int
	}{
		{"all", Selection{}, "o0 o2 o1", 9},
		{"limit", Selection{Limit: 1}, "o0", 3},
		{"limit within a tie takes the first of the file", Selection{Limit: 2}, "o0 o2", 5},
		{"from, inclusive", Selection{StartFrom: noon}, "o2 o1", 6},
		{"from and limit", Selection{StartFrom: noon, Limit: 1}, "o2", 2},
		{"limit above", Selection{Limit: 4}, "o0 o2 o1", 9},
		{"zone", Selection{StartFrom: noon.Add(3 * time.Hour), Location: time.FixedZone("", -3*3600)}, "o2 o1", 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			events, rejects := read(t, dir, c.sel)
			var orders []string
			for _, e := range events {
				if e.Kind == Order {
					orders = append(orders, e.OrderID)
				}
			}
			if got := strings.Join(orders, " "); got != c.orders || len(events) != c.events || len(rejects) != 0 {
				t.Errorf("orders %s, %d events, rejects %v; want %s, %d, none", got, len(events), rejects, c.orders, c.events)
			}
		})
	}
}

func TestReadRejects(t *testing.T) {
	events, rejects := read(t, dataset(t,
		"o1,c1,delivered,2018-01-01 12:00:00,,,,\n"+
			",c2,delivered,2018-01-01 12:00:00,,,,\n"+
			"o3,c3,delivered,yesterday,,,,\n"+
			"o4,c4,delivered,2018-01-01 12:00:00,soon,,,\n"+
			"o5,c5\n",
		"o1,1,p,s,,1.0,0.5\no1,2,p,s,,-1.0,0.5\no1,x,p,s,,1.0,0.5\no3,1,p,s,,1.0,0.5\n",
		"o1,1,boleto,1,1.5\no1,2,,1,1.5\no1,3,boleto,one,1.5\nnobody,1,boleto,1,1.5\n"), Selection{})
	if len(events) != 3 {
		t.Errorf("%d events, want 3: %v", len(events), events)
	}
	want := []struct {
		file, reason string
		line         int
	}{
		{OrdersFile, "missing", 3},
		{OrdersFile, `"yesterday" is not a time`, 4},
		{OrdersFile, `"soon" is not a time`, 5},
		{OrdersFile, "number of fields", 6},
		{ItemsFile, "negative", 3},
		{ItemsFile, "order_item_id", 4},
		{ItemsFile, `"o3" is unknown`, 5},
		{PaymentsFile, "payment_type", 3},
		{PaymentsFile, "payment_installments", 4},
		{PaymentsFile, `"nobody" is unknown`, 5},
	}
	if len(rejects) != len(want) {
		t.Fatalf("%d rejects, want %d: %v", len(rejects), len(want), rejects)
	}
	for i, w := range want {
		if r := rejects[i]; r.File != w.file || r.Line != w.line || !strings.Contains(r.Reason, w.reason) {
			t.Errorf("reject %d is %+v, want %+v", i, r, w)
		}
	}
}

func TestReadNeedsFilesAndColumns(t *testing.T) {
	if _, _, err := Read(t.TempDir(), Selection{}); err == nil || !strings.Contains(err.Error(), OrdersFile) {
		t.Errorf("missing file: %v", err)
	}
	for name, content := range map[string]string{"empty": "", "other columns": "\ufefforder_id,price\n"} {
		dir := dataset(t, "", "", "")
		if err := os.WriteFile(filepath.Join(dir, ItemsFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Read(dir, Selection{}); err == nil || !strings.Contains(err.Error(), ItemsFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
