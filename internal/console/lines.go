package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Lines tells in plain text what has changed since the view before: at most most
// rows of each table, the newest ones, and how many more there are. Nothing has
// changed, nothing is said.
func Lines(now, before View, most int) (lines []string) {
	if now.Trouble != before.Trouble {
		if now.Trouble != "" {
			return []string{now.Trouble}
		}
		lines = append(lines, "Postgres answers again")
	}
	news := false
	for i := range now.Tables {
		t := &now.Tables[i]
		changed := t.since(before.table(t.Name))
		news = news || len(changed) > 0
		shown := changed[:min(most, len(changed))]
		for j := len(shown) - 1; j >= 0; j-- { // the oldest first, as a log has it
			lines = append(lines, t.text(shown[j]))
		}
		if more := int64(len(changed)-len(shown)) + t.Unseen; more > 0 {
			lines = append(lines, fmt.Sprintf("%s %s more", t.Name, humanize.Comma(more)))
		}
	}
	if news {
		lines = append(lines, now.progress())
	}
	return lines
}

// since are the rows that are not as they were.
func (t *Table) since(before *Table) (changed []*Row) {
	for i := range t.Rows {
		r := &t.Rows[i]
		was := before.row(r)
		if was == nil || was.Alert != r.Alert || strings.Join(was.Cells, " ") != strings.Join(r.Cells, " ") {
			changed = append(changed, r)
		}
	}
	return changed
}

// text is a row as words: the table, the window and group, then name=value.
func (t *Table) text(r *Row) string {
	words := []string{t.Name}
	if !r.Window.IsZero() {
		words = append(words, stamp(r.Window))
	}
	if t.Group != "" {
		words = append(words, clean(r.Group))
	}
	for i, cell := range r.Cells {
		words = append(words, t.Columns[i].Name+"="+clean(cell))
	}
	if r.Alert {
		words = append(words, "ALERT")
	}
	return strings.Join(words, " ")
}

// progress tells how far the streams have come.
func (v *View) progress() string {
	words := []string{"progress", fmt.Sprintf("rows=%d", v.rows()), fmt.Sprintf("rows_per_second=%d", v.Rate)}
	for i := range v.Streams {
		s := &v.Streams[i]
		switch {
		case s.Ended:
			words = append(words, s.short()+"=end")
		case !s.Watermark.IsZero():
			words = append(words, s.short()+"="+s.Watermark.UTC().Format(time.RFC3339))
		}
	}
	return strings.Join(words, " ")
}

// stamp is the start of a window in UTC, with seconds only where there are any.
func stamp(t time.Time) string {
	layout := "2006-01-02T15:04Z"
	if t.Second() != 0 {
		layout = time.RFC3339
	}
	return t.UTC().Format(layout)
}
