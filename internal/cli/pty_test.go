//go:build linux

package cli

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// On a terminal a bar moves, fits its width, and is taken away at the end.
func TestBarOnATerminal(t *testing.T) {
	screen, terminal, err := pty.Open()
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	defer screen.Close()
	if err := pty.Setsize(screen, &pty.Winsize{Rows: 24, Cols: 60}); err != nil {
		t.Fatal(err)
	}
	written := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(screen) // ends with EIO when the terminal is closed
		written <- b
	}()
	show := newProgress(terminal)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	show.run(ctx, func() progressState {
		if asked++; asked == 4 {
			cancel()
		}
		return progressState{done: asked, total: 10, verb: "sent", left: func(time.Time, float64) (time.Duration, bool) { return time.Minute, true }}
	})
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	b := <-written
	// Each drawing is one line, which ends where the rest of the terminal's is cleared.
	drawn := strings.Split(sequence.ReplaceAllString(string(b), ""), "\n")
	if len(drawn) < 4 {
		t.Fatalf("%q", b)
	}
	for _, line := range drawn[:len(drawn)-1] {
		if !strings.Contains(line, "█") || !strings.Contains(line, " of 10 sent") || !strings.Contains(line, "1m0s left") || len([]rune(line)) >= 60 {
			t.Errorf("%q", line)
		}
	}
	end := vt10x.New(vt10x.WithSize(60, 24))
	if _, err := end.Write(b); err != nil {
		t.Fatal(err)
	}
	if text := strings.TrimSpace(end.String()); text != "" {
		t.Errorf("at the end the terminal shows %q", text)
	}
}

// sequence is what moves the cursor or clears.
var sequence = regexp.MustCompile("\x1b\\[[?0-9]*[A-Za-z]|\r")
