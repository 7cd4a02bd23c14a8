// Package console shows what running streams have come to: tables that are drawn anew
// in their place on a terminal, a few lines now and then elsewhere.
//
// View, Frame and Lines know neither terminals nor databases. Screen owns the terminal,
// Console brings the two together, and Rows makes a view where there is no database.
package console

import (
	"slices"
	"time"
)

// View is what a console shows at one moment.
type View struct {
	Streams []Stream
	Tables  []Table
	// Letters is the number of dead letters, where it is known.
	Letters int64
	// Rate is how many rows a second the streams have written of late.
	Rate int64
	// Trouble says why this view is not of now, in one line; empty when it is.
	Trouble string
}

// Stream is how far a stream has come.
type Stream struct {
	Name      string
	Watermark time.Time // zero where it has none
	Ended     bool      // its input has come to the end: everything is final
	Rows      int64     // that its tasks have committed, or written where nothing is committed
}

// Table is the newest rows of one metric, the newest first.
type Table struct {
	Name    string
	Title   string // on a terminal, the name where it is empty
	Group   string // name of what Row.Group is, empty without
	Columns []Column
	Rows    []Row
	// Unseen is how many windows have come since the view before and are among Rows no more.
	Unseen int64
}

// Column names the cells at one place of each row.
type Column struct {
	Name  string
	Title string // on a terminal, the name where it is empty
}

// Row is what is known of one window and group.
type Row struct {
	Window time.Time // its start; zero for a row of no single window
	Group  string
	Cells  []string // by Table.Columns
	Alert  bool
}

func (r *Row) same(key *Row) bool { return r.Window.Equal(key.Window) && r.Group == key.Group }

// table returns the table of that name, nil where there is none.
func (v *View) table(name string) *Table {
	i := slices.IndexFunc(v.Tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &v.Tables[i]
}

// row returns the row that has the key of another one, nil where there is none.
func (t *Table) row(key *Row) *Row {
	if t == nil {
		return nil
	}
	i := slices.IndexFunc(t.Rows, func(r Row) bool { return r.same(key) })
	if i < 0 {
		return nil
	}
	return &t.Rows[i]
}

// rows is the number of all rows that the streams have written.
func (v *View) rows() (n int64) {
	for _, s := range v.Streams {
		n += s.Rows
	}
	return n
}
