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
	OrdersFile   = "olist_orders_dataset.csv"
	ItemsFile    = "olist_order_items_dataset.csv"
	PaymentsFile = "olist_order_payments_dataset.csv"
)

// header returns the columns of a file, in their order.
func header(file string) []string {
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
	default:
		return []string{"order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value"}
	}
}

// files are the three files in the making. Each is written under a name of its
// own and renamed at the end, so that a broken run leaves nothing that looks whole.
type files struct {
	orders, items, payments file
}

type file struct {
	path string
	f    *os.File
	w    *csv.Writer
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
		if err := to.target.open(header(to.name)); err != nil {
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
	return []namedFile{{OrdersFile, &o.orders}, {ItemsFile, &o.items}, {PaymentsFile, &o.payments}}
}

func (f *file) open(header []string) error {
	var err error
	if f.f, err = os.OpenFile(f.path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644); err != nil {
		return fmt.Errorf("make dataset file: %w", err)
	}
	f.w = csv.NewWriter(f.f)
	return f.row(header...)
}

func (f *file) row(fields ...string) error {
	if err := f.w.Write(fields); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}

// write appends the rows of an order.
func (o *files) write(x order) error {
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
