package chaos

import (
	"syscall"
	"testing"
	"time"
)

// A process is frozen while rows of it are on their way to Postgres, of keys that
// its successor never writes. They must not arrive when it wakes.
func TestZombieWakesWithKeysItsSuccessorHasNotWritten(t *testing.T) {
	p := newPipeline(t, 1)
	zombie := p.wakeZombie()
	p.says(zombie, "Task is lost")
	p.sleep(3 * time.Second) // it may try what it likes
	p.leaveAll()
	p.expect("b")
}

func (p *pipeline) wakeZombie() (zombie *consumer) {
	p.Helper()
	c := newTurncoat()
	c.expected(p)
	zombie = p.consumeStreams("a", p.funnelOnly("1h"))
	p.awaitBegun(1)
	release := p.hang("funnel_windows", "drop_off_windows")
	p.send(c.known, c.stray)
	p.awaitHanging(2)
	zombie.Signal(p, syscall.SIGSTOP)
	p.cutHanging() // the rows are still in its memory
	release()

	p.send(c.item, c.payment)
	p.consume("b")
	p.await("the successor has committed everything", p.caughtUp)
	if p.rowOf(c.stray) != 0 {
		p.Error("the successor has written the stray order")
	}
	zombie.Signal(p, syscall.SIGCONT)
	return zombie
}
