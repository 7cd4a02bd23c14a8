package tasktest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Parser reads rows from text. Rows with the same fields share a schema; the
// records of a topic are numbered in the order in which they are read.
type Parser struct {
	schemas map[string]*event.Schema
	offsets map[string]int64
}

// NewParser makes a parser.
func NewParser() *Parser {
	return &Parser{map[string]*event.Schema{}, map[string]int64{}}
}

// Row reads "topic time field=value ...". Times are milliseconds. A value is null,
// true, false, a number, an array in JSON without spaces, or else a text. A row
// whose only field is "raw" is a payload that nobody has decoded.
func (p *Parser) Row(line string) (event.Row, error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return event.Row{}, fmt.Errorf("%q: want: topic time field=value…", line)
	}
	ms, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return event.Row{}, fmt.Errorf("%q: %w", line, err)
	}
	r := event.Row{Time: event.Time(ms), Source: &event.Source{Topic: words[0], Offset: p.offsets[words[0]]}}
	p.offsets[words[0]]++
	var fields []string
	for _, w := range words[2:] {
		name, text, ok := strings.Cut(w, "=")
		if !ok {
			return event.Row{}, fmt.Errorf("%q: want field=value, got %q", line, w)
		}
		if name == "raw" {
			r.Source.Value = []byte(text)
			return r, nil
		}
		fields = append(fields, name)
		r.Values = append(r.Values, value(text))
	}
	id := words[0] + " " + strings.Join(fields, " ")
	s, ok := p.schemas[id]
	if !ok {
		s = event.NewSchema(words[0], fields...)
		p.schemas[id] = s
	}
	r.Schema = s
	return r, nil
}

func value(text string) event.Value {
	switch text {
	case "null":
		return event.Value{}
	case "true", "false":
		return event.BoolOf(text == "true")
	}
	if v, ok := event.ParseDecimal(text); ok {
		return v
	}
	if strings.HasPrefix(text, "[") {
		return event.JSONOf(text)
	}
	return event.StringOf(text)
}

// Text is a row as "time field=value ...", without its watermark and source.
func Text(r *event.Row) string {
	var b strings.Builder
	b.WriteString(Time(r.Time))
	if r.Schema == nil {
		fmt.Fprintf(&b, " raw=%s", r.Text())
		return b.String()
	}
	for i, f := range r.Schema.Fields {
		v := r.Values[i]
		text := v.Key()
		switch {
		case v.IsNull():
			text = "null"
		case v.Kind() == event.Decimal:
			text = fmt.Sprint(v.Any())
		}
		fmt.Fprintf(&b, " %s=%s", f, text)
	}
	return b.String()
}

// RejectText is a reject as "reason operator: row", without the words of its detail.
func RejectText(r *task.Reject) string {
	text := r.Reason.String() + " " + r.Operator + ": " + Text(&r.Row)
	if s := r.Row.Source; s != nil {
		text += fmt.Sprintf(" (%s/%d@%d)", s.Topic, s.Partition, s.Offset)
	}
	return text
}

// Texts are the rows of a sink as text.
func Texts(rows []event.Row) []string {
	texts := make([]string, len(rows))
	for i := range rows {
		texts[i] = Text(&rows[i])
	}
	return texts
}

// RejectTexts are the rejects of a sink as text.
func RejectTexts(rejects []task.Reject) []string {
	texts := make([]string, len(rejects))
	for i := range rejects {
		texts[i] = RejectText(&rejects[i])
	}
	return texts
}

// Time is an instant in milliseconds; the two ends of time are -inf and +inf.
func Time(t event.Time) string {
	if t == event.MinTime || t == event.MaxTime {
		return t.String()
	}
	return strconv.FormatInt(int64(t), 10)
}

// Diff says where two lists part; empty when they are equal.
func Diff(got, want []string) string {
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			return fmt.Sprintf("at %d (of %d and %d):\n  got  %s\n  want %s", i, len(got), len(want), g, w)
		}
	}
	return ""
}
