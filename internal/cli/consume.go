package cli

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/plugins"
)

const (
	streamsName    = "streams"
	stopAtEndName  = "stop-at-end"
	noPostgresName = "no-postgres"
	noConsoleName  = "no-console"
)

func consumeCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "consume",
		Usage: "Run the analytics streams: Kafka topics to rows in Postgres",
		Description: `Runs every stream of a folder in one process, in streams mode: its REST API and
metrics are served at the address that it logs. What they come to is shown meanwhile, as
tables on a terminal and as a few lines now and then elsewhere.

It goes on where the last run of its consumer groups stopped: their state is in Kafka,
with a copy in the state folder. "tidemark state reset" lets it start anew. Runs with
--no-postgres have groups, and so state, of their own: <group>-console.

Streams without a stateful input, such as those that read rows from Postgres, run beside
the others; with --stop-at-end behind them, so that they see all rows as final.

   tidemark consume
   tidemark consume --stop-at-end        read what is there, emit final rows, print the account
   tidemark consume --no-postgres        show rows instead: as tables on a terminal, else as JSON lines
   tidemark consume --no-console         show nothing, log only`,
		Flags: []ucli.Flag{
			brokersFlag(), dsnFlag(), registryFlag(), stateDirFlag(),
			&ucli.StringFlag{Name: streamsName, Value: analyticsFolder, Usage: "folder of the streams to run"},
			&ucli.BoolFlag{Name: stopAtEndName, Usage: "read to the end that is found at the start, emit everything as final and stop"},
			&ucli.BoolFlag{Name: noPostgresName, Usage: "write to standard output instead of Postgres"},
			&ucli.BoolFlag{Name: noConsoleName, Usage: "show neither tables, rows nor the closing account"},
		},
		Action: consume,
	}
}

func consume(c *ucli.Context) error {
	state, err := stateDir(c)
	if err != nil {
		return err
	}
	leave, err := enterWorkspace(c, streamsName)
	if err != nil {
		return err
	}
	defer leave()
	files, err := streamFiles(c.String(streamsName))
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	kinds, err := kindsOf(files)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	show, err := newConsole(c, kinds)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	defer show.end()
	bounded := c.Bool(stopAtEndName)
	if bounded {
		files = kinds.stateful
	}
	if c.Bool(noPostgresName) {
		files = slices.DeleteFunc(files, func(f string) bool { return slices.Contains(kinds.polling, f) })
		dir, err := os.MkdirTemp("", "tidemark-streams-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if files, err = withoutPostgres(files, dir, show.output(c.Bool(noConsoleName))); err != nil {
			return ucli.Exit(err.Error(), 1)
		}
	}
	tuneGC()
	address, err := httpAddress()
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"KAFKA_BROKERS": c.String(brokersName), "POSTGRES_DSN": c.String(dsnName),
		"TIDEMARK_STOP_AT_END": fmt.Sprint(bounded), "TIDEMARK_HTTP_ADDRESS": address,
		stateDirEnv: state, registryEnv: c.String(registryName),
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	run := benthosRun{console: show, wait: func(failures []plugins.Failure, finished map[string]plugins.Summary) (bool, error) {
		if len(failures) > 0 {
			return true, fmt.Errorf("stream %s: %w", failures[0].StreamID, failures[0].Err)
		}
		return len(finished) == len(files), nil
	}}
	if len(files) > 0 {
		args := []string{"tidemark", "streams", "-o", filepath.Join("configs", "tidemark.yaml")}
		if bounded && len(kinds.followers) > 0 {
			// Benthos ends the process when the shutdown timeout of streams has passed, though
			// they have ended long before: the followers would be cut off.
			args = append(args, "--set", "shutdown_timeout=10m")
		}
		args = append(args, files...)
		if code := run.do(c.Context, args); code != 0 {
			return ucli.Exit("", code)
		}
	}
	if bounded && !c.Bool(noPostgresName) && len(run.finished()) == len(files) {
		ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := runFollowers(ctx, kinds.followers, show.logsTo()); err != nil {
			show.end() // it would draw over the line
			failed(os.Stderr, err)
			return ucli.Exit("", 1)
		}
	}
	show.end()
	if c.Bool(noConsoleName) {
		return nil
	}
	return printAccounts(c.App.Writer, run.finished())
}

// streamFiles lists the configs of a folder without their tests.
func streamFiles(dir string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	files := slices.DeleteFunc(all, isStreamTest)
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no stream (*.yaml)", dir)
	}
	return files, nil
}

// defaultHTTPAddress is where Benthos serves its API and metrics.
const defaultHTTPAddress = "127.0.0.1:4195"

// httpAddress is the default address, or one with a free port where another
// process has it, so that several run on one machine.
func httpAddress() (string, error) {
	if a := os.Getenv("TIDEMARK_HTTP_ADDRESS"); a != "" {
		return a, nil
	}
	for _, a := range []string{defaultHTTPAddress, "127.0.0.1:0"} {
		l, err := net.Listen("tcp", a)
		if err != nil {
			continue
		}
		a = l.Addr().String()
		return a, l.Close()
	}
	return "", fmt.Errorf("no free port on the loopback interface")
}
