package olistcsv

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	ordersHead   = "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date\n"
	itemsHead    = "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value\n"
	paymentsHead = "order_id,payment_sequential,payment_type,payment_installments,payment_value\n"
)

// files makes a dataset of rows below the usual headers.
func files(orders, items, payments string) fstest.MapFS {
	return fstest.MapFS{
		OrdersFile:   {Data: []byte(ordersHead + orders)},
		ItemsFile:    {Data: []byte(itemsHead + items)},
		PaymentsFile: {Data: []byte(paymentsHead + payments)},
	}
}

func options() Options {
	return Options{Validate: true, StartFrom: event.MinTime, Location: time.UTC}
}

func load(t testing.TB, fsys fstest.MapFS, opts Options) *Dataset {
	t.Helper()
	d, err := Load(context.Background(), fsys, opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// brief shows the events as "time topic key/n".
func brief(d *Dataset) string {
	var out []string
	for i := range d.Len() {
		e := d.Event(i)
		out = append(out, fmt.Sprintf("%s %s %s:%d", e.Time.UTC().Format("15:04"), strings.TrimPrefix(e.Topic, "olist."), e.Key, e.Line))
	}
	return strings.Join(out, "\n")
}

func rejects(d *Dataset) string {
	var out []string
	for _, r := range d.Rejects {
		out = append(out, fmt.Sprintf("%s:%d %s: %s", r.File, r.Line, r.Rule, r.Detail))
	}
	return strings.Join(out, "\n")
}

// The ids were made with Python's uuid.uuid5.
func TestEventIDs(t *testing.T) {
	for _, tc := range []struct {
		topic, order string
		n            int64
		want         string
	}{
		{TopicOrders, "a4591c265e18cb1dcee52889e2d8acc3", 0, "6a06ecfb-3a28-5057-90e7-512c15fa3a5d"},
		{TopicItems, "0009792311464db532ff765bf7b182ae", 1, "f90126df-3674-5df4-8051-e0b2384fa887"},
		{TopicPayments, "42fdf880ba16b47b59251dd489d4441a", 1, "911b3528-bf03-574f-9258-4ae780c21535"},
	} {
		if got := EventID(tc.topic, tc.order, tc.n); got != tc.want {
			t.Errorf("%s/%s/%d: %s", tc.topic, tc.order, tc.n, got)
		}
	}
}

func TestEvents(t *testing.T) {
	fsys := files(
		"o1,c1,delivered,2017-07-09 21:57:05,2017-07-09 22:10:13,,2017-07-26 10:57:55,2017-08-01 00:00:00\n"+
			"o2,c2,created,2017-07-09 22:00:00,,,,\n",
		"o1,1,p1,s1,,99.9,27.65\no2,1,,,,1,0.5\n",
		"o1,1,credit_card,2,127.55\no2,1,voucher,0,1.50\n")
	fsys[CustomersFile] = &fstest.MapFile{Data: []byte("customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state\nc1,u,1,timoteo,MG\n")}
	fsys[ProductsFile] = &fstest.MapFile{Data: []byte("\"product_id\",\"product_category_name\"\np1,bebes\n")}
	fsys[TranslationsFile] = &fstest.MapFile{Data: []byte("\ufeffproduct_category_name,product_category_name_english\nbebes,baby\n")}
	fsys[SellersFile] = &fstest.MapFile{Data: []byte("seller_id,seller_state\ns1,SP\n")}
	d := load(t, fsys, options())
	if got, want := brief(d), strings.Join([]string{
		"21:57 orders o1:2", "21:57 order_items o1:2",
		"22:00 orders o2:3", "22:00 order_items o2:3", "22:00 payments o2:3",
		"22:10 payments o1:2",
	}, "\n"); got != want {
		t.Errorf("got\n%s", got)
	}
	got := map[string]string{}
	for i := range d.Len() {
		e := d.Event(i)
		text, err := json.Marshal(e.Fields)
		if err != nil {
			t.Fatal(err)
		}
		got[e.Type+" "+e.Key] = string(text)
	}
	for key, want := range map[string]string{
		"OrderCreated o1":    `{"customer_id":"c1","customer_state":"MG","delivered_customer_date":"2017-07-26T10:57:55Z","estimated_delivery_date":"2017-08-01T00:00:00Z","event_id":"` + EventID(TopicOrders, "o1", 0) + `","event_time":"2017-07-09T21:57:05Z","order_approved_at":"2017-07-09T22:10:13Z","order_id":"o1","order_status":"delivered"}`,
		"OrderCreated o2":    `{"customer_id":"c2","customer_state":null,"delivered_customer_date":null,"estimated_delivery_date":null,"event_id":"` + EventID(TopicOrders, "o2", 0) + `","event_time":"2017-07-09T22:00:00Z","order_approved_at":null,"order_id":"o2","order_status":"created"}`,
		"OrderItemAdded o1":  `{"event_id":"` + EventID(TopicItems, "o1", 1) + `","event_time":"2017-07-09T21:57:05Z","freight_value":27.65,"order_id":"o1","order_item_id":1,"price":99.90,"product_category":"baby","product_id":"p1","seller_id":"s1","seller_state":"SP"}`,
		"OrderItemAdded o2":  `{"event_id":"` + EventID(TopicItems, "o2", 1) + `","event_time":"2017-07-09T22:00:00Z","freight_value":0.50,"order_id":"o2","order_item_id":1,"price":1.00,"product_category":null,"product_id":null,"seller_id":null,"seller_state":null}`,
		"PaymentReceived o1": `{"event_id":"` + EventID(TopicPayments, "o1", 1) + `","event_time":"2017-07-09T22:10:13Z","order_id":"o1","payment_installments":2,"payment_sequential":1,"payment_status":"approved","payment_type":"credit_card","payment_value":127.55}`,
		"PaymentReceived o2": `{"event_id":"` + EventID(TopicPayments, "o2", 1) + `","event_time":"2017-07-09T22:00:00Z","order_id":"o2","payment_installments":0,"payment_sequential":1,"payment_status":"unapproved","payment_type":"voucher","payment_value":1.50}`,
	} {
		if got[key] != want {
			t.Errorf("%s: %s", key, got[key])
		}
	}
}

// What the other files tell of an item, and what they may lack without harm.
func TestDimensions(t *testing.T) {
	const items = "o1,1,p1,s1,,1,0\no1,2,p2,s2,,1,0\no1,3,p3,s3,,1,0\no1,4,,,,1,0\n"
	const products = "product_id,x,product_category_name\np1,,bebes\np2,,pc_gamer\np3,,\n,,artes\n\"p4,,\nunsold,,bebes\n"
	const translations = "\ufeffproduct_category_name,product_category_name_english\nbebes,baby\nartes,art\n"
	const sellers = "seller_id,seller_state\ns1,SP\n,RJ\ns2\ns3,\nunsold,SP\n"
	for _, tc := range []struct {
		name, want                      string
		products, translations, sellers string
	}{
		{"all", "baby SP; pc_gamer -; - -; - -", products, translations, sellers},
		{"no translation", "bebes SP; pc_gamer -; - -; - -", products, "", sellers},
		{"no sellers", "baby -; pc_gamer -; - -; - -", products, translations, ""},
		{"no products", "- SP; - -; - -; - -", "", translations, sellers},
		{"only the core files", "- -; - -; - -; - -", "", "", ""},
	} {
		fsys := files(goodOrder, items, "")
		for name, text := range map[string]string{ProductsFile: tc.products, TranslationsFile: tc.translations, SellersFile: tc.sellers} {
			if text != "" {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		d := load(t, fsys, options())
		var got []string
		for i := range d.Len() {
			if e := d.Event(i); e.Topic == TopicItems {
				got = append(got, strings.ReplaceAll(fmt.Sprint(e.Fields["product_category"], " ", e.Fields["seller_state"]), "<nil>", "-"))
			}
		}
		if got := strings.Join(got, "; "); got != tc.want || len(d.Rejects) > 0 {
			t.Errorf("%s: %s, want %s; rejects %s", tc.name, got, tc.want, rejects(d))
		}
		if len(d.categories) > 2 || len(d.sellerStates) > 1 {
			t.Errorf("%s: kept %v and %v", tc.name, d.categories, d.sellerStates)
		}
	}
}

// A file of orders from before their delivery is accepted.
func TestWithoutDeliveryDates(t *testing.T) {
	fsys := files("", "", "")
	fsys[OrdersFile].Data = []byte("order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_estimated_delivery_date\n" +
		"o1,c1,shipped,2017-07-09 21:57:05,,2017-08-01 00:00:00\n")
	d := load(t, fsys, options())
	if d.Len() != 1 || len(d.Rejects) > 0 {
		t.Fatal(brief(d), rejects(d))
	}
	if f := d.Event(0).Fields; f["delivered_customer_date"] != nil || f["estimated_delivery_date"] != "2017-08-01T00:00:00Z" {
		t.Error(f)
	}
}

func TestTimezone(t *testing.T) {
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		t.Fatal(err)
	}
	opts := options()
	opts.Location = zone
	d := load(t, files("o1,c1,created,2017-07-09 21:57:05,,,,\no2,c2,created,2017-07-09T21:57:05Z,,,,\n", "", ""), opts)
	if got := brief(d); got != "21:57 orders o2:3\n00:57 orders o1:2" {
		t.Error(got)
	}
}

const (
	goodOrder = "o1,c1,delivered,2017-07-09 21:57:05,2017-07-09 22:10:13,,,2017-08-01 00:00:00\n"
	goodLoose = "o1,c1,delivered,2017-07-09 21:57:05,,,,\n"
)

func TestRules(t *testing.T) {
	for _, tc := range []struct {
		name                    string
		orders, items, payments string
		strict                  string // the reject with validation, "" for none
		loose                   string // and without
	}{
		{"order id", ",c1,delivered,2017-07-09 21:57:05,,,,\n", "", "", "olist_orders_dataset.csv:2 missing value: order_id is empty", ""},
		{"customer id", "o1,,delivered,2017-07-09 21:57:05,,,,\n", "", "", "olist_orders_dataset.csv:2 missing value: customer_id is empty", ""},
		{"status", "o1,c1,,2017-07-09 21:57:05,,,,\n", "", "", "olist_orders_dataset.csv:2 missing value: order_status is empty", ""},
		{"purchase time", "o1,c1,delivered,yesterday,,,,\n", "", "", `olist_orders_dataset.csv:2 unparsable time: order_purchase_timestamp is "yesterday"`, `olist_orders_dataset.csv:2 unparsable time: order_purchase_timestamp is "yesterday"`},
		{"no purchase time", "o1,c1,delivered,,,,,\n", "", "", `olist_orders_dataset.csv:2 unparsable time: order_purchase_timestamp is ""`, `olist_orders_dataset.csv:2 unparsable time: order_purchase_timestamp is ""`},
		{"before 1970", "o1,c1,delivered,1969-12-31 23:59:59,,,,\n", "", "", `olist_orders_dataset.csv:2 unparsable time: order_purchase_timestamp is "1969-12-31 23:59:59"`, `olist_orders_dataset.csv:2 unparsable time: order_purchase_timestamp is "1969-12-31 23:59:59"`},
		{"approval time", "o1,c1,delivered,2017-07-09 21:57:05,2017-13-01 00:00:00,,,\n", "", "", `olist_orders_dataset.csv:2 unparsable time: order_approved_at is "2017-13-01 00:00:00"`, ""},
		{"estimate", "o1,c1,delivered,2017-07-09 21:57:05,,,,soon\n", "", "", `olist_orders_dataset.csv:2 unparsable time: order_estimated_delivery_date is "soon"`, ""},
		{"delivery", "o1,c1,delivered,2017-07-09 21:57:05,,,later,\n", "", "", `olist_orders_dataset.csv:2 unparsable time: order_delivered_customer_date is "later"`, ""},
		{"short row", "o1,c1\n", "", "", "olist_orders_dataset.csv:2 unreadable row: 2 values, the header has 8 columns", "olist_orders_dataset.csv:2 unreadable row: 2 values, the header has 8 columns"},
		{"price", goodOrder, "o1,1,p,s,,-1,0\n", "", "olist_order_items_dataset.csv:2 negative number: price is -1", ""},
		{"freight", goodOrder, "o1,1,p,s,,1,-0.01\n", "", "olist_order_items_dataset.csv:2 negative number: freight_value is -0.01", ""},
		{"no price", goodOrder, "o1,1,p,s,,,0\n", "", "olist_order_items_dataset.csv:2 missing value: price is empty", "olist_order_items_dataset.csv:2 missing value: price is empty"},
		{"price is text", goodOrder, "o1,1,p,s,,cheap,0\n", "", `olist_order_items_dataset.csv:2 unparsable number: price is "cheap"`, `olist_order_items_dataset.csv:2 unparsable number: price is "cheap"`},
		{"price too fine", goodOrder, "o1,1,p,s,,1.005,0\n", "", `olist_order_items_dataset.csv:2 unparsable number: price is "1.005"`, `olist_order_items_dataset.csv:2 unparsable number: price is "1.005"`},
		{"price too large", goodOrder, "o1,1,p,s,,10000000000000,0\n", "", `olist_order_items_dataset.csv:2 unparsable number: price is "10000000000000"`, `olist_order_items_dataset.csv:2 unparsable number: price is "10000000000000"`},
		{"item number", goodOrder, "o1,one,p,s,,1,0\n", "", `olist_order_items_dataset.csv:2 unparsable number: order_item_id is "one"`, `olist_order_items_dataset.csv:2 unparsable number: order_item_id is "one"`},
		{"item number 0", goodOrder, "o1,0,p,s,,1,0\n", "", "olist_order_items_dataset.csv:2 unparsable number: order_item_id is 0, the least is 1", ""},
		{"item without order", goodOrder, "o9,1,p,s,,1,0\n", "", `olist_order_items_dataset.csv:2 unknown order: order_id "o9" is not among the valid orders`, `olist_order_items_dataset.csv:2 unknown order: order_id "o9" is not among the valid orders`},
		{"item without order id", goodOrder, ",1,p,s,,1,0\n", "", "olist_order_items_dataset.csv:2 missing value: order_id is empty", `olist_order_items_dataset.csv:2 unknown order: order_id "" is not among the valid orders`},
		{"item of a broken order", "o1,c1,delivered,never,,,,\n", "o1,1,p,s,,1,0\n", "", "olist_orders_dataset.csv:2 unparsable time: order_purchase_timestamp is \"never\"\nolist_order_items_dataset.csv:2 unknown order: order_id \"o1\" is not among the valid orders", "olist_orders_dataset.csv:2 unparsable time: order_purchase_timestamp is \"never\"\nolist_order_items_dataset.csv:2 unknown order: order_id \"o1\" is not among the valid orders"},
		{"value", goodLoose, "", "o1,1,boleto,1,-5\n", "olist_order_payments_dataset.csv:2 negative number: payment_value is -5", ""},
		{"type", goodLoose, "", "o1,1,,1,5\n", "olist_order_payments_dataset.csv:2 missing value: payment_type is empty", ""},
		{"installments", goodLoose, "", "o1,1,boleto,-1,5\n", "olist_order_payments_dataset.csv:2 negative number: payment_installments is -1", ""},
		{"sequential", goodLoose, "", "o1,99999999999,boleto,1,5\n", `olist_order_payments_dataset.csv:2 unparsable number: payment_sequential is "99999999999"`, `olist_order_payments_dataset.csv:2 unparsable number: payment_sequential is "99999999999"`},
		{"payment without order", goodLoose, "", "o9,1,boleto,1,5\n", `olist_order_payments_dataset.csv:2 unknown order: order_id "o9" is not among the valid orders`, `olist_order_payments_dataset.csv:2 unknown order: order_id "o9" is not among the valid orders`},
		{"nothing wrong", goodOrder, "o1,1,,,,0,0\n", "o1,1,not_defined,0,0\n", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := load(t, files(tc.orders, tc.items, tc.payments), options())
			if got := rejects(d); got != tc.strict {
				t.Errorf("validated:\n%s\nwant\n%s", got, tc.strict)
			}
			opts := options()
			opts.Validate = false
			d = load(t, files(tc.orders, tc.items, tc.payments), opts)
			if got := rejects(d); got != tc.loose {
				t.Errorf("not validated:\n%s\nwant\n%s", got, tc.loose)
			}
			rows := strings.Count(tc.orders+tc.items+tc.payments, "\n")
			if d.Len()+len(d.Rejects) != rows {
				t.Errorf("%d events and %d rejects of %d rows", d.Len(), len(d.Rejects), rows)
			}
		})
	}
}

func TestRejectsKeepPlaceAndTime(t *testing.T) {
	d := load(t, files("\"o1\nx\",c1,delivered,2017-07-09 21:57:05,,,,\n"+goodOrder, "o1,1,p,s,,-1,0\n", "o1,1,boleto,1,-5\n"), options())
	if got := rejects(d); got != "olist_order_items_dataset.csv:2 negative number: price is -1\nolist_order_payments_dataset.csv:2 negative number: payment_value is -5" {
		t.Fatal(got)
	}
	if r := d.Rejects[0]; r.Payload != "o1,1,p,s,,-1,0" || r.Time.String() != "2017-07-09T21:57:05Z" {
		t.Error(r)
	}
	if r := d.Rejects[1]; r.Time.String() != "2017-07-09T22:10:13Z" {
		t.Error(r)
	}
	if e := d.Event(1); e.Key != "o1" || e.Line != 4 {
		t.Error(e)
	}
}

func TestSelection(t *testing.T) {
	fsys := files(
		"o3,c,created,2017-07-09 03:00:00,,,,\n"+
			"o1,c,created,2017-07-09 01:00:00,,,,\n"+
			"o2b,c,created,2017-07-09 02:00:00,,,,\n"+
			"o2a,c,created,2017-07-09 02:00:00,,,,\n"+
			"o1,c,created,2017-07-09 04:00:00,,,,\n", // the same order again
		"o1,1,,,,1,0\no2b,1,,,,1,0\no2a,1,,,,-1,0\nnone,1,,,,1,0\n",
		"o2a,1,boleto,1,5\no3,1,boleto,1,5\n")
	for _, tc := range []struct {
		from, events, rejects string
		limit                 int
	}{
		{"", "01:00 orders o1:3\n01:00 order_items o1:2\n02:00 orders o2b:4\n02:00 orders o2a:5\n02:00 order_items o2b:3\n02:00 payments o2a:2\n03:00 orders o3:2\n03:00 payments o3:3\n04:00 orders o1:6", "2 rejects", 0},
		{"", "01:00 orders o1:3\n01:00 order_items o1:2\n02:00 orders o2b:4\n02:00 order_items o2b:3\n04:00 orders o1:6", "1 rejects", 2},
		{"2017-07-09 02:00:00", "02:00 orders o2b:4\n02:00 orders o2a:5\n02:00 order_items o2b:3\n02:00 payments o2a:2", "2 rejects", 2},
		{"2017-07-09 03:00:00", "03:00 orders o3:2\n03:00 payments o3:3", "1 rejects", 9},
		{"2018-01-01", "", "1 rejects", 0},
	} {
		opts := options()
		opts.Limit = tc.limit
		if tc.from != "" {
			var ok bool
			if opts.StartFrom, ok = ParseTime(tc.from, time.UTC); !ok {
				t.Fatal(tc.from)
			}
		}
		d := load(t, fsys, opts)
		if got := brief(d); got != tc.events {
			t.Errorf("from %q limit %d: got\n%s", tc.from, tc.limit, got)
		}
		if got := fmt.Sprint(len(d.Rejects), " rejects"); got != tc.rejects {
			t.Errorf("from %q limit %d: %s: %s", tc.from, tc.limit, got, rejects(d))
		}
	}
}

func TestRebase(t *testing.T) {
	fsys := files(goodOrder+"o2,c2,created,2017-07-10 21:57:05,,,,\n", "", "o1,1,boleto,1,5\n")
	now := event.TimeOf(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	d := load(t, fsys, options())
	id := d.Event(0).Fields["event_id"]
	d.Shift(d.Rebase(now, true))
	if e := d.Event(0); e.Time != now || e.Fields["event_time"] != "2030-01-02T03:04:05Z" ||
		e.Fields["order_approved_at"] != "2030-01-02T03:17:13Z" || e.Fields["event_id"] != id {
		t.Error(e)
	}
	if e := d.Event(1); e.Time != now.Add(788*event.Second) {
		t.Error(e)
	}
	d = load(t, fsys, options())
	d.Shift(d.Rebase(now, false))
	if e := d.Event(2); e.Time != now {
		t.Error(e)
	}
	if e := d.Event(0); e.Time != now.Add(-event.Day) {
		t.Error(e)
	}
	empty := load(t, files("", "", ""), options())
	empty.Shift(empty.Rebase(now, true))
}

func TestFileErrors(t *testing.T) {
	for want, change := range map[string]func(fstest.MapFS){
		OrdersFile + " is missing":                                              func(f fstest.MapFS) { delete(f, OrdersFile) },
		PaymentsFile + " is missing":                                            func(f fstest.MapFS) { delete(f, PaymentsFile) },
		ItemsFile + " is empty: it needs a header":                              func(f fstest.MapFS) { f[ItemsFile] = &fstest.MapFile{} },
		ItemsFile + " lacks the columns price, freight_value":                   func(f fstest.MapFS) { f[ItemsFile].Data = []byte("order_id,order_item_id,product_id,seller_id\n") },
		OrdersFile + " has no header: its first line names none of the columns": func(f fstest.MapFS) { f[OrdersFile].Data = []byte(goodOrder) },
		ProductsFile + " lacks the columns product_category_name":               func(f fstest.MapFS) { f[ProductsFile] = &fstest.MapFile{Data: []byte("product_id\n")} },
		CustomersFile + " lacks the columns customer_state":                     func(f fstest.MapFS) { f[CustomersFile] = &fstest.MapFile{Data: []byte("customer_id\n")} },
	} {
		fsys := files(goodOrder, "", "")
		change(fsys)
		if _, err := Load(context.Background(), fsys, options()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestMoney(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0.00", "12": "12.00", "12.3": "12.30", "12.34": "12.34", "12.3400": "12.34", "-0.05": "-0.05", ".5": "0.50",
		"+1.": "1.00", "-.50": "-0.50", ".0": "0.00", "9999999999999.99": "9999999999999.99",
		"10000000000000": "", "1.234": "", "1e3": "", "": "", ".": "", "-": "", "1.-5": "", "1,5": "", "NaN": "", "1_0": "", "0x1": "", "--1": "",
	} {
		cents, ok := parseCents(in)
		got := ""
		if ok {
			got = money(cents).String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(-maxCents+1, maxCents-1).Draw(t, "cents")
		if got, ok := parseCents(money(cents).String()); !ok || got != cents {
			t.Fatal(got, ok)
		}
	})
}

// Every row of any dataset becomes one event or one reject, in order of time.
func TestEveryRowIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]string{"o1", "o2", "o3", ""})
		when := rapid.SampledFrom([]string{"2017-07-09 21:57:05", "2017-07-10 00:00:00", "2016-01-01 00:00:00", "", "x"})
		amount := rapid.SampledFrom([]string{"1.5", "-1", "", "x", "2.345"})
		var orders, items, payments strings.Builder
		for range rapid.IntRange(0, 6).Draw(t, "orders") {
			fmt.Fprintf(&orders, "%s,c,created,%s,%s,,,\n", id.Draw(t, "id"), when.Draw(t, "purchased"), when.Draw(t, "approved"))
		}
		for range rapid.IntRange(0, 6).Draw(t, "items") {
			fmt.Fprintf(&items, "%s,1,p,s,,%s,1\n", id.Draw(t, "id"), amount.Draw(t, "price"))
		}
		for range rapid.IntRange(0, 6).Draw(t, "payments") {
			fmt.Fprintf(&payments, "%s,1,boleto,1,%s\n", id.Draw(t, "id"), amount.Draw(t, "value"))
		}
		opts := options()
		opts.Validate = rapid.Bool().Draw(t, "validate")
		d, err := Load(context.Background(), files(orders.String(), items.String(), payments.String()), opts)
		if err != nil {
			t.Fatal(err)
		}
		places := map[string]int{}
		for i := range d.Len() {
			e := d.Event(i)
			places[fmt.Sprint(e.File, e.Line)]++
			if i > 0 && d.refs[i].At < d.refs[i-1].At {
				t.Fatal("not in order of time")
			}
		}
		for _, r := range d.Rejects {
			places[fmt.Sprint(r.File, r.Line)]++
		}
		rows := strings.Count(orders.String()+items.String()+payments.String(), "\n")
		if len(places) != rows || slices.Max(append(slices.Collect(maps.Values(places)), 1)) > 1 {
			t.Fatal(places)
		}
	})
}

// The real files: the numbers were counted with other tools.
func TestOlistFiles(t *testing.T) {
	dir := kit.Olist(t)
	d, err := Load(context.Background(), os.DirFS(dir), options())
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	cents, categories, states, delivered := int64(0), map[any]int{}, map[any]int{}, 0
	for i := range d.Len() {
		e := d.Event(i)
		n[e.Topic]++
		switch e.Topic {
		case TopicItems:
			categories[e.Fields["product_category"]]++
			states[e.Fields["seller_state"]]++
		case TopicOrders:
			if e.Fields["delivered_customer_date"] != nil {
				delivered++
			}
		}
	}
	for i := range d.items.Len() {
		cents += d.items.At(i).price + d.items.At(i).freight
	}
	if n[TopicOrders] != 8135 || n[TopicItems] != 8365 || n[TopicPayments] != 8924 || cents != 126555274 || len(d.Rejects) != 0 {
		t.Error(n, cents, rejects(d))
	}
	if len(categories) != 73 || categories["bed_bath_table"] != 767 || categories["pc_gamer"] == 0 || categories[nil] != 158 ||
		len(states) != 19 || states["SP"] != 5966 || states[nil] != 0 || delivered != 5170 {
		t.Error(categories, states, delivered)
	}
}
