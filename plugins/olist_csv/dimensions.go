package olistcsv

import (
	"errors"
	"io/fs"
	"strings"
)

// The columns of the files that describe customers, products and sellers.
var (
	customerColumns    = []string{"customer_id", "customer_state"}
	productColumns     = []string{"product_id", "product_category_name"}
	sellerColumns      = []string{"seller_id", "seller_state"}
	translationColumns = []string{"product_category_name", "product_category_name_english"}
)

// pairs calls fn for each row of a file of two columns, if the file is there. A row
// that cannot be read is passed over: no event is lost with it, only what it would
// have said of some.
func (l *loader) pairs(name string, columns []string, fn func(key, value string)) error {
	if _, err := fs.Stat(l.fsys, name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	rejects := len(l.data.Rejects)
	err := l.each(name, columns, func(r *row, _ int, _ string) { fn(r.values[0], r.values[1]) })
	l.data.Rejects = l.data.Rejects[:rejects]
	return err
}

func (l *loader) customers() error {
	return l.pairs(CustomersFile, customerColumns, func(id, state string) {
		l.states[strings.Clone(id)] = l.same(state)
	})
}

// products reads the categories of the products that were sold, in English as far as
// there is a translation.
func (l *loader) products() error {
	english := map[string]string{}
	err := l.pairs(TranslationsFile, translationColumns, func(name, translated string) {
		english[strings.Clone(name)] = l.same(translated)
	})
	if err != nil {
		return err
	}
	l.data.categories = map[string]string{}
	return l.pairs(ProductsFile, productColumns, func(id, name string) {
		known, sold := l.intern[id] // as items have been read
		if !sold || id == "" || name == "" {
			return
		}
		if english[name] != "" {
			name = english[name]
		}
		l.data.categories[known] = l.same(name)
	})
}

// sellers reads the states of the sellers that sold something.
func (l *loader) sellers() error {
	l.data.sellerStates = map[string]string{}
	return l.pairs(SellersFile, sellerColumns, func(id, state string) {
		if known, sold := l.intern[id]; sold && id != "" && state != "" {
			l.data.sellerStates[known] = l.same(state)
		}
	})
}
