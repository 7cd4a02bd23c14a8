package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/tidemark-streams/tidemark/internal/generate/calendar"
)

// tables are what is measured.
type tables struct {
	orders    int
	calendar  calendar.Counts
	persons   map[string]bool
	areas     map[string]*area
	products  map[string]int // by category
	english   map[string]string
	named     []string // categories, as the translations have them
	measures  map[string][]float64
	customers int
}

// area is what lies under the first three digits of a zip code.
type area struct {
	towns              map[town]int
	customers, sellers int
}

type town struct{ state, city string }

// most is the town where most of an area's customers live, as sellers write their
// own address in many ways; without customers the one of most sellers.
func (a *area) most() town {
	towns := slices.SortedFunc(maps.Keys(a.towns), func(x, y town) int {
		return cmp.Or(cmp.Compare(a.towns[y], a.towns[x]), cmp.Compare(x.state+x.city, y.state+y.city))
	})
	return towns[0]
}

func (t *tables) area(zip string) (*area, error) {
	n, err := strconv.Atoi(zip)
	if err != nil || n < 0 || n > 99_999 {
		return nil, fmt.Errorf("no zip code: %q", zip)
	}
	if t.areas == nil {
		t.areas = map[string]*area{}
	}
	prefix := fmt.Sprintf("%05d", n)[:3]
	if t.areas[prefix] == nil {
		t.areas[prefix] = &area{towns: map[town]int{}}
	}
	return t.areas[prefix], nil
}

func (t *tables) readCustomers(dir string) error {
	t.persons = map[string]bool{}
	columns := []string{"customer_unique_id", "customer_zip_code_prefix", "customer_city", "customer_state"}
	return each(dir, "olist_customers_dataset.csv", columns, func(v []string) error {
		a, err := t.area(v[1])
		if err != nil {
			return err
		}
		t.customers++
		t.persons[v[0]] = true
		a.customers++
		a.towns[town{v[3], v[2]}] += 1000 // so many sellers weigh less than one customer
		return nil
	})
}

func (t *tables) readSellers(dir string) error {
	return each(dir, "olist_sellers_dataset.csv", []string{"seller_zip_code_prefix", "seller_city", "seller_state"}, func(v []string) error {
		a, err := t.area(v[0])
		if err != nil {
			return err
		}
		a.sellers++
		a.towns[town{v[2], v[1]}]++
		return nil
	})
}

// measured are the columns of products of which quantiles are taken.
var measured = []string{
	"product_name_lenght", "product_description_lenght", "product_photos_qty",
	"product_weight_g", "product_length_cm", "product_height_cm", "product_width_cm",
}

func (t *tables) readProducts(dir string) error {
	t.products, t.measures = map[string]int{}, map[string][]float64{}
	columns := append([]string{"product_category_name"}, measured...)
	err := each(dir, "olist_products_dataset.csv", columns, func(v []string) error {
		t.products[v[0]]++
		for i, column := range measured {
			if v[i+1] == "" {
				continue
			}
			x, err := strconv.ParseFloat(v[i+1], 64)
			if err != nil {
				return err
			}
			t.measures[column] = append(t.measures[column], x)
		}
		return nil
	})
	for _, values := range t.measures {
		slices.Sort(values)
	}
	return err
}

func (t *tables) readTranslations(dir string) error {
	t.english = map[string]string{}
	columns := []string{"product_category_name", "product_category_name_english"}
	return each(dir, "product_category_name_translation.csv", columns, func(v []string) error {
		t.english[v[0]] = v[1]
		t.named = append(t.named, v[0])
		return nil
	})
}

// categories are the translated ones in the order of their file, then the others.
func (t *tables) categories() []string {
	others := slices.Sorted(maps.Keys(t.products))
	return append(slices.Clone(t.named), slices.DeleteFunc(others, func(name string) bool {
		_, translated := t.english[name]
		return translated
	})...)
}

// quantile returns the value at the share q of sorted ones, with two digits that count.
func quantile(sorted []float64, q float64) float64 {
	v := sorted[int(math.Round(q*float64(len(sorted)-1)))]
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-1)
	if unit < 1 {
		unit = 1
	}
	return math.Round(v/unit) * unit
}
