// Measure counts real Olist files, of which it keeps no row, and prints the Go
// source of the tables that generated data follows:
//
//	go run ./internal/generate/measure DIR > internal/generate/measured.go
//
// It counts orders by day and by month, weekday and hour; customers and sellers by
// the first three digits of their zip codes; products by category; and takes rounded
// quantiles of what is measured of products.
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: measure DIR")
		os.Exit(2)
	}
	source, err := measure(os.Args[1])
	if err == nil {
		_, err = os.Stdout.Write(source)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

// measure returns the source of the tables of the files in a folder.
func measure(dir string) ([]byte, error) {
	var t tables
	for _, read := range []func(string) error{t.readOrders, t.readCustomers, t.readSellers, t.readProducts, t.readTranslations} {
		if err := read(dir); err != nil {
			return nil, err
		}
	}
	return t.source()
}

// each calls fn with the named columns of every row of a file.
func each(dir, name string, columns []string, fn func(values []string) error) error {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	r := csv.NewReader(f)
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	places := make([]int, len(columns))
	for i, column := range columns {
		if places[i] = index(header, column); places[i] < 0 {
			return fmt.Errorf("%s: no column %s", name, column)
		}
	}
	values := make([]string, len(columns))
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			for i, place := range places {
				values[i] = row[place]
			}
			err = fn(values)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// index finds a column, of which the first may follow a byte order mark.
func index(header []string, column string) int {
	for i, name := range header {
		if name == column || i == 0 && name == "\ufeff"+column {
			return i
		}
	}
	return -1
}
