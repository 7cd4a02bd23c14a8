package olistcsv

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
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

func (l *loader) readCustomers() error {
	return l.pairs(CustomersFile, customerColumns, func(id, state string) {
		_, number, _ := l.customers.Put(id)
		*number = int32(l.word(state))
	})
}

// readProducts reads the categories of the products that were sold, in English as far
// as there is a translation.
func (l *loader) readProducts() error {
	english := map[string]string{}
	err := l.pairs(TranslationsFile, translationColumns, func(name, translated string) {
		english[strings.Clone(name)] = strings.Clone(translated)
	})
	if err != nil {
		return err
	}
	l.data.categories = map[replay.Text]replay.Text{}
	return l.pairs(ProductsFile, productColumns, func(id, name string) {
		known, _, sold := l.words.Get(id) // as items have been read
		if !sold || name == "" {
			return
		}
		if english[name] != "" {
			name = english[name]
		}
		l.data.categories[known] = l.word(name)
	})
}

// readSellers reads the states of the sellers that sold something.
func (l *loader) readSellers() error {
	l.data.sellerStates = map[replay.Text]replay.Text{}
	return l.pairs(SellersFile, sellerColumns, func(id, state string) {
		if known, _, sold := l.words.Get(id); sold && state != "" {
			l.data.sellerStates[known] = l.word(state)
		}
	})
}
