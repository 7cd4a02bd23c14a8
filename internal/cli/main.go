package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/plugins"
)

// Version is set by the linker.
var Version = "dev"

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, args []string) int {
	run := benthosRun{}
	if len(args) > 1 && args[1] == "run" { // the failure of its only stream is the run's
		run.wait = func(failures []plugins.Failure, _ map[string]plugins.Summary) (bool, error) {
			if len(failures) > 0 {
				return true, failures[0].Err
			}
			return false, nil
		}
	}
	code := run.do(ctx, args)
	if jsonLogs() {
		logAccounts(os.Stderr, run.finished())
	} else if err := printAccounts(os.Stderr, run.finished()); err != nil && code == 0 {
		code = 1
	}
	return code
}

// benthosRun is one run of the Benthos command line with Tidemark's commands.
type benthosRun struct {
	// wait is told what has failed and finished whenever that changes, and may end
	// the run: with an error at once, else gracefully. Nil never does.
	wait func([]plugins.Failure, map[string]plugins.Summary) (done bool, err error)
	// console, if there is one, shows what the streams come to, and has Benthos's logs.
	console *liveConsole
	monitor *plugins.Monitor
}

// finished are the accounts of the bounded streams that came to their end, by stream id.
func (b *benthosRun) finished() map[string]plugins.Summary {
	if b.monitor == nil {
		return nil
	}
	_, finished := b.monitor.State()
	return finished
}

func (b *benthosRun) do(ctx context.Context, args []string) (code int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := make(chan error, 1)
	returned := make(chan struct{})
	defer close(returned)
	files := fileWatching{}
	opts := []service.CLIOptFunc{
		service.CLIOptSetArgs(args...),
		service.CLIOptSetVersion(Version, ""),
		service.CLIOptSetBinaryName("tidemark"),
		service.CLIOptSetProductName("Tidemark"),
		service.CLIOptOnConfigParse(func(conf *service.ParsedConfig) error {
			b.monitor = plugins.MonitorOf(conf.Resources())
			if b.wait != nil {
				go b.watch(result, cancel, returned)
			}
			return files.configParsed(conf)
		}),
		service.CLIOptCustomRunFlags(nil, files.flagsParsed),
		service.CLIOptOnStreamStart(func(*service.RunningStreamSummary) error {
			if b.console != nil {
				b.console.begin()
			}
			files.streamsRun(ctx)
			return nil
		}),
	}
	for _, c := range commands() {
		opts = append(opts, service.CLIOptAddCommand(c))
	}
	if b.console != nil {
		more, err := b.console.options()
		if err != nil {
			failed(os.Stderr, err)
			return 1
		}
		opts = append(opts, more...)
	}
	redirect, flush, err := b.outputs(args)
	if err != nil {
		failed(os.Stderr, err)
		return 1
	}
	code, err = service.RunCLIToCode(ctx, append([]service.CLIOptFunc{redirect}, opts...)...)
	flush()
	select {
	case err = <-result:
		code = 0 // whatever Benthos says of a run that we have ended
	default:
	}
	if err != nil {
		if b.console != nil {
			b.console.end() // it would draw over the line
		}
		failed(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// outputs has Benthos write to filters that keep secrets out, and with a console log to
// that. Benthos takes for its outputs what the standard ones are when it begins, and there
// is no option for others; redirect, the first of its options, is applied right after.
func (b *benthosRun) outputs(args []string) (redirect service.CLIOptFunc, flush func(), err error) {
	stdout, stderr := os.Stdout, os.Stderr
	redirect = func(*service.CLIOptBuilder) { os.Stdout, os.Stderr = stdout, stderr }
	if b.console != nil {
		if os.Stdout, flush, err = filtered(b.console.logsTo()); err != nil {
			os.Stdout = stdout
		}
		return redirect, flush, err
	}
	if len(args) > 1 && slices.ContainsFunc(commands(), func(c *ucli.Command) bool { return c.Name == args[1] }) {
		return redirect, func() {}, nil // it writes itself, to whatever has secrets kept out
	}
	toStdout, flush1, err := filtered(stdout)
	if err != nil {
		return nil, nil, err
	}
	toStderr, flush2, err := filtered(stderr)
	if err != nil {
		return nil, nil, err
	}
	os.Stdout, os.Stderr = toStdout, toStderr
	return redirect, func() { flush1(); flush2() }, nil
}

// watch ends the run when wait says so.
func (b *benthosRun) watch(result chan<- error, cancel func(), returned <-chan struct{}) {
	for {
		changed := b.monitor.Changed()
		done, err := b.wait(b.monitor.State())
		switch {
		case done && err != nil:
			result <- err
			cancel()
			return
		case done:
			result <- nil
			terminate(returned)
			return
		}
		<-changed
	}
}

// terminate asks Benthos to close by the signal that it listens for, the only way
// that lets outputs close their connections. It is sent again until the run has
// returned: Benthos may not listen yet, and until it does the signal is ours.
func terminate(returned <-chan struct{}) {
	own := make(chan os.Signal, 1)
	signal.Notify(own, syscall.SIGTERM)
	defer signal.Stop(own)
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return
	}
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		_ = self.Signal(syscall.SIGTERM) // our own process takes it
		select {
		case <-returned:
			return
		case <-again.C:
		}
	}
}

// commands are Tidemark's own commands.
func commands() []*ucli.Command {
	return []*ucli.Command{
		demoCommand(), generateCommand(), produceCommand(), consumeCommand(), topicsCommand(), stateCommand(), replayCommand(), dbCommand(),
		serveCommand(), statusCommand(), healthCommand(),
	}
}
