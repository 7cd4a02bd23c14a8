package replay

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// dump shows every record of a table as "line: a|b" or "line! error".
func dump(t *testing.T, text string, columns ...string) string {
	t.Helper()
	table, err := OpenTable("t.csv", strings.NewReader(text), columns...)
	if err != nil {
		return err.Error()
	}
	var out []string
	for {
		row, err := table.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(out, "\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		if row.Err != nil {
			out = append(out, fmt.Sprintf("%d! %v <%s>", row.Line, row.Err, row.Text))
			continue
		}
		out = append(out, fmt.Sprintf("%d: %s", row.Line, strings.Join(row.Values, "|")))
	}
}

func TestTable(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "a,b\n1,2\n3,4\n", "2: 1|2\n3: 3|4"},
		{"no last line end", "a,b\n1,2", "2: 1|2"},
		{"other columns and order", "b,x,a\n2,9,1\n", "2: 1|2"},
		{"byte order mark", "\ufeffa,b\n1,2\n", "2: 1|2"},
		{"windows line ends", "a,b\r\n1,2\r\n\r\n3,4\r\n", "2: 1|2\n4: 3|4"},
		{"quoted header", "\"a\",\"b\"\n\"1\",\"2\"\n", "2: 1|2"},
		{"blanks", " a ,b\n 1 , 2\n", "2: 1|2"},
		{"empty values", "a,b\n,\n\"\",2\n", "2: |\n3: |2"},
		{"empty lines", "a,b\n\n1,2\n\n\n3,4\n", "3: 1|2\n6: 3|4"},
		{"quotes", "a,b\n\"x, \"\"y\"\"\",2\n", "2: x, \"y\"|2"},
		{"line breaks in quotes", "a,b\n\"x\ny\r\nz\",2\n3,4\n", "2: x\ny\r\nz|2\n5: 3|4"},
		{"quoted last value with line break", "a,b\n1,\"x\ny\"\n3,4\n", "2: 1|x\ny\n4: 3|4"},
		{"too few and too many", "a,b\n1\n1,2,3\n4,5\n", "2! 1 values, the header has 2 columns <1>\n3! 3 values, the header has 2 columns <1,2,3>\n4: 4|5"},
		{"quote inside", "a,b\n1,2\"x\n3,4\n", "2! a quote stands inside an unquoted value <1,2\"x>\n3: 3|4"},
		{"text after quote", "a,b\n\"1\"x,2\n3,4\n", "2! text stands between a closing quote and the next comma <\"1\"x,2>\n3: 3|4"},
		{"quote never closed", "a,b\n\"1,2\n3,4\n5,6\n", "2! a quote is never closed <\"1,2>\n3: 3|4\n4: 5|6"},
		{"stray quote meets the next one", "a,b\n\"1,2\n3,4\n\"5\",6\n", "2! text stands between a closing quote and the next comma <\"1,2>\n3: 3|4\n4: 5|6"},
		{"two stray quotes", "a,b\n\"1,2\n\"3,4\n5,6\n", "2! text stands between a closing quote and the next comma <\"1,2>\n3! a quote is never closed <\"3,4>\n4: 5|6"},
		{"not UTF-8", "a,b\n\xff,2\n3,4\n", "2! the row is not valid UTF-8 <\xff,2>\n3: 3|4"},
		{"header only", "a,b\n", ""},
		{"empty file", "", "t.csv is empty: it needs a header"},
		{"only a byte order mark", "\ufeff", "t.csv is empty: it needs a header"},
		{"no header", "1,2\n3,4\n", "t.csv has no header: its first line names none of the columns a, b"},
		{"missing column", "a,c\n1,2\n", "t.csv lacks the columns b"},
		{"broken header", "\"a,b\n", "t.csv: header: a quote is never closed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := dump(t, tc.in, "a", "b"); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestOptionalColumns(t *testing.T) {
	for in, want := range map[string]string{
		"c,a,b\n3,1,2\n":    "2: 1|2|3",
		"b,a\n2,1\n4,3,5\n": "2: 1|2|\n3! 3 values, the header has 2 columns <4,3,5>",
		"a,c\n1,2\n":        "t.csv lacks the columns b",
		"1,2\n3,4\n":        "t.csv has no header: its first line names none of the columns a, b",
	} {
		if got := dump(t, in, "a", "b", "c?"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestTooLongRows(t *testing.T) {
	long := strings.Repeat("x", maxRecord)
	many := "\"" + strings.Repeat("y\n", maxRecordLines+5)
	table, err := OpenTable("t.csv", strings.NewReader("a,b\n"+long+",1\n1,2\n"+strings.Repeat(long, 3)+"\n3,4\n"+many+"5,6\n"), "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	good := ""
	for {
		row, err := table.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(row.Text) > maxRecord {
			t.Errorf("line %d keeps %d bytes", row.Line, len(row.Text))
		}
		if row.Err == nil {
			good += strings.Join(row.Values, ",") + " "
		}
		lines = append(lines, row.Line)
	}
	// Each of the lines below the open quote is broken for itself, having one value.
	if good != "1,2 3,4 5,6 " || !slices.IsSorted(lines) || lines[len(lines)-1] != 2+4+maxRecordLines+5 {
		t.Errorf("%s, last line %d", good, lines[len(lines)-1])
	}
}

// What encoding/csv writes is read back, with the right lines.
func TestTableReadsWhatIsWritten(t *testing.T) {
	value := rapid.StringOf(rapid.SampledFrom([]rune("ab,\"\n é;'")))
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(value, 3, 3), 0, 20).Draw(t, "rows")
		var b strings.Builder
		w := csv.NewWriter(&b)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		line := 2
		var want []string
		if err := w.Write([]string{"a", "b", "c"}); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
			trimmed := make([]string, 3)
			for i, v := range r {
				if w.UseCRLF {
					v = strings.ReplaceAll(v, "\n", "\r\n")
				}
				trimmed[i] = strings.TrimSpace(v)
			}
			want = append(want, fmt.Sprint(line, trimmed))
			line += 1 + strings.Count(strings.Join(r, ""), "\n")
		}
		w.Flush()
		table, err := OpenTable("t.csv", strings.NewReader(b.String()), "a", "b", "c")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			row, err := table.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || row.Err != nil {
				t.Fatal(err, row.Err, row.Text)
			}
			got = append(got, fmt.Sprint(row.Line, row.Values))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// No input makes the reader fail, hang or lose its place.
func TestTableSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("a,\"\n\r x"))).Draw(t, "text")
		table, err := OpenTable("t.csv", strings.NewReader("a,b\n"+text), "a", "b")
		if err != nil {
			t.Fatal(err)
		}
		last := 1
		for {
			row, err := table.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || row.Line <= last {
				t.Fatal(err, row.Line, last)
			}
			last = row.Line
		}
		if last > 1+strings.Count(text, "\n")+1 {
			t.Fatal(last)
		}
	})
}

type brokenReader struct{ io.Reader }

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestReadErrors(t *testing.T) {
	if _, err := OpenTable("t.csv", brokenReader{}, "a"); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Error(err)
	}
	table, err := OpenTable("t.csv", io.MultiReader(strings.NewReader("a\n1\n"), brokenReader{}), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Next(); err == nil || err.Error() != "t.csv: disk on fire" {
		t.Error(err)
	}
}
