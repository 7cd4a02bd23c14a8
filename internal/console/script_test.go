package console

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/hinshun/vt10x"
)

// The scripts in testdata tell views and show what becomes of them; -rewrite writes what
// is shown anew. Commands:
//
//	view               the next view; the one before it is what changes are told from
//	draw WIDTH HEIGHT  its frame, with [bold] text marked so, and whole escapes with "escapes"
//	lines MOST         its plain lines
//	screen WIDTH HEIGHT  a new terminal
//	show               draws the view there, and prints what stands on it
//	log                writes the text there, and prints what stands on it
//	resize WIDTH HEIGHT
//	close
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var now, before View
		var terminal vt10x.Terminal
		var screen *Screen
		var size Size
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "view":
				before = now
				now = parseView(t, d.Input)
				return ""
			case "draw":
				var out strings.Builder
				size := sizeOf(t, d)
				lines := Frame(now, before, size, d.HasArg("colour"))
				for _, l := range lines {
					if l.Width >= size.Width || l.Width != cells(stripped(l.Text)) {
						t.Errorf("%s: %q is %d wide, and says %d", d.Pos, l.Text, cells(stripped(l.Text)), l.Width)
					}
					out.WriteString("|" + shown(l.Text, d.HasArg("escapes")) + "\n")
				}
				if len(lines) >= size.Height {
					t.Errorf("%s: %d lines", d.Pos, len(lines))
				}
				return out.String()
			case "lines":
				most, err := strconv.Atoi(d.CmdArgs[0].Key)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				var out strings.Builder
				for _, line := range Lines(now, before, most) {
					out.WriteString(line + "\n")
				}
				return out.String()
			case "screen":
				size = sizeOf(t, d)
				terminal = vt10x.New(vt10x.WithSize(size.Width, size.Height))
				screen = NewTerminal(terminal, func() Size { return size })
				return ""
			case "show":
				screen.Draw(Frame(now, before, size, false))
			case "log":
				text := d.Input + "\n"
				if d.HasArg("unfinished") {
					text = d.Input
				}
				if _, err := screen.Write([]byte(text)); err != nil {
					d.Fatalf(t, "%v", err)
				}
			case "resize":
				size = sizeOf(t, d)
				terminal.Resize(size.Width, size.Height)
			case "close":
				screen.Close()
				fmt.Fprint(terminal, "behind it")
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			if c := terminal.Cursor(); d.Cmd != "close" && c.X != 0 {
				t.Errorf("%s: the cursor is at column %d", d.Pos, c.X)
			}
			return standing(terminal)
		})
	})
}

func sizeOf(t *testing.T, d *datadriven.TestData) (s Size) {
	t.Helper()
	for i, into := range []*int{&s.Width, &s.Height} {
		var err error
		if *into, err = strconv.Atoi(d.CmdArgs[i].Key); err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	return s
}

// standing is the text of a terminal.
func standing(terminal vt10x.Terminal) string {
	var b strings.Builder
	for line := range strings.Lines(terminal.String()) {
		b.WriteString("|" + strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// shown makes escape sequences readable: bold text stands in brackets, the others are left out.
func shown(text string, escapes bool) string {
	if escapes {
		return strings.ReplaceAll(text, "\x1b", "␛")
	}
	var b strings.Builder
	for i, piece := range strings.Split(text, "\x1b[") {
		if i == 0 {
			b.WriteString(piece)
			continue
		}
		style, rest, _ := strings.Cut(piece, "m")
		text := rest
		if strings.HasPrefix(style, "1") {
			text = "[" + rest + "]"
		}
		b.WriteString(text)
	}
	return b.String()
}

func stripped(text string) string {
	return strings.NewReplacer("[", "", "]", "").Replace(shown(text, false))
}

// parseView reads a view, one thing a line.
func parseView(t *testing.T, text string) (v View) {
	t.Helper()
	instant := func(text string) time.Time {
		if text == "-" {
			return time.Time{}
		}
		at, err := time.Parse("2006-01-02T15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch words[0] {
		case "stream": // NAME WATERMARK ROWS
			s := Stream{Name: words[1], Ended: words[2] == "end", Rows: number(words[3])}
			if !s.Ended {
				s.Watermark = instant(words[2])
			}
			v.Streams = append(v.Streams, s)
		case "rate":
			v.Rate = number(words[1])
		case "letters":
			v.Letters = number(words[1])
		case "trouble":
			v.Trouble = strings.Join(words[1:], " ")
		case "table": // NAME GROUP UNSEEN COLUMN...
			table := Table{Name: words[1], Group: strings.Trim(words[2], "-"), Unseen: number(words[3])}
			for _, name := range words[4:] {
				name, title, _ := strings.Cut(name, "=")
				table.Columns = append(table.Columns, Column{Name: name, Title: title})
			}
			v.Tables = append(v.Tables, table)
		case "row": // WINDOW GROUP CELL... [ALERT]
			table := &v.Tables[len(v.Tables)-1]
			row := Row{Window: instant(words[1]), Group: words[2], Cells: words[3:]}
			if unquoted, err := strconv.Unquote(words[2]); err == nil {
				row.Group = unquoted
			}
			if n := len(words) - 1; words[n] == "ALERT" {
				row.Cells, row.Alert = words[3:n], true
			}
			table.Rows = append(table.Rows, row)
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return v
}
