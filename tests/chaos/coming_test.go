package chaos

import (
	"strings"
	"testing"
	"time"
)

// Processes join, leave and are killed while data moves. Two of their places share a
// state folder; who joins takes any that is free.
func TestComingAndGoing(t *testing.T) {
	p := newPipeline(t, 3)
	steps := strings.Fields("join join join leave kill join join leave join kill leave join")
	p.produce(0, time.Duration(len(steps))*2*time.Second, "--duplicates", "0.02")
	p.copies = true
	free := []string{"shared", "own", "shared"}
	for i, step := range steps {
		p.producer.share = float64(i+1) / float64(len(steps))
		if step == "join" {
			at := p.dice.IntN(len(free))
			p.consume(free[at])
			free = append(free[:at], free[at+1:]...)
		} else {
			running := p.running()
			c := running[p.dice.IntN(len(running))]
			if step == "leave" {
				p.leave(c)
			} else {
				p.kill(c)
			}
			free = append(free, c.name)
		}
		t.Logf("%s: %d processes; committed: %v", step, len(p.running()), p.standing())
		p.sleep(p.between(500*time.Millisecond, 4*time.Second))
		p.alive()
	}
	p.runOut()
	p.leaveAll()
	p.expect("own")
}

// Three processes wait for the first event, and then all come at once.
func TestConsumersOnEmptyTopicsBeforeMaxSpeedProducer(t *testing.T) {
	p := newPipeline(t, 3)
	for _, name := range []string{"a", "b", "c"} {
		p.consume(name)
	}
	p.awaitBegun(3 * int64(len(groups)))
	p.produceAtOnce(0)
	p.await("everything is committed", p.caughtUp)
	p.alive()
	p.leaveAll()
	p.expect("a")
}
