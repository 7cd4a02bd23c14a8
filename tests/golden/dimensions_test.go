package golden

import (
	"os"
	"path/filepath"
	"testing"
)

const (
	deliveredOrders = `a,c1,delivered,2018-01-01 12:00:00,,,2018-01-03 00:00:00,2018-01-02 00:00:00
b,c2,delivered,2018-01-01 23:59:59,,,2018-01-02 00:00:00,2018-01-02 00:00:00
d,c1,shipped,2018-01-01 00:00:00,,,,2018-02-01 00:00:00
e,c1,delivered,2018-02-01 00:00:00,,,2018-02-01 00:07:12,
`
	soldItems = "a,1,toy,s1,,10.01,1.00\na,2,tool,s2,,5.00,0\nb,1,toy,s1,,0.02,0.00\nb,2,,,,6.00,0.00\ne,1,book,s2,,1.00,0\n"
)

// The figures were worked out by hand.
func TestDimensions(t *testing.T) {
	dir := dataset(t, deliveredOrders, soldItems, "")
	for name, text := range map[string]string{
		CustomersFile:    "customer_id,customer_state\nc1,SP\n",
		ProductsFile:     "product_id,product_category_name\ntoy,brinquedos\ntool,ferramentas\nbook,\n",
		SellersFile:      "seller_id,seller_state\ns1,PR\n",
		TranslationsFile: "\ufeffproduct_category_name,product_category_name_english\nbrinquedos,toys\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Dimensions(dir)
	if err != nil {
		t.Fatal(err)
	}
	const first, second, third = "2018-01-01T00:00:00.000000Z", "2018-01-02T00:00:00.000000Z", "2018-02-01T00:00:00.000000Z"
	const end = "2018-02-02T00:00:00.000000Z"
	want := Tables{
		CategoryGMV: {
			{first, second, "toys", "11.03", "10.03", "2", "5.02", "true"}, // 5.015
			{first, second, "ferramentas", "5", "5", "1", "5", "true"},
			{first, second, "unknown", "6", "6", "1", "6", "true"},
			{third, end, "unknown", "1", "1", "1", "1", "true"},
		},
		StateGMV: {
			{first, second, "SP", "16.01", "15.01", "2", "2", "1", "16.01", "true"},
			{first, second, "unknown", "6.02", "6.02", "2", "1", "1", "6.02", "true"},
			{third, end, "SP", "1", "1", "1", "1", "1", "1", "true"},
		},
		Delivery: {
			{first, second, "SP", "2", "1", "1", "1", "100", "1.5", "1", "true"},
			{first, second, "unknown", "1", "1", "1", "0", "0", "0", "0", "true"},
			{third, end, "SP", "1", "1", "0", "0", "0", "0.01", "0", "true"}, // 0.005 days
		},
		TopSellers: {
			{first, second, "s1", "PR", "1", "11.03", "10.03", "2", "true"},
			{first, second, "unknown", "NULL", "2", "6", "6", "1", "true"},
			{first, second, "s2", "NULL", "3", "5", "5", "1", "true"},
			{third, end, "s2", "NULL", "1", "1", "1", "1", "true"},
		},
		LastCategories:  {{"unknown", "1", "1", "100", "1", "1"}},
		LastSellers:     {{"s2", "NULL", "1", "1", "100", "1"}},
		DeliveryByState: {{"SP", "1", "1", "0", "0", "0.01", "0"}},
	}
	for _, line := range DiffDimensions(want, got) {
		t.Error(line)
	}
}

func TestMeanDays(t *testing.T) {
	const ms = 86_400_000
	for _, c := range []struct {
		ms, n int64
		want  string
	}{{0, 0, "0"}, {0, 3, "0"}, {3 * ms / 2, 1, "1.5"}, {-3 * ms / 200, 3, "-0.01"}, {-ms, 8, "-0.13"}, {ms, 8, "0.13"}, {-ms / 1000, 1, "0"}} {
		if got := meanDays(c.ms, c.n); got != c.want {
			t.Errorf("%d ms over %d: %s, want %s", c.ms, c.n, got, c.want)
		}
	}
}
