package chaos

import (
	"syscall"
	"testing"
	"time"
)

// Postgres hangs, and a process is killed that waits for it: nothing is committed
// that Postgres has not taken.
func TestKilledWhilePostgresHangs(t *testing.T) {
	p := newPipeline(t, 1)
	if p.killWhilePostgresHangs(func(*pipeline) {}) { // what it had sent may still come about
		t.Error("something was committed before the outputs had taken it")
	}
	p.expect("a")
}

// killWhilePostgresHangs says whether anything was committed meanwhile. The writes that
// hang go on when the process is dead and then has been called.
func (p *pipeline) killWhilePostgresHangs(then func(*pipeline)) (committed bool) {
	p.Helper()
	// A commit or two would have to come in this time.
	const wait = 6 * time.Second
	c := p.consume("a")
	p.awaitBegun(int64(len(groups)))
	release := p.hang(resultTables...)
	// Few enough that the outputs take them all before they are stuck, and at once: what
	// comes in many portions leaves in as many batches, until nobody takes the next and
	// no commit is tried.
	c.Signal(p, syscall.SIGSTOP)
	p.produceAtOnce(100)
	c.Signal(p, syscall.SIGCONT)
	p.awaitHanging(3)
	for begun := time.Now(); !committed && time.Since(begun) < wait; p.sleep(tick) {
		committed = p.standing().after(standing{committed: make([]int64, len(groups))})
	}
	p.kill(c)
	then(p)
	release()
	return committed
}
