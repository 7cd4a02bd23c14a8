package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// childGrace is how long a command may take to stop after a signal.
const childGrace = 25 * time.Second

// child is one of our own commands as a process of its own, as a user would run it.
type child struct {
	ended chan struct{} // closed when it has
	err   error         // why it failed; read it after ended
}

// start begins a command, which is asked to stop when ctx ends.
func (d *demo) start(ctx context.Context, out, errOut io.Writer, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d.say("tidemark %s", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), "KAFKA_BROKERS="+d.brokers, "POSTGRES_DSN="+d.dsn, "TIDEMARK_LOG_LEVEL=WARN",
		stateDirEnv+"="+filepath.Join(d.dir, "state"))
	if d.c.String(brokersName) == "" {
		cmd.Env = append(cmd.Env, registryEnv+"=") // topics of our own are none of a registry's business
	}
	cmd.Stdout, cmd.Stderr = out, errOut
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = childGrace
	endWithParent(cmd)
	c := &child{ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Where a child's life is tied to its parent's, the kernel ties it to the thread that
		// made it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if err := cmd.Wait(); err != nil && !(ctx.Err() != nil && asAsked(cmd.ProcessState)) {
			c.err = fmt.Errorf("tidemark %s: %w", args[0], err)
		}
		close(c.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("tidemark %s: %w", args[0], err)
	}
	return c, nil
}

// asAsked tells that a command which was asked to stop did so: by itself, or, before it
// listened, by the signal.
func asAsked(s *os.ProcessState) bool { return s.Success() || s.String() == "signal: interrupt" }
