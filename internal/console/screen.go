package console

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Screen is an output with a live region at its bottom, which is drawn anew in its
// place, while what is written appears above and scrolls away. Where the output is no
// terminal there is no region, and everything is written as it comes.
//
// Whenever it is left the terminal is as it was found: the cursor stands at the start
// of the line below the region, visible, in the default style; no mode is ever set.
// So there is nothing to restore, however the process ends.
type Screen struct {
	mu    sync.Mutex
	out   io.Writer
	size  func() Size // nil where the output is no terminal
	drawn []Line
	rest  []byte // of what was written: a line that has not ended
}

// unknownSize is taken for that of a terminal that does not tell.
var unknownSize = Size{Width: 80, Height: 24}

// NewScreen makes a screen of an output.
func NewScreen(out io.Writer) *Screen {
	s := &Screen{out: out}
	f, ok := out.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		s.size = func() Size {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil || w <= 0 || h <= 0 {
				return unknownSize
			}
			return Size{w, h}
		}
	}
	return s
}

// NewTerminal makes a screen of a terminal whose size is told.
func NewTerminal(out io.Writer, size func() Size) *Screen { return &Screen{out: out, size: size} }

// Terminal tells whether the screen has a live region.
func (s *Screen) Terminal() bool { return s.size != nil }

// Size asks the terminal how large it is now.
func (s *Screen) Size() Size {
	if s.size == nil {
		return unknownSize
	}
	return s.size()
}

// Write implements io.Writer for logs: whole lines appear above the region.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size == nil {
		return s.out.Write(p)
	}
	end := bytes.LastIndexByte(p, '\n') + 1
	if end == 0 {
		s.rest = append(s.rest, p...)
		return len(p), nil
	}
	text := string(s.rest) + string(p[:end])
	s.rest = append(s.rest[:0], p[end:]...)
	return len(p), s.paint(strings.ReplaceAll(text, "\n", "\r\n"), s.drawn)
}

// Draw replaces the region; without lines it is taken away. Errors of the terminal are
// left to who reads it: they are no reason to disturb what is shown.
func (s *Screen) Draw(lines []Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size != nil && len(lines)+len(s.drawn) > 0 {
		_ = s.paint("", lines)
	}
}

// Close leaves the region where it is, as text like any other: what is written from now
// on comes below.
func (s *Screen) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size != nil && len(s.rest) > 0 {
		_ = s.paint(string(s.rest)+"\r\n", s.drawn)
	}
	s.drawn, s.rest = nil, nil
}

const (
	// A terminal that knows them shows everything between the two at once.
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l"
	clearRight  = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// paint goes to the top of the region, writes text there and the new region below, as
// one write. Text is whatever is logged: it may wrap, so the old region goes before.
func (s *Screen) paint(text string, lines []Line) error {
	var b strings.Builder
	b.WriteString(beginUpdate + "\r")
	if up := s.height(); up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", up)
	}
	if text != "" {
		b.WriteString(clearBelow + text)
	}
	for _, l := range lines {
		b.WriteString(l.Text + clearRight + "\r\n")
	}
	b.WriteString(clearBelow + endUpdate)
	s.drawn = lines
	_, err := io.WriteString(s.out, b.String())
	return err
}

// height is how many lines of the terminal the region takes now. Terminals that have
// become narrower have wrapped its lines.
func (s *Screen) height() (n int) {
	if len(s.drawn) == 0 {
		return 0
	}
	width := s.size().Width
	for _, l := range s.drawn {
		n += max(1, (l.Width+width-1)/width)
	}
	return n
}
