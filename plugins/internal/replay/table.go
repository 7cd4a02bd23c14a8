// Package replay sends timed rows of CSV files again: it reads the files, puts
// the rows in event-time order, injects duplicates, disorder and lateness on
// purpose, and says when each record is due. It knows nothing of what the rows
// mean.
package replay

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table reads chosen columns of one CSV file with a header.
type Table struct {
	name    string
	csv     *csvReader
	width   int
	names   []string // of the chosen columns
	columns []int    // place of each in a record, -1 where the file lacks it
	values  []string
}

// Row is one record of a table.
type Row struct {
	// Line is the number of the line that the record begins at, from 1.
	Line int
	// Values are the chosen columns without surrounding blanks. They are valid
	// until the next record is read and share memory with Text.
	Values []string
	// Text is the record as it stands in the file, of a broken one its first line.
	Text string
	// Err tells why the record cannot be used; Values are then unset.
	Err error
}

// optionalMark ends the name of a column that a file may lack.
const optionalMark = "?"

// OpenTable reads the header of a file and finds the columns in it, in any
// order. A column whose name ends with a question mark is optional: its values are
// empty where the file lacks it. The error names the file and what it lacks.
func OpenTable(name string, r io.Reader, columns ...string) (*Table, error) {
	t := &Table{name: name, csv: newCSVReader(r), values: make([]string, len(columns))}
	header, _, _, rowErr, err := t.csv.next(0)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty: it needs a header", name)
	}
	if err == nil {
		err = rowErr
	}
	if err != nil {
		return nil, fmt.Errorf("%s: header: %w", name, err)
	}
	t.width = len(header)
	names := make([]string, len(header))
	for i, h := range header {
		names[i] = strings.TrimSpace(h)
	}
	var missing []string
	found := 0
	for _, c := range columns {
		c, optional := strings.CutSuffix(c, optionalMark)
		i := slices.Index(names, c)
		switch {
		case i >= 0:
			found++
		case !optional:
			missing = append(missing, c)
		}
		t.names, t.columns = append(t.names, c), append(t.columns, i)
	}
	switch {
	case len(missing) == 0:
		return t, nil
	case found == 0:
		return nil, fmt.Errorf("%s has no header: its first line names none of the columns %s", name, strings.Join(missing, ", "))
	}
	return nil, fmt.Errorf("%s lacks the columns %s", name, strings.Join(missing, ", "))
}

// Columns are the names of the chosen columns, in their order.
func (t *Table) Columns() []string { return t.names }

// Next reads the next record. The error is io.EOF after the last one, or what
// reading the file failed with.
func (t *Table) Next() (Row, error) {
	fields, text, line, rowErr, err := t.csv.next(t.width)
	if errors.Is(err, io.EOF) {
		return Row{}, io.EOF
	}
	if err != nil {
		return Row{}, fmt.Errorf("%s: %w", t.name, err)
	}
	row := Row{Line: line, Text: text, Err: rowErr}
	switch {
	case errors.Is(rowErr, errFieldNumber):
		row.Err = fmt.Errorf("%d values, the header has %d columns", len(fields), t.width)
	case rowErr == nil && !utf8.ValidString(text):
		row.Err = errors.New("the row is not valid UTF-8")
	}
	if row.Err != nil {
		return row, nil
	}
	for i, c := range t.columns {
		if c >= 0 { // else it stays empty
			t.values[i] = strings.TrimSpace(fields[c])
		}
	}
	row.Values = t.values
	return row, nil
}
