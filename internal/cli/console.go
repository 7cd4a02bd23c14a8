package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/redpanda-data/benthos/v4/public/service"
	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/console"
	"github.com/tidemark-streams/tidemark/internal/pg"
)

// liveConsole is what `tidemark consume` shows while it runs: nothing with --no-console,
// else what is in Postgres, or with --no-postgres what this process emits. On a terminal
// logs appear above it; elsewhere they go to standard error and only what is shown to
// standard output.
type liveConsole struct {
	screen *console.Screen
	read   func(context.Context) (console.View, error) // nil: there is nothing to show
	rows   *console.Rows                               // set where the streams' outputs are the console
	looker *pg.Looker

	start  sync.Once
	finish sync.Once
	shows  *console.Console
	logs   *os.File // the end of a pipe where the terminal is the console's, nil else
	copied chan struct{}
}

// newConsole decides what a run of these streams shows.
func newConsole(c *ucli.Context, streams streamKinds) (_ *liveConsole, err error) {
	l := &liveConsole{screen: console.NewScreen(c.App.Writer)}
	switch {
	case c.Bool(noConsoleName):
		return l, nil
	case c.Bool(noPostgresName):
		if l.screen.Terminal() {
			l.rows = console.NewRows()
			l.read = func(context.Context) (console.View, error) { return l.rows.View(), nil }
		}
	case streams.written:
		if l.looker, err = pg.NewLooker(c.String(dsnName), !l.screen.Terminal()); err != nil {
			return nil, fmt.Errorf("--%s: %w", dsnName, err)
		}
		l.read = l.looker.Look
	}
	if l.read == nil || !l.screen.Terminal() || !console.NewScreen(os.Stderr).Terminal() {
		return l, nil // logs on another output tear nothing
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l.logs, l.copied = in, make(chan struct{})
	go l.copyLogs(out)
	return l, nil
}

// endOfLogs is written behind the logs that have to be shown before the console ends. The
// pipe stays open: what goes on for a while, such as a stream that cannot stop, logs on.
const endOfLogs = '\x00'

// copyLogs brings logs to the screen. A terminal that is gone does not hold up who logs.
func (l *liveConsole) copyLogs(from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		text, behind, ended := bytes.Cut(buffer[:n], []byte{endOfLogs})
		_, _ = l.screen.Write(text)
		if ended {
			close(l.copied)
			_, _ = l.screen.Write(behind)
		}
		if err != nil {
			return
		}
	}
}

// logsTo is where Benthos logs.
func (l *liveConsole) logsTo() *os.File {
	if l.logs != nil {
		return l.logs
	}
	return os.Stderr
}

// begin shows what there is from now on, the first time that it is called.
func (l *liveConsole) begin() {
	l.start.Do(func() {
		if l.read != nil {
			l.shows = console.Start(l.screen, l.read)
		}
	})
}

// end shows the last state, which stays, and gives the terminal back. It may be called
// more than once.
func (l *liveConsole) end() {
	l.start.Do(func() {}) // what has not begun does not any more
	l.finish.Do(func() {
		if l.logs != nil {
			if _, err := l.logs.Write([]byte{endOfLogs}); err == nil {
				<-l.copied
			}
		}
		if l.shows != nil {
			l.shows.End()
		}
		if l.looker != nil {
			_ = l.looker.Close() // it has only read
		}
		l.screen.Close()
	})
}

// output is what the streams' outputs are replaced by with --no-postgres.
func (l *liveConsole) output(quiet bool) string {
	switch {
	case quiet:
		return "drop"
	case l.rows != nil:
		return consoleOutput
	}
	return "stdout"
}

// consoleOutput is the output that brings rows to the console. Only the run that has a
// console knows it.
const consoleOutput = "tidemark_console"

// options add to Benthos what the console needs.
func (l *liveConsole) options() ([]service.CLIOptFunc, error) {
	if l.rows == nil {
		return nil, nil
	}
	env := service.NewEnvironment()
	err := env.RegisterBatchOutput(consoleOutput, service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
			return &consoleWriter{rows: l.rows, above: l.screen}, service.BatchPolicy{}, 1, nil
		})
	return []service.CLIOptFunc{service.CLIOptSetEnvironment(env)}, err
}
