package e2e

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"golang.org/x/term"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// terminal is a command that runs on a terminal of its own, whose screen can be read.
type terminal struct {
	testing.TB
	cmd    *exec.Cmd
	keys   *os.File // our side
	tty    *os.File // the command's
	modes  *term.State
	screen vt10x.Terminal
	exited chan struct{}

	mu  sync.Mutex
	raw bytes.Buffer // all that was written
}

// onTerminal starts a command on a terminal of some size.
func (p *pipeline) onTerminal(columns, rows uint16, args ...string) *terminal {
	p.Helper()
	keys, tty, err := pty.Open()
	if err != nil {
		p.Fatal(err)
	}
	if err := pty.Setsize(keys, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		p.Fatal(err)
	}
	t := &terminal{
		TB: p, keys: keys, tty: tty, exited: make(chan struct{}), cmd: exec.Command(kit.Binary(p), args...),
		screen: vt10x.New(vt10x.WithSize(int(columns), int(rows))),
	}
	if t.modes, err = term.GetState(int(tty.Fd())); err != nil {
		p.Fatal(err)
	}
	t.cmd.Dir, t.cmd.Env = kit.Root(p), append(os.Environ(), p.env...)
	t.cmd.Env = append(t.cmd.Env, "TERM=xterm-256color", "NO_COLOR=")
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = tty, tty, tty
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := t.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	go func() {
		_ = t.cmd.Wait() // the exit code says it
		close(t.exited)
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			n, err := keys.Read(buffer)
			t.mu.Lock()
			t.raw.Write(buffer[:n])
			_, _ = t.screen.Write(buffer[:n])
			t.mu.Unlock()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EIO) && !errors.Is(err, os.ErrClosed) {
					p.Errorf("reading the terminal: %v", err)
				}
				return
			}
		}
	}()
	p.Cleanup(func() {
		_ = t.cmd.Process.Kill() // it may have ended by itself
		<-t.exited
		_ = tty.Close()
		<-read // the end of the terminal has no writer any more
		_ = keys.Close()
		if p.Failed() {
			p.Logf("the terminal of %v:\n%s", args, strings.Join(t.lines(), "\n"))
		}
	})
	return t
}

// press types on the terminal's keyboard.
func (t *terminal) press(keys string) {
	t.Helper()
	if _, err := io.WriteString(t.keys, keys); err != nil {
		t.Fatal(err)
	}
}

// end waits for the command, which has to succeed.
func (t *terminal) end() {
	t.Helper()
	select {
	case <-t.exited:
	case <-time.After(patience):
		t.Fatalf("%v still runs", t.cmd.Args)
	}
	if code := t.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-time.After(200 * time.Millisecond) // the kernel hands on the last of the output
}

// restored checks that the terminal is as it was before the command.
func (t *terminal) restored() {
	t.Helper()
	modes, err := term.GetState(int(t.tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if *modes != *t.modes {
		t.Error("the terminal's modes are others than before")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.screen.Cursor(); !t.screen.CursorVisible() || c.X != 0 || c.Attr.Mode != 0 || c.Attr.FG != vt10x.DefaultFG {
		t.Errorf("the cursor is left at column %d, visible %v, with style %+v", c.X, t.screen.CursorVisible(), c.Attr)
	}
	if mode := t.screen.Mode(); mode&vt10x.ModeAltScreen != 0 {
		t.Error("the terminal is left on its other screen")
	}
}

// written is all that the terminal was sent.
func (t *terminal) written() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.raw.String()
}

// lines are what stands on the screen.
func (t *terminal) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(t.screen.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

var columnGap = regexp.MustCompile(`\s{2,}`)

// table is one of the tables on the screen, by the beginning of its heading: its rows,
// each with the cells that it has.
func (t *terminal) table(title string) (rows [][]string) {
	lines := t.lines()
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, title+"  ") })
	if at < 0 {
		return nil
	}
	for _, line := range lines[at+1:] {
		if line == "" || strings.HasPrefix(strings.TrimSpace(line), "stream ") { // the account comes next
			break
		}
		rows = append(rows, columnGap.Split(strings.TrimSpace(line), -1))
	}
	return rows
}
