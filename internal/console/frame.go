package console

import (
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Size is that of a terminal, in cells.
type Size struct{ Width, Height int }

const (
	mostHead  = 2 // lines of the head
	fewest    = 2 // rows that a table is shown with, if it has as many
	mostTable = 10
	gap       = "  "
)

// Frame draws a view for a terminal. It takes a column and a tenth of the lines less than
// the terminal has: no line wraps, the cursor stands below, and some logs above. What differs from the view
// before is bold; without colour that is the only mark.
func Frame(now, before View, size Size, colour bool) []Line {
	p := &painter{width: max(size.Width-1, 1), colour: colour}
	room := max(size.Height-1-size.Height/10, 1)
	p.head(now)
	if now.Trouble != "" {
		p.add(span{text: now.Trouble, style: red})
	}
	for i, n := range share(now.Tables, room-len(p.lines)) {
		if n > 0 {
			p.table(&now.Tables[i], before.table(now.Tables[i].Name), n)
		}
	}
	return p.lines[:min(len(p.lines), room)]
}

// share divides a number of lines among tables, each of which takes one for its heading
// and one for the gap above. It returns how many rows of each are shown. Tables that
// find no room are left out, the last ones first.
func share(tables []Table, room int) []int {
	shown := make([]int, len(tables))
	for i := range tables {
		n := min(fewest, len(tables[i].Rows))
		if n == 0 || room < n+2 {
			continue
		}
		shown[i] = n
		room -= n + 2
	}
	for given := true; given; {
		given = false
		for i := range tables {
			if shown[i] > 0 && shown[i] < min(mostTable, len(tables[i].Rows)) && room > 0 {
				shown[i]++
				room--
				given = true
			}
		}
	}
	return shown
}

// painter makes lines that are at most width wide.
type painter struct {
	width  int
	colour bool
	lines  []Line
}

func (p *painter) add(spans ...span) { p.lines = append(p.lines, paint(spans, p.width, p.colour)) }

// head tells how far the streams have come.
func (p *painter) head(v View) {
	words := []string{"event time"}
	for _, s := range v.Streams {
		if at := s.reached(); at != "" {
			words = append(words, s.short()+" "+at)
		}
	}
	if len(words) == 1 {
		words[0] = "no events yet"
	}
	if v.Letters > 0 {
		words = append(words, humanize.Comma(v.Letters)+" dead letters")
	}
	words = append(words, humanize.Comma(v.rows())+" rows", humanize.Comma(v.Rate)+"/s")
	line := ""
	for _, w := range words {
		if line != "" && cells(line)+len(gap)+cells(w) > p.width && len(p.lines) < mostHead-1 {
			p.add(span{text: line})
			line = ""
		}
		if line != "" {
			line += gap
		}
		line += clean(w)
	}
	p.add(span{text: line})
}

func (s *Stream) short() string { return strings.TrimPrefix(s.Name, "tidemark-") }

func (s *Stream) reached() string {
	switch {
	case s.Ended:
		return "at its end"
	case s.Watermark.IsZero():
		return ""
	}
	return s.Watermark.UTC().Format(time.DateTime)
}

// column is one of a table as it is drawn.
type column struct {
	title string
	left  bool
	cells []string
	style []string
	width int
}

// table draws the first n rows. Columns that are too many for the width are left out,
// the last ones first.
func (p *painter) table(t, before *Table, n int) {
	rows := t.Rows[:n]
	columns := []column{{title: or(t.Title, t.Name), left: true}}
	if t.Group != "" {
		columns = append(columns, column{title: words(t.Group), left: true})
	}
	for _, c := range t.Columns {
		columns = append(columns, column{title: words(or(c.Title, c.Name))})
	}
	for i := range rows {
		r := &rows[i]
		// In the first view nothing is new.
		was := before.row(r)
		changed := func(cell int) bool {
			return before != nil && (was == nil || cell >= 0 && was.Cells[cell] != r.Cells[cell])
		}
		place := 0
		put := func(text string, changed bool) {
			style := ""
			if changed {
				style = bold
			}
			if r.Alert && p.colour {
				style += red
			}
			c := &columns[place]
			c.cells, c.style = append(c.cells, text), append(c.style, style)
			place++
		}
		put(minute(r.Window), changed(-1))
		if t.Group != "" {
			put(r.Group, changed(-1))
		}
		for j, cell := range r.Cells {
			put(cell, changed(j))
		}
	}
	fits, used := 0, 0
	for i := range columns {
		c := &columns[i]
		c.width = cells(c.title)
		for _, cell := range c.cells {
			c.width = max(c.width, cells(clean(cell)))
		}
		if used += c.width; used > p.width && fits > 0 {
			break
		}
		used += len(gap)
		fits++
	}
	columns = columns[:fits]
	p.add()
	p.add(line(columns, func(c *column) (string, string) { return c.title, dim })...)
	for i := range rows {
		spans := line(columns, func(c *column) (string, string) { return c.cells[i], c.style[i] })
		if rows[i].Alert {
			spans = append(spans, span{text: gap + "ALERT", style: bold + red})
		}
		p.add(spans...)
	}
}

// line sets the cells of one row in their columns.
func line(columns []column, cell func(*column) (text, style string)) (spans []span) {
	for i := range columns {
		c := &columns[i]
		text, style := cell(c)
		text = clean(text)
		pad := strings.Repeat(" ", c.width-cells(text))
		before, after := pad, ""
		if c.left {
			before, after = "", pad
		}
		if i > 0 {
			before = gap + before
		}
		spans = append(spans, span{text: before}, span{text: text, style: style}, span{text: after})
	}
	return spans
}

// minute is the start of a window in UTC, with seconds only where there are any.
func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strings.TrimSuffix(t.UTC().Format(time.DateTime), ":00")
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// styles of text, as ANSI terminals know them.
const (
	bold = "1;"
	dim  = "2;"
	red  = "31;"
)

// span is a piece of a line in one style.
type span struct{ text, style string }

// Line is a line for a terminal: text with escape sequences, and how many cells it takes.
type Line struct {
	Text  string
	Width int
}

// Text is a line in the default style, cut at width.
func Text(text string, width int) Line { return paint([]span{{text: text}}, width, false) }

// paint makes a line of spans, cut at width. Spaces at the end are left out.
func paint(spans []span, width int, colour bool) Line {
	var b strings.Builder
	var l Line
	end := len(spans)
	for end > 0 && strings.Trim(spans[end-1].text, " ") == "" {
		end--
	}
	for _, s := range spans[:end] {
		text := cut(clean(s.text), width-l.Width)
		style := s.style
		if !colour {
			style = strings.Join(slices.DeleteFunc(strings.SplitAfter(style, ";"), func(code string) bool { return code != bold }), "")
		}
		l.Width += cells(text)
		if style == "" || text == "" {
			b.WriteString(text)
			continue
		}
		b.WriteString("\x1b[" + strings.TrimSuffix(style, ";") + "m" + text + "\x1b[m")
	}
	l.Text = b.String()
	return l
}
