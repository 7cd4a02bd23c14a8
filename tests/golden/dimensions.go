package golden

import (
	"context"
	"database/sql"
	"encoding/csv"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of the views by category, state and seller.
const (
	CategoryGMV     = "category_gmv"
	StateGMV        = "state_gmv"
	Delivery        = "delivery_performance"
	TopSellers      = "top_sellers"
	LastCategories  = "v_top_categories"
	LastSellers     = "v_top_sellers"
	DeliveryByState = "v_delivery_by_state"
)

// The files that tell more of customers, products and sellers, where they are.
const (
	CustomersFile    = "olist_customers_dataset.csv"
	ProductsFile     = "olist_products_dataset.csv"
	SellersFile      = "olist_sellers_dataset.csv"
	TranslationsFile = "product_category_name_translation.csv"
)

// unknown stands for what the files do not tell.
const unknown = "unknown"

// DimensionViews lists the views that Dimensions computes. A row's key comes first
// here, wherever it stands in the view.
func DimensionViews() []View {
	window := []Column{{"window_start", instant}, {"window_end", instant}}
	final := []Column{{"is_final", flag}}
	state := []Column{{"customer_state", text}}
	seller := []Column{{"seller_id", text}, {"seller_state", text}}
	return []View{
		{CategoryGMV, 3, columns(window, []Column{{"product_category", text}},
			numbers("gmv", "item_revenue", "item_count", "avg_item_price"), final)},
		{StateGMV, 3, columns(window, state,
			numbers("gmv", "item_revenue", "item_count", "total_orders", "orders_with_items", "avg_order_value"), final)},
		{Delivery, 3, columns(window, state, numbers("total_orders", "delivered_orders", "promised_orders", "late_orders",
			"late_rate", "avg_delivery_days", "avg_delay_days"), final)},
		{TopSellers, 3, columns(window, seller, numbers("rank", "gmv", "item_revenue", "item_count"), final)},
		{LastCategories, 1, columns([]Column{{"product_category", text}},
			numbers("rank", "gmv", "gmv_share", "item_count", "avg_item_price"))},
		{LastSellers, 1, columns(seller, numbers("rank", "gmv", "gmv_share", "item_count"))},
		{DeliveryByState, 1, columns(state,
			numbers("total_orders", "delivered_orders", "late_orders", "late_rate", "avg_delivery_days", "avg_delay_days"))},
	}
}

// LoadDimensions reads the rows of DimensionViews from Postgres.
func LoadDimensions(ctx context.Context, db *sql.DB) (Tables, error) {
	return load(ctx, db, DimensionViews())
}

// DiffDimensions is Diff for the rows of DimensionViews.
func DiffDimensions(want, got Tables) []string { return diff(DimensionViews(), want, got) }

// Dimensions computes the rows of DimensionViews from a folder of CSV files without
// broken rows, for a run that has read everything and reached the end of time. Every
// item has an order in the files, so all of them join.
func Dimensions(dir string) (Tables, error) {
	m, err := readMarket(dir)
	if err != nil {
		return nil, err
	}
	t := Tables{}
	t[CategoryGMV] = m.byDay(func(s sale) string { return s.category }, func(w [2]string, key string, n sums) Row {
		return Row{w[0], w[1], key, n.gmv(), hundredths(n.revenue), count(n.items), ratio(n.revenue, 1, n.items), "true"}
	})
	t[TopSellers] = ranked(m.byDay(func(s sale) string { return s.seller }, func(w [2]string, key string, n sums) Row {
		return Row{w[0], w[1], key, n.sellerState, "", n.gmv(), hundredths(n.revenue), count(n.items), "true"}
	}), 2, 4, 5, func(r Row) string { return r[0] })
	t[StateGMV] = m.states()
	t[Delivery] = m.deliveries(time.Time{}, true)
	m.last(t)
	return t, nil
}

// last computes the views of the newest days: days begin with midnight, so seven days
// are those that begin less than a week before the newest one.
func (m *market) last(t Tables) {
	newest := m.newest(len(m.sales), func(i int) time.Time { return m.sales[i].at })
	week := market{}
	for _, s := range m.sales {
		if s.at.After(newest.Add(-6 * day).Add(-1)) {
			week.sales = append(week.sales, s)
		}
	}
	total := int64(0)
	for _, s := range week.sales {
		total += s.price + s.freight
	}
	for i := range week.sales {
		week.sales[i].at = newest // all of one window
	}
	whole := func(Row) string { return "" }
	t[LastCategories] = ranked(week.byDay(func(s sale) string { return s.category }, func(_ [2]string, key string, n sums) Row {
		return Row{key, "", n.gmv(), percent(n.revenue+n.freight, total), count(n.items), ratio(n.revenue, 1, n.items)}
	}), 0, 1, 2, whole)
	t[LastSellers] = ranked(week.byDay(func(s sale) string { return s.seller }, func(_ [2]string, key string, n sums) Row {
		return Row{key, n.sellerState, "", n.gmv(), percent(n.revenue+n.freight, total), count(n.items)}
	}), 0, 2, 3, whole)
	orders := m.newest(len(m.orders), func(i int) time.Time { return m.orders[i].at })
	for _, r := range m.deliveries(orders.Add(-29*day), false) {
		t[DeliveryByState] = append(t[DeliveryByState], append(Row{r[2], r[3], r[4]}, r[6:10]...))
	}
}

const day = 24 * time.Hour

// market is what the files tell, with money in cents.
type market struct {
	orders []placing
	sales  []sale
}

type placing struct {
	id, state                string
	at, delivered, estimated time.Time // the zero time where there is none
}

type sale struct {
	order                         string
	at                            time.Time
	category, seller, sellerState string
	price, freight                int64
}

// newest is the day of the latest of n instants.
func (m *market) newest(n int, at func(int) time.Time) (d time.Time) {
	for i := range n {
		if t := at(i).Truncate(day); t.After(d) {
			d = t
		}
	}
	return d
}

type sums struct {
	revenue, freight, items int64
	sellerState             string
}

func (n sums) gmv() string { return hundredths(n.revenue + n.freight) }

// byDay adds up the sales of each day and key.
func (m *market) byDay(key func(sale) string, row func(window [2]string, key string, n sums) Row) []Row {
	type place struct {
		window [2]string
		key    string
	}
	days := map[place]*sums{}
	for _, s := range m.sales {
		n := at(days, place{window(s.at, day), key(s)})
		n.revenue, n.freight, n.items = n.revenue+s.price, n.freight+s.freight, n.items+1
		n.sellerState = s.sellerState
	}
	var rows []Row
	for p, n := range days {
		rows = append(rows, row(p.window, p.key, *n))
	}
	return rows
}

// ranked numbers the rows of each group by an amount, the largest first, and then by
// the column id.
func ranked(rows []Row, id, rank, amount int, group func(Row) string) []Row {
	slices.SortFunc(rows, func(a, b Row) int {
		x, _ := parseCents(a[amount])
		y, _ := parseCents(b[amount])
		switch {
		case group(a) != group(b):
			return strings.Compare(group(a), group(b))
		case x != y:
			return int(y - x)
		}
		return strings.Compare(a[id], b[id])
	})
	n := 0
	for i := range rows {
		if i > 0 && group(rows[i]) != group(rows[i-1]) {
			n = 0
		}
		n++
		rows[i][rank] = count(n)
	}
	return rows
}

func (m *market) states() []Row {
	type place struct {
		window [2]string
		state  string
	}
	type state struct {
		revenue, freight, items, orders int64
		withItems                       map[string]bool
	}
	states, of := map[place]*state{}, map[string]*state{}
	for _, o := range m.orders {
		of[o.id] = at(states, place{window(o.at, day), o.state})
		of[o.id].orders++
	}
	for _, s := range m.sales {
		n := of[s.order]
		n.revenue, n.freight, n.items = n.revenue+s.price, n.freight+s.freight, n.items+1
		if n.withItems == nil {
			n.withItems = map[string]bool{}
		}
		n.withItems[s.order] = true
	}
	var rows []Row
	for p, n := range states {
		with := int64(len(n.withItems))
		rows = append(rows, Row{
			p.window[0], p.window[1], p.state, hundredths(n.revenue + n.freight), hundredths(n.revenue), count(n.items),
			count(n.orders), count(with), ratio(n.revenue+n.freight, 1, with), "true",
		})
	}
	return rows
}

// deliveries has a row for each state of the customer and, if daily, day, for the orders
// placed at since or later.
func (m *market) deliveries(since time.Time, daily bool) []Row {
	type place struct {
		window [2]string
		state  string
	}
	type delivery struct{ orders, delivered, promised, late, took, delay int64 }
	places := map[place]*delivery{}
	for _, o := range m.orders {
		if o.at.Before(since) {
			continue
		}
		p := place{state: o.state}
		if daily {
			p.window = window(o.at, day)
		}
		n := at(places, p)
		n.orders++
		if o.delivered.IsZero() {
			continue
		}
		n.delivered++
		n.took += o.delivered.Sub(o.at).Milliseconds()
		if o.estimated.IsZero() {
			continue
		}
		n.promised++
		n.delay += o.delivered.Sub(o.estimated).Milliseconds()
		if !o.delivered.Before(o.estimated.Add(24 * time.Hour)) { // the promise was for that day
			n.late++
		}
	}
	var rows []Row
	for p, n := range places {
		rows = append(rows, Row{
			p.window[0], p.window[1], p.state, count(n.orders), count(n.delivered), count(n.promised), count(n.late),
			percent(n.late, n.promised), meanDays(n.took, n.delivered), meanDays(n.delay, n.promised), "true",
		})
	}
	return rows
}

// meanDays is a sum of milliseconds over n in days, rounded to hundredths, halves away from zero.
func meanDays(ms, n int64) string {
	if n == 0 {
		return "0"
	}
	sign, whole := "", n*day.Milliseconds()
	if ms < 0 {
		sign, ms = "-", -ms
	}
	return canonicalNumber(sign + hundredths((2*ms*100+whole)/(2*whole)))
}

// readMarket reads the files of a folder. Those of customers, products, sellers and
// translations may be missing.
func readMarket(dir string) (*market, error) {
	m := &market{}
	states, err := lookup(dir, CustomersFile, "customer_id", "customer_state")
	if err != nil {
		return nil, err
	}
	english, err := lookup(dir, TranslationsFile, "product_category_name", "product_category_name_english")
	if err != nil {
		return nil, err
	}
	categories, err := lookup(dir, ProductsFile, "product_id", "product_category_name")
	if err != nil {
		return nil, err
	}
	sellers, err := lookup(dir, SellersFile, "seller_id", "seller_state")
	if err != nil {
		return nil, err
	}
	placed := map[string]time.Time{}
	err = each(dir, OrdersFile, func(f map[string]string) (err error) {
		o := placing{id: f["order_id"], state: or(states[f["customer_id"]], unknown)}
		for column, into := range map[string]*time.Time{
			"order_purchase_timestamp": &o.at, "order_delivered_customer_date": &o.delivered, "order_estimated_delivery_date": &o.estimated,
		} {
			if f[column] == "" {
				continue
			}
			if *into, err = time.Parse(time.DateTime, f[column]); err != nil {
				return err
			}
		}
		m.orders, placed[o.id] = append(m.orders, o), o.at
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = each(dir, ItemsFile, func(f map[string]string) (err error) {
		name := categories[f["product_id"]]
		s := sale{
			order: f["order_id"], at: placed[f["order_id"]], category: or(or(english[name], name), unknown),
			seller: or(f["seller_id"], unknown), sellerState: or(sellers[f["seller_id"]], "NULL"),
		}
		if s.price, err = parseCents(f["price"]); err != nil {
			return err
		}
		s.freight, err = parseCents(f["freight_value"])
		m.sales = append(m.sales, s)
		return err
	})
	return m, err
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// lookup maps one column of a file to another; of a file that is not there, nothing.
func lookup(dir, file, from, to string) (map[string]string, error) {
	m := map[string]string{}
	if _, err := os.Stat(filepath.Join(dir, file)); os.IsNotExist(err) {
		return m, nil
	}
	return m, each(dir, file, func(f map[string]string) error {
		m[f[from]] = f[to]
		return nil
	})
}

// each calls row with the values of every row of a CSV file, by column.
func each(dir, file string, row func(map[string]string) error) error {
	text, err := fs.ReadFile(os.DirFS(dir), file)
	if err != nil {
		return err
	}
	all, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff"))).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for i, values := range all[1:] {
		f := map[string]string{}
		for k, name := range all[0] {
			f[name] = values[k]
		}
		if err := row(f); err != nil {
			return fmt.Errorf("%s, row %d: %w", file, i+1, err)
		}
	}
	return nil
}
