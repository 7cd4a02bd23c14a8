package generate

import (
	"encoding/csv"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// dataset holds generated rows by column name.
type dataset struct {
	orders, items, payments, customers, reviews  []map[string]string
	products, sellers, geolocation, translations []map[string]string
}

// datasets are those that tests have asked for, as some of them ask for the same.
var datasets = map[[3]int]struct {
	dataset
	Summary
}{}

func generated(t *testing.T, o Options) (dataset, Summary) {
	t.Helper()
	key := [3]int{o.Orders, int(o.Seed), o.Incidents}
	if known, ok := datasets[key]; ok {
		return known.dataset, known.Summary
	}
	dir := t.TempDir()
	sum, err := Write(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	made := datasets[key]
	made.Summary = sum
	made.dataset = dataset{
		rows(t, dir, OrdersFile), rows(t, dir, ItemsFile), rows(t, dir, PaymentsFile), rows(t, dir, CustomersFile), rows(t, dir, ReviewsFile),
		rows(t, dir, ProductsFile), rows(t, dir, SellersFile), rows(t, dir, GeolocationFile), rows(t, dir, TranslationsFile),
	}
	datasets[key] = made
	return made.dataset, made.Summary
}

// fileNames are the files of a dataset, and their first lines.
var fileNames = map[string]string{
	OrdersFile:       "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date",
	ItemsFile:        "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value",
	PaymentsFile:     "order_id,payment_sequential,payment_type,payment_installments,payment_value",
	CustomersFile:    "customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state",
	ReviewsFile:      "review_id,order_id,review_score,review_comment_title,review_comment_message,review_creation_date,review_answer_timestamp",
	ProductsFile:     "product_id,product_category_name,product_name_lenght,product_description_lenght,product_photos_qty,product_weight_g,product_length_cm,product_height_cm,product_width_cm",
	SellersFile:      "seller_id,seller_zip_code_prefix,seller_city,seller_state",
	GeolocationFile:  "geolocation_zip_code_prefix,geolocation_lat,geolocation_lng,geolocation_city,geolocation_state",
	TranslationsFile: "\ufeffproduct_category_name,product_category_name_english",
}

func rows(t *testing.T, dir, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]map[string]string, 0, len(lines))
	for _, line := range lines[1:] {
		row := make(map[string]string, len(line))
		for i, column := range lines[0] {
			row[strings.TrimPrefix(column, "\ufeff")] = line[i]
		}
		all = append(all, row)
	}
	return all
}

func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fileNames)) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func TestSameSeedSameBytes(t *testing.T) {
	write := func(seed uint64) string {
		dir := t.TempDir()
		if _, err := Write(dir, Options{Orders: 500, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		return contents(t, dir)
	}
	first := write(1)
	if first != write(1) {
		t.Error("the same seed gave other files")
	}
	if first == write(2) {
		t.Error("another seed gave the same files")
	}
}

func TestHeaders(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(dir, Options{Orders: 1}); err != nil {
		t.Fatal(err)
	}
	actual, found := kit.FindOlist(t)
	for name, want := range fileNames {
		if got := firstLine(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s begins with\n%s, want\n%s", name, got, want)
		}
		if _, err := os.Stat(filepath.Join(actual, name)); !found || err != nil {
			continue
		}
		if actual := firstLine(t, filepath.Join(actual, name)); actual != want {
			t.Errorf("the real %s begins with\n%s, want\n%s", name, actual, want)
		}
	}
}

func firstLine(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

func TestReferencesAndForm(t *testing.T) {
	d, sum := generated(t, Options{Orders: 3000, Seed: 3})
	got := Summary{
		sum.Dir, len(d.orders), len(d.items), len(d.payments), len(d.customers), len(d.reviews),
		len(d.products), len(d.sellers), len(d.geolocation), len(d.translations), sum.Incidents,
	}
	if !reflect.DeepEqual(got, sum) {
		t.Errorf("the files hold %v, the summary says %v", got, sum)
	}
	hexID := regexp.MustCompile(`^[0-9a-f]{32}$`)
	money := regexp.MustCompile(`^\d+\.(\d|\d[1-9])$`)
	orders, customers := map[string]bool{}, map[string]bool{}
	for _, o := range d.orders {
		if !hexID.MatchString(o["order_id"]) || !hexID.MatchString(o["customer_id"]) {
			t.Fatalf("ids are not 32 hex digits: %v", o)
		}
		if orders[o["order_id"]] || customers[o["customer_id"]] {
			t.Fatalf("id stands twice: %v", o)
		}
		orders[o["order_id"]], customers[o["customer_id"]] = true, true
		placed := moment(t, o["order_purchase_timestamp"])
		if a := o["order_approved_at"]; a != "" && moment(t, a).Before(placed) {
			t.Fatalf("approved before it was placed: %v", o)
		}
		if moment(t, o["order_estimated_delivery_date"]).Before(placed) {
			t.Fatalf("expected before it was placed: %v", o)
		}
	}
	items := map[string]bool{}
	prices, sellers := map[string]string{}, map[string]string{}
	for _, it := range d.items {
		key := it["order_id"] + it["order_item_id"]
		if !orders[it["order_id"]] || items[key] || !hexID.MatchString(it["product_id"]) || !hexID.MatchString(it["seller_id"]) ||
			!money.MatchString(it["price"]) || !money.MatchString(it["freight_value"]) {
			t.Fatalf("bad item: %v", it)
		}
		items[key] = true
		moment(t, it["shipping_limit_date"])
		p := it["product_id"]
		if prices[p] != "" && (prices[p] != it["price"] || sellers[p] != it["seller_id"]) {
			t.Fatalf("product has two prices or sellers: %v", it)
		}
		prices[p], sellers[p] = it["price"], it["seller_id"]
	}
	payments, payers := map[string]bool{}, map[string]bool{}
	for _, p := range d.payments {
		key := p["order_id"] + p["payment_sequential"]
		if !orders[p["order_id"]] || payments[key] || !money.MatchString(p["payment_value"]) {
			t.Fatalf("bad payment: %v", p)
		}
		payments[key], payers[p["order_id"]] = true, true
	}
	if len(payers) != len(orders) {
		t.Errorf("%d of %d orders have a payment, want all", len(payers), len(orders))
	}
}

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateTime, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestProportions compares 20,000 orders with figures of the real files.
func TestProportions(t *testing.T) {
	d, _ := generated(t, Options{Orders: 20_000, Seed: 1})
	near := func(name string, got, want, tolerance float64) {
		t.Helper()
		if math.Abs(got-want) > tolerance {
			t.Errorf("%s: %.4f, want %.4f ± %.4f", name, got, want, tolerance)
		}
	}
	n := float64(len(d.orders))
	share := func(name string, rows []map[string]string, is func(map[string]string) bool, want float64) {
		t.Helper()
		hits := 0.0
		for _, r := range rows {
			if is(r) {
				hits++
			}
		}
		size := float64(len(rows))
		near(name, hits/size, want, 5*math.Sqrt(want*(1-want)/size)) // five standard deviations
	}
	field := func(column, value string) func(map[string]string) bool {
		return func(r map[string]string) bool { return r[column] == value }
	}
	for status, count := range map[string]float64{
		"delivered": 5172, "shipped": 1107, "canceled": 625, "unavailable": 609,
		"invoiced": 314, "processing": 301, "created": 5, "approved": 2,
	} {
		share("status "+status, d.orders, field("order_status", status), count/8135)
	}
	withItems := map[string]bool{}
	for _, it := range d.items {
		withItems[it["order_id"]] = true
	}
	share("without items", d.orders, func(o map[string]string) bool { return !withItems[o["order_id"]] }, 775.0/8135)
	near("items per order with items", float64(len(d.items))/float64(len(withItems)), 8365.0/7360, .02)
	near("payments per order", float64(len(d.payments))/n, 8924.0/8135, .04)
	share("never approved", d.orders, field("order_approved_at", ""), 146.0/8135)
	share("approved after a week", d.orders, func(o map[string]string) bool { return approval(t, o) > 7*24*time.Hour }, 14.0/8135)
	share("approved within half an hour", d.orders, func(o map[string]string) bool {
		return o["order_approved_at"] != "" && approval(t, o) <= 30*time.Minute
	}, .567)
	for kind, want := range map[string]float64{creditCard: .7009, boleto: .1770, voucher: .1080, debitCard: .0137} {
		hits := 0.0
		for _, p := range d.payments {
			if p["payment_type"] == kind {
				hits++
			}
		}
		near("payments by "+kind, hits/float64(len(d.payments)), want, .02)
	}
	cards := slices.DeleteFunc(slices.Clone(d.payments), func(p map[string]string) bool { return p["payment_type"] != creditCard })
	share("single instalment", cards, field("payment_installments", "1"), 1993.0/6255)
	share("ten instalments", cards, field("payment_installments", "10"), 447.0/6255)

	price, freight := numbers(t, d.items, "price"), numbers(t, d.items, "freight_value")
	near("mean price", mean(price), 130.7, 9)
	near("median price", price[len(price)/2], 78.9, 4)
	near("99th percentile of price", price[len(price)*99/100], 899, 150)
	near("mean freight", mean(freight), 20.6, .8)
	near("median freight", freight[len(freight)/2], 16.3, .5)
	near("mean payment", mean(numbers(t, d.payments, "payment_value")), 153.5, 15)

	for hour, count := range map[int]float64{4: 13, 12: 549, 21: 488} {
		share("hour "+strconv.Itoa(hour), d.orders, func(o map[string]string) bool {
			return moment(t, o["order_purchase_timestamp"]).Hour() == hour
		}, count/8135)
	}
	share("Mondays", d.orders, func(o map[string]string) bool {
		return moment(t, o["order_purchase_timestamp"]).Weekday() == time.Monday
	}, 1347.0/8135)
	for month, count := range map[string]float64{"2016-10": 69, "2016-12": 0, "2017-11": 674, "2018-03": 599, "2018-09": 16} {
		share("month "+month, d.orders, func(o map[string]string) bool {
			return strings.HasPrefix(o["order_purchase_timestamp"], month)
		}, count/8135)
	}
}

func approval(t *testing.T, o map[string]string) time.Duration {
	t.Helper()
	if o["order_approved_at"] == "" {
		return 0
	}
	return moment(t, o["order_approved_at"]).Sub(moment(t, o["order_purchase_timestamp"]))
}

// numbers returns the values of a column in ascending order.
func numbers(t *testing.T, rows []map[string]string, name string) []float64 {
	t.Helper()
	var all []float64
	for _, r := range rows {
		v, err := strconv.ParseFloat(r[name], 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func TestPaymentsAddUpToTheBasket(t *testing.T) {
	p := olist()
	m, err := newMaker(&p, Options{Orders: 2000, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		o := m.order()
		if len(o.items) == 0 {
			continue
		}
		paid := int64(0)
		for _, x := range o.payments {
			if x.value < 0 {
				t.Fatalf("negative payment: %+v", o)
			}
			paid += x.value
		}
		if paid != total(o.items) {
			t.Fatalf("paid %d of %d: %+v", paid, total(o.items), o)
		}
	}
}

func TestMemoryStaysBounded(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var early, late int64
	_, err := Write(t.TempDir(), Options{Orders: 60_000, Progress: func(orders int) error {
		switch orders {
		case 1000:
			early = heap()
		case 60_000:
			late = heap()
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if late-early > 1<<20 {
		t.Errorf("the heap grew by %d bytes over 59,000 orders", late-early)
	}
}

func TestRefusesToOverwrite(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, PaymentsFile)
	if err := os.WriteFile(kept, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, Options{Orders: 1}); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), kept) {
		t.Errorf("error %v, want one that names %s", err, kept)
	}
	if b, _ := os.ReadFile(kept); string(b) != "mine" || len(names(t, dir)) != 1 {
		t.Errorf("the folder was touched: %v", names(t, dir))
	}
	if _, err := Write(dir, Options{Orders: 1, Force: true}); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(kept); string(b) == "mine" || len(names(t, dir)) != len(fileNames) {
		t.Errorf("the files were not replaced: %v", names(t, dir))
	}
}

func TestStoppedRunLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	stopped := errors.New("stopped")
	_, err := Write(dir, Options{Orders: 5000, Progress: func(int) error { return stopped }})
	if !errors.Is(err, stopped) || len(names(t, dir)) != 0 {
		t.Errorf("error %v, files %v, want %v and none", err, names(t, dir), stopped)
	}
}

func TestNeedsAnOrder(t *testing.T) {
	if _, err := Write(t.TempDir(), Options{}); err == nil {
		t.Error("no error for 0 orders")
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestQuantile(t *testing.T) {
	ps := []point{{0, 0}, {.5, 10}, {1, 1000}}
	for u, want := range map[float64]float64{0: 0, .25: 5, .5: 10, .75: 100, 1: 1000} {
		if got := quantile(ps, u); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile(%v) = %v, want %v", u, got, want)
		}
	}
}
