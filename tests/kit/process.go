package kit

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Command is a child process to be. The zero value runs the tidemark binary
// without arguments in the repository's folder.
type Command struct {
	Path string   // program; empty means Binary
	Args []string // arguments, the program's name not among them
	Env  []string // NAME=value, added to this process's environment
	Dir  string   // working folder; empty means Root
	UID  uint32   // user and group to run as; 0 means as this process
	Root string   // what is / to the child, Path and Dir included; needs root; empty means as for this process
}

// Process is a running child with its output captured.
type Process struct {
	args   []string
	cmd    *exec.Cmd
	stdout output
	stderr output

	peak   int64 // bytes; valid when exited is closed
	exited chan struct{}
}

// Result is what became of a child.
type Result struct {
	Code    int    // exit code, -1 after a signal
	Stdout  string // as written
	Stderr  string // as written
	PeakRSS int64  // most memory that was resident at once, in bytes
}

// Output is what was written to both streams, standard output first.
func (r Result) Output() string { return r.Stdout + r.Stderr }

// Start starts c. When the test ends, the child is killed if it still runs, and
// the output of a failed test's child is logged.
func Start(t testing.TB, c Command) *Process {
	t.Helper()
	if c.Path == "" {
		c.Path = Binary(t)
	}
	if c.Dir == "" {
		c.Dir = Root(t)
	}
	p := &Process{args: c.Args, cmd: exec.Command(c.Path, c.Args...), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = c.Dir, append(environment(), c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	// A grandchild that outlives the child would hold the pipes open.
	p.cmd.WaitDelay = 5 * time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: c.Root}
	if c.UID != 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.UID, Gid: c.UID}
	}
	if err := spawn(p.cmd); err != nil {
		t.Fatalf("kit: starting %s: %v", c.Path, err)
	}
	go p.wait()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("output of %s %s:\n%s%s", c.Path, strings.Join(c.Args, " "), p.stdout.tail(), p.stderr.tail())
		}
	})
	return p
}

// Run starts c and returns what became of it. A child that runs longer than
// limit ends the test.
func Run(t testing.TB, c Command, limit time.Duration) Result {
	t.Helper()
	return Start(t, c).Wait(t, limit)
}

// MustRun is Run for a child that has to end with exit code 0.
func MustRun(t testing.TB, c Command, limit time.Duration) Result {
	t.Helper()
	r := Run(t, c, limit)
	if r.Code != 0 {
		t.Fatalf("%v: exit code %d", c.Args, r.Code)
	}
	return r
}

// Wait returns what became of the child once it has ended. A child that has not
// after limit gets SIGQUIT, for the stacks in its log, and ends the test.
func (p *Process) Wait(t testing.TB, limit time.Duration) Result {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(limit):
		p.Signal(t, syscall.SIGQUIT)
		select {
		case <-p.exited:
		case <-time.After(5 * time.Second):
		}
		t.Fatalf("%v still ran after %v", p.args, limit)
	}
	return Result{
		Code: p.cmd.ProcessState.ExitCode(), Stdout: p.stdout.String(), Stderr: p.stderr.String(), PeakRSS: p.peak,
	}
}

// Signal sends sig to the child; to one that has ended it does nothing.
func (p *Process) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("kit: %v to %v: %v", sig, p.args, err)
	}
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Running says whether the child has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Output is what the child has written up to now, standard output first.
func (p *Process) Output() string { return p.stdout.String() + p.stderr.String() }

func (p *Process) kill() {
	if p.Running() {
		// The group, so that the child's own children go with it.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
	}
	<-p.exited
}

// wait follows the child's memory until it ends. The system's own account of a
// child starts with what its parent had at the fork, so the child's high-water
// mark is asked for while it runs, where that can be done.
func (p *Process) wait() {
	ended := make(chan struct{})
	var followed sync.WaitGroup
	followed.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			p.peak = max(p.peak, highWaterMark(p.cmd.Process.Pid))
			select {
			case <-ended:
				return
			case <-tick.C:
			}
		}
	})
	_ = p.cmd.Wait() // the exit code says it
	close(ended)
	followed.Wait()
	if usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && p.peak == 0 {
		p.peak = int64(usage.Maxrss)
		if runtime.GOOS == "linux" {
			p.peak <<= 10 // kilobytes there, bytes elsewhere
		}
	}
	close(p.exited)
}

// environment is this process's without what would lead a child to a server of
// the user's own.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		for _, prefix := range []string{"KAFKA_", "POSTGRES_", "SCHEMA_REGISTRY_", "TIDEMARK_"} {
			if strings.HasPrefix(entry, prefix) {
				return true
			}
		}
		return false
	})
}

// output is a buffer that can be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// tail is the end of a long output.
func (o *output) tail() string {
	const keep = 8192
	s := o.String()
	return s[max(0, len(s)-keep):]
}
