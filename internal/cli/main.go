package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
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
	return runBenthos(ctx, args, nil)
}

// runBenthos runs the Benthos command line with Tidemark's commands. Wait is told
// of the streams that run and may end the run; nil waits for the first failure of
// `run`, where it is the only stream.
func runBenthos(ctx context.Context, args []string, wait func(*plugins.Monitor) (done bool, err error)) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if wait == nil && len(args) > 1 && args[1] == "run" {
		wait = func(m *plugins.Monitor) (bool, error) {
			failures, _ := m.State()
			if len(failures) > 0 {
				return true, failures[0].Err
			}
			return false, nil
		}
	}
	result := make(chan error, 1)
	returned := make(chan struct{})
	defer close(returned)
	opts := []service.CLIOptFunc{
		service.CLIOptSetArgs(args...),
		service.CLIOptSetVersion(Version, ""),
		service.CLIOptSetBinaryName("tidemark"),
		service.CLIOptSetProductName("Tidemark"),
		service.CLIOptOnConfigParse(func(conf *service.ParsedConfig) error {
			if wait != nil {
				go watch(plugins.MonitorOf(conf.Resources()), wait, result, cancel, returned)
			}
			return nil
		}),
	}
	for _, c := range commands() {
		opts = append(opts, service.CLIOptAddCommand(c))
	}
	code, err := service.RunCLIToCode(ctx, opts...)
	select {
	case failed := <-result:
		if failed != nil {
			fmt.Fprintf(os.Stderr, "tidemark: %v\n", failed)
			return 1
		}
		return 0 // whatever Benthos says of a run that we have ended
	default:
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tidemark: %v\n", err)
		if code == 0 {
			code = 1
		}
	}
	return code
}

// watch ends the run when wait says so: at once after an error, and gracefully
// when there is nothing left to do.
func watch(m *plugins.Monitor, wait func(*plugins.Monitor) (bool, error), result chan<- error, cancel func(), returned <-chan struct{}) {
	for {
		changed := m.Changed()
		done, err := wait(m)
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
		demoCommand(), generateCommand(), produceCommand(), consumeCommand(), topicsCommand(), dbCommand(),
	}
}
