package generate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// The files of a dataset.
const (
	OrdersFile       = "olist_orders_dataset.csv"
	ItemsFile        = "olist_order_items_dataset.csv"
	PaymentsFile     = "olist_order_payments_dataset.csv"
	CustomersFile    = "olist_customers_dataset.csv"
	ReviewsFile      = "olist_order_reviews_dataset.csv"
	ProductsFile     = "olist_products_dataset.csv"
	SellersFile      = "olist_sellers_dataset.csv"
	GeolocationFile  = "olist_geolocation_dataset.csv"
	TranslationsFile = "product_category_name_translation.csv"
)

// columns returns the columns of a file, in their order and, as the real ones have
// it, in their spelling.
func columns(file string) []string {
	switch file {
	case OrdersFile:
		return []string{
			"order_id", "customer_id", "order_status", "order_purchase_timestamp", "order_approved_at",
			"order_delivered_carrier_date", "order_delivered_customer_date", "order_estimated_delivery_date",
		}
	case ItemsFile:
		return []string{
			"order_id", "order_item_id", "product_id", "seller_id", "shipping_limit_date", "price", "freight_value",
		}
	case PaymentsFile:
		return []string{"order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value"}
	case CustomersFile:
		return []string{"customer_id", "customer_unique_id", "customer_zip_code_prefix", "customer_city", "customer_state"}
	case ReviewsFile:
		return []string{
			"review_id", "order_id", "review_score", "review_comment_title", "review_comment_message",
			"review_creation_date", "review_answer_timestamp",
		}
	case ProductsFile:
		return []string{
			"product_id", "product_category_name", "product_name_lenght", "product_description_lenght", "product_photos_qty",
			"product_weight_g", "product_length_cm", "product_height_cm", "product_width_cm",
		}
	case SellersFile:
		return []string{"seller_id", "seller_zip_code_prefix", "seller_city", "seller_state"}
	case GeolocationFile:
		return []string{
			"geolocation_zip_code_prefix", "geolocation_lat", "geolocation_lng", "geolocation_city", "geolocation_state",
		}
	default:
		return []string{byteOrderMark + "product_category_name", "product_category_name_english"}
	}
}

// byteOrderMark begins the translations, as in the real data.
const byteOrderMark = "\ufeff"

// files are the files in the making. Each is written under a name of its own and
// renamed at the end, so that a broken run leaves nothing that looks whole.
type files struct {
	orders, items, payments, customers, reviews  file
	products, sellers, geolocation, translations file
}

type file struct {
	path string
	f    *os.File
	w    *csv.Writer
	rows int // without the header
}

func create(dir string, force bool) (*files, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make dataset folder: %w", err)
	}
	out := &files{}
	for _, to := range out.all() {
		to.target.path = filepath.Join(dir, to.name)
		switch _, err := os.Lstat(to.target.path); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("make dataset file: %w", err)
		case !force:
			return nil, fmt.Errorf("%s: %w", to.target.path, ErrExists)
		}
	}
	for _, to := range out.all() {
		if err := to.target.open(columns(to.name)); err != nil {
			out.discard()
			return nil, err
		}
	}
	return out, nil
}

type namedFile struct {
	name   string
	target *file
}

func (o *files) all() []namedFile {
	return []namedFile{
		{OrdersFile, &o.orders}, {ItemsFile, &o.items}, {PaymentsFile, &o.payments},
		{CustomersFile, &o.customers}, {ReviewsFile, &o.reviews}, {ProductsFile, &o.products},
		{SellersFile, &o.sellers}, {GeolocationFile, &o.geolocation}, {TranslationsFile, &o.translations},
	}
}

func (f *file) open(header []string) error {
	var err error
	if f.f, err = os.OpenFile(f.path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644); err != nil {
		return fmt.Errorf("make dataset file: %w", err)
	}
	f.w = csv.NewWriter(f.f)
	f.rows = -1
	return f.row(header...)
}

func (f *file) row(fields ...string) error {
	if err := f.w.Write(fields); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	f.rows++
	return nil
}

// writeCatalogue writes the sellers, products and names of categories that orders
// refer to. A product that nobody has bought is listed, too.
func (o *files) writeCatalogue(c *catalogue, places *visited, progress func(orders int) error) error {
	for number := range c.sellers {
		row, at := c.sellerRow(number)
		if err := o.sellers.row(row...); err != nil {
			return err
		}
		places.add(at)
	}
	for number := range c.products {
		if err := o.products.row(c.productRow(number)...); err != nil {
			return err
		}
		if progress != nil && (number+1)%progressInterval == 0 {
			if err := progress(0); err != nil {
				return err
			}
		}
	}
	for _, named := range c.p.categories {
		if named.english == "" {
			continue
		}
		if err := o.translations.row(named.name, named.english); err != nil {
			return err
		}
	}
	return nil
}

// write appends the rows of an order.
func (o *files) write(x *order) error {
	at := x.person.place
	if err := o.customers.row(x.customer, x.person.id, at.code(), at.city, at.state); err != nil {
		return err
	}
	err := o.orders.row(x.id, x.customer, x.status, stamp(x.placed), stamp(x.approved),
		stamp(x.carrier), stamp(x.delivered), stamp(x.estimated))
	if err != nil {
		return err
	}
	for i, it := range x.items {
		err := o.items.row(x.id, strconv.Itoa(i+1), it.id, it.seller, stamp(it.shippingLimit), amount(it.price), amount(it.freight))
		if err != nil {
			return err
		}
	}
	for _, p := range x.payments {
		err := o.payments.row(x.id, strconv.Itoa(p.number), p.kind, strconv.Itoa(p.installments), amount(p.value))
		if err != nil {
			return err
		}
	}
	for _, v := range x.reviews {
		err := o.reviews.row(v.id, x.id, strconv.Itoa(v.score), v.title, v.message, stamp(v.created), stamp(v.answered))
		if err != nil {
			return err
		}
	}
	return nil
}

// publish completes the files and gives them their names.
func (o *files) publish() error {
	for _, to := range o.all() {
		f := to.target
		f.w.Flush()
		if err := errors.Join(f.w.Error(), f.f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
	}
	for _, to := range o.all() {
		if err := os.Rename(to.target.path+".part", to.target.path); err != nil {
			return fmt.Errorf("publish dataset file: %w", err)
		}
	}
	return nil
}

// discard removes what is not published. Its own errors would hide the one that led here.
func (o *files) discard() {
	for _, to := range o.all() {
		if f := to.target; f.f != nil {
			_ = f.f.Close()
			_ = os.Remove(f.path + ".part")
		}
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateTime)
}

// amount writes cents as the real files do: at least one decimal, none in vain.
func amount(cents int64) string {
	if cents%10 == 0 {
		return fmt.Sprintf("%d.%d", cents/100, cents%100/10)
	}
	return fmt.Sprintf("%d.%02d", cents/100, cents%100)
}
