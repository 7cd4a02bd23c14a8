package embedpg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

var errPortTaken = errors.New("the port is taken")

// pipeDelay is how long the log of a dead server is still read: its children may
// hold the pipe for a moment.
const pipeDelay = 5 * time.Second

// process is a running server. Only the process that was started here is ever
// signalled.
type process struct {
	cmd    *exec.Cmd
	tail   *tail
	exited chan struct{} // closed when the process is gone
	err    error         // how it ended; read it after exited
}

// startProcess starts a server. A thread of its own starts it and stays until it
// ends: where the child's life is tied to its parent's, the kernel ties it to the
// thread that made it.
func startProcess(path string, args []string, log io.Writer) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), tail: &tail{}, exited: make(chan struct{})}
	out := io.Writer(p.tail)
	if log != nil {
		out = io.MultiWriter(p.tail, log)
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.WaitDelay = pipeDelay
	prepareCommand(p.cmd)
	detach(p.cmd)

	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop ends the server: disconnect all and shut down; failing that within
// patience, quit without a checkpoint; failing that, kill.
func (p *process) stop(patience time.Duration) error {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("signal process %d: %w", p.cmd.Process.Pid, err)
		}
		timer := time.NewTimer(patience)
		select {
		case <-p.exited:
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
	return fmt.Errorf("process %d does not end", p.cmd.Process.Pid)
}

// failure says why a server that should run has ended.
func (p *process) failure() error {
	output := p.tail.String()
	for _, sign := range []string{"Address already in use", "could not bind", "could not create any TCP/IP sockets"} {
		if strings.Contains(output, sign) {
			return errPortTaken
		}
	}
	if output == "" {
		return fmt.Errorf("the server ended: %w", p.err)
	}
	return fmt.Errorf("the server ended: %s", lastComplaint(output))
}

// tailSize is enough of a log's end to hold the reason of a failed start.
const tailSize = 8 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
