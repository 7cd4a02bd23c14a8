package generate

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestEveryReferenceIsThere(t *testing.T) {
	d, _ := generated(t, Options{Orders: 3000, Seed: 3})
	index := func(rows []map[string]string, key string) map[string]map[string]string {
		t.Helper()
		all := map[string]map[string]string{}
		for _, r := range rows {
			if all[r[key]] != nil {
				t.Fatalf("%s stands twice: %v", key, r)
			}
			all[r[key]] = r
		}
		return all
	}
	customers, orders := index(d.customers, "customer_id"), index(d.orders, "order_id")
	products, sellers := index(d.products, "product_id"), index(d.sellers, "seller_id")
	names := index(d.translations, "product_category_name")
	index(d.reviews, "review_id")
	if len(customers) != len(orders) {
		t.Errorf("%d customers for %d orders", len(customers), len(orders))
	}
	for _, o := range d.orders {
		if customers[o["customer_id"]] == nil {
			t.Fatalf("no customer: %v", o)
		}
	}
	for _, it := range d.items {
		if products[it["product_id"]] == nil || sellers[it["seller_id"]] == nil {
			t.Fatalf("no product or seller: %v", it)
		}
	}
	for _, v := range d.reviews {
		o := orders[v["order_id"]]
		if o == nil {
			t.Fatalf("no order: %v", v)
		}
		created, answered := moment(t, v["review_creation_date"]), moment(t, v["review_answer_timestamp"])
		if created.Before(moment(t, o["order_purchase_timestamp"])) || answered.Before(created) || created.Hour() != 0 {
			t.Fatalf("times do not fit: %v of %v", v, o)
		}
		if at := o["order_delivered_customer_date"]; at != "" && created.Before(moment(t, at)) {
			t.Fatalf("reviewed before it came: %v of %v", v, o)
		}
	}
	untranslated := map[string]bool{"": true, "pc_gamer": true, "portateis_cozinha_e_preparadores_de_alimentos": true}
	for _, p := range d.products {
		name := p["product_category_name"]
		if names[name] == nil && !untranslated[name] {
			t.Fatalf("no name of the category: %v", p)
		}
		if (name == "") != (p["product_name_lenght"] == "" && p["product_photos_qty"] == "") {
			t.Fatalf("described without a category, or the other way round: %v", p)
		}
		for _, column := range []string{"product_weight_g", "product_length_cm", "product_height_cm", "product_width_cm"} {
			if n, err := strconv.Atoi(p[column]); err != nil || n < 1 || n > 40_000 {
				t.Fatalf("not plausible: %v", p)
			}
		}
	}

	type place struct{ city, state string }
	places, code := map[string]place{}, regexp.MustCompile(`^\d{5}$`)
	for _, g := range d.geolocation {
		zip, at := g["geolocation_zip_code_prefix"], place{g["geolocation_city"], g["geolocation_state"]}
		if known, ok := places[zip]; ok && known != at || !code.MatchString(zip) {
			t.Fatalf("a zip code is malformed or in two places: %v", g)
		}
		places[zip] = at
		lat, err1 := strconv.ParseFloat(g["geolocation_lat"], 64)
		lng, err2 := strconv.ParseFloat(g["geolocation_lng"], 64)
		if err1 != nil || err2 != nil || lat < -34 || lat > 6 || lng < -74 || lng > -34 {
			t.Fatalf("not in Brazil: %v", g)
		}
	}
	used := map[string]bool{}
	check := func(rows []map[string]string, who string) {
		t.Helper()
		for _, r := range rows {
			zip := r[who+"_zip_code_prefix"]
			used[zip] = true
			if places[zip] != (place{r[who+"_city"], r[who+"_state"]}) {
				t.Fatalf("lives at %v: %v", places[zip], r)
			}
		}
	}
	check(d.customers, "customer")
	check(d.sellers, "seller")
	if len(used) != len(places) {
		t.Errorf("%d zip codes lie somewhere, %d are used", len(places), len(used))
	}
}

// TestPersonsComeBack looks at what is known of a person over all orders.
func TestPersonsComeBack(t *testing.T) {
	d, _ := generated(t, Options{Orders: 20_000, Seed: 1})
	lives := map[string]string{}
	for _, c := range d.customers {
		id, zip := c["customer_unique_id"], c["customer_zip_code_prefix"]
		if lives[id] != "" && lives[id] != zip {
			t.Fatalf("moved from %s: %v", lives[id], c)
		}
		lives[id] = zip
	}
	if share := float64(len(lives)) / float64(len(d.customers)); math.Abs(share-8016.0/8135) > .005 {
		t.Errorf("%.4f persons an order, want %.4f", share, 8016.0/8135)
	}
}

// TestShopFollowsTheRealFiles compares states, zip codes and categories.
func TestShopFollowsTheRealFiles(t *testing.T) {
	dir := kit.Olist(t)
	realTimes(t) // skips where these are other files
	d, _ := generated(t, Options{Orders: 20_000, Seed: 1})
	column := func(name string) func(map[string]string) string {
		return func(r map[string]string) string { return r[name] }
	}
	customers, sellers := rows(t, dir, CustomersFile), rows(t, dir, SellersFile)
	for name, c := range map[string]struct {
		actual, got []map[string]string
		key         func(map[string]string) string
		bound       float64
	}{
		"customers by state": {customers, d.customers, column("customer_state"), .015},
		"customers by city":  {customers, d.customers, column("customer_city"), .25}, // small towns go to larger ones nearby
		"customers by area": {customers, d.customers, func(r map[string]string) string {
			return r["customer_zip_code_prefix"][:3]
		}, .08},
		"sellers by state":     {sellers, d.sellers, column("seller_state"), .06},
		"products by category": {rows(t, dir, ProductsFile), d.products, column("product_category_name"), .03},
	} {
		got := distance(shares(c.actual, c.key), shares(c.got, c.key))
		t.Logf("%s: distance %.4f", name, got)
		if got > c.bound {
			t.Errorf("%s: total variation distance %.4f, want at most %.2f", name, got, c.bound)
		}
	}
	areas := map[string]string{}
	for _, c := range customers {
		areas[c["customer_zip_code_prefix"][:3]] = c["customer_state"]
	}
	for _, c := range d.customers {
		if state := areas[c["customer_zip_code_prefix"][:3]]; state != c["customer_state"] {
			t.Fatalf("the real zip code lies in %s: %v", state, c)
		}
	}
	for i, name := range []string{"product_weight_g", "product_length_cm", "product_height_cm", "product_description_lenght"} {
		described := func(all []map[string]string) []float64 {
			var some []map[string]string
			for _, r := range all {
				if r[name] != "" {
					some = append(some, r)
				}
			}
			return numbers(t, some, name)
		}
		actual, got := described(rows(t, dir, ProductsFile)), described(d.products)
		for _, q := range []float64{.1, .5, .9} {
			want, is := actual[int(q*float64(len(actual)))], got[int(q*float64(len(got)))]
			if math.Abs(is-want) > .15*want+1 {
				t.Errorf("%d: quantile %v of %s is %v, want %v", i, q, name, is, want)
			}
		}
	}
}

func TestReviews(t *testing.T) {
	d, _ := generated(t, Options{Orders: 20_000, Seed: 1})
	orders := map[string]map[string]string{}
	for _, o := range d.orders {
		orders[o["order_id"]] = o
	}
	var late, onTime []float64
	comma, quote, line, titles, messages := 0, 0, 0, 0, 0
	for _, v := range d.reviews {
		score, err := strconv.Atoi(v["review_score"])
		if err != nil || score < 1 || score > 5 {
			t.Fatalf("bad score: %v", v)
		}
		count := func(n *int, is bool) {
			if is {
				*n++
			}
		}
		message := v["review_comment_message"]
		count(&comma, strings.Contains(message, ","))
		count(&quote, strings.Contains(message, `"`))
		count(&line, strings.Contains(message, "\n"))
		count(&titles, v["review_comment_title"] != "")
		count(&messages, message != "")
		o := orders[v["order_id"]]
		if o["order_delivered_customer_date"] == "" {
			continue
		}
		if moment(t, o["order_delivered_customer_date"]).After(moment(t, o["order_estimated_delivery_date"]).Add(24 * time.Hour)) {
			late = append(late, float64(score))
		} else {
			onTime = append(onTime, float64(score))
		}
	}
	n := float64(len(d.reviews))
	if n/20_000 < .99 || n/20_000 > 1.005 {
		t.Errorf("%v reviews of 20,000 orders", n)
	}
	if comma == 0 || quote == 0 || line == 0 {
		t.Errorf("messages with commas: %d, with quotes: %d, of several lines: %d", comma, quote, line)
	}
	if a, b := float64(titles)/n, float64(messages)/n; a < .08 || a > .16 || b < .37 || b > .6 {
		t.Errorf("share of titles %.3f, of messages %.3f", a, b)
	}
	if math.Abs(mean(onTime)-4.27) > .1 || math.Abs(mean(late)-2.51) > .3 {
		t.Errorf("mean score of orders on time %.2f, of late ones %.2f", mean(onTime), mean(late))
	}
}

// TestTranslationsBeginWithAByteOrderMark holds the file against the real one, which
// states facts: labels and their English names.
func TestTranslationsBeginWithAByteOrderMark(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(dir, Options{Orders: 1}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, TranslationsFile))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "\ufeff") {
		t.Errorf("begins with %q", text[:10])
	}
	if n := len(rows(t, dir, TranslationsFile)); n != 71 {
		t.Errorf("%d names, want 71", n)
	}
}
