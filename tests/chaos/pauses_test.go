package chaos

import (
	"syscall"
	"testing"
	"time"
)

// session is the session timeout of the shipped streams: a process that is silent
// for longer loses its tasks.
const session = 10 * time.Second

// One of two processes is frozen for longer than its session lasts. The other takes
// its tasks over, and the zombie that wakes does no harm.
func TestPauses(t *testing.T) {
	const pauses = 3
	p := newPipeline(t, 3)
	p.produce(0, time.Minute) // longer than the pauses
	pair := []*consumer{p.consume("a"), p.consume("b")}
	p.awaitBegun(3 * int64(len(groups)))
	for i := range pauses {
		p.sleep(p.between(time.Second, 4*time.Second))
		frozen := pair[p.dice.IntN(2)]
		before, length := p.standing(), p.between(session+2*time.Second, session+5*time.Second)
		frozen.Signal(p, syscall.SIGSTOP)
		p.sleep(length)
		p.await("the other process has taken over", takenOver(p))
		t.Logf("pause %d of %s, at least %v; committed before: %v; after: %v", i+1, frozen.name, length, before, p.standing())
		frozen.Signal(p, syscall.SIGCONT)
	}
	p.runOut()
	p.alive()
	p.leaveAll()
	p.expect("a")
}

// takenOver is the condition that all tasks go on: everything is committed that has
// been produced until now.
func takenOver(p *pipeline) func() bool {
	ends := p.ends()
	return func() bool { return p.reached(ends) }
}

// A process is frozen in the middle of a transaction of Postgres, in which it holds
// its row of the ledger. That must not keep its successor from taking over.
func TestTakeoverFromAProcessFrozenInATransaction(t *testing.T) {
	p := newPipeline(t, 1)
	frozen := p.consume("a")
	p.awaitBegun(int64(len(groups)))
	release := p.hang(resultTables...)
	p.produceAtOnce(200)
	p.awaitHanging(3)
	frozen.Signal(p, syscall.SIGSTOP)
	release() // its sessions go on, and wait for a commit that does not come
	p.consume("b")
	p.await("the other process has taken over", takenOver(p))
	frozen.Signal(p, syscall.SIGCONT)
	p.says(frozen, "Task is lost")
	p.leaveAll()
	p.expect("b")
}
