package chaos

import (
	"testing"
	"time"
)

// The broker is restarted in mid-run, once for longer than a session lasts.
func TestBrokerRestart(t *testing.T) {
	p := newPipeline(t, 3)
	p.resends = true // what no broker has acknowledged is produced again
	p.restarts(func(d time.Duration) { p.kafka.Outage(t, d) })
}

// Postgres is restarted in mid-run.
func TestPostgresRestart(t *testing.T) {
	p := newPipeline(t, 3)
	p.restarts(func(d time.Duration) { p.pg.Outage(t, d) })
}

// restarts runs two processes while a server goes away and comes back. One of them
// is killed right behind an outage.
func (p *pipeline) restarts(outage func(time.Duration)) {
	p.Helper()
	p.produce(0, 30*time.Second)
	p.consume("a")
	p.consume("b")
	p.awaitBegun(3 * int64(len(groups)))
	for i, length := range []time.Duration{0, p.between(time.Second, 3*time.Second), session + 2*time.Second, 0} {
		p.sleep(p.between(time.Second, 5*time.Second))
		before := p.standing()
		outage(length)
		p.Logf("outage %d of %v; committed before: %v", i+1, length, before)
		if i == 1 {
			victim := p.running()[p.dice.IntN(2)]
			p.kill(victim)
			p.consume(victim.name)
		}
	}
	p.runOut()
	p.alive()
	p.leaveAll()
	p.expect("a")
}
