package pg

import (
	"strings"
	"testing"
	"time"
)

func TestTableLayout(t *testing.T) {
	table := &table{
		header: []string{"type", "value", "note"},
		right:  []bool{false, true, false},
		rows:   [][]string{{"é", "1.50", "x"}, {"boleto", "12345.00", ""}},
	}
	var b strings.Builder
	if err := table.write(&b, "Title"); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"Title",
		"  type       value  note",
		"  ------  --------  ----",
		"  é           1.50  x",
		"  boleto  12345.00",
		"", "",
	}, "\n")
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestFormat(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for _, c := range []struct {
		cell   any
		dbType string
		want   string
	}{
		{nil, "NUMERIC", "-"},
		{int64(-7), "INT8", "-7"},
		{[]byte("12.30"), "NUMERIC", "12.30"},
		{true, "BOOL", "yes"},
		{false, "BOOL", "no"},
		{"text", "TEXT", "text"},
		{[]byte(`{a,"b c"}`), "_TEXT", "a b c"},
		{[]byte(`{}`), "_TEXT", ""},
		{time.Date(2018, 1, 2, 1, 4, 0, 0, zone), "TIMESTAMPTZ", "2018-01-02 00:04:00"},
	} {
		if got := format(c.cell, c.dbType); got != c.want {
			t.Errorf("format(%v, %s) = %q, want %q", c.cell, c.dbType, got, c.want)
		}
	}
}
