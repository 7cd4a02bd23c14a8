package chaos

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// points are where a process kills itself, in the middle of a commit. The first is
// where most may go wrong, so half of these kills fall there.
var points = []string{"between_output_and_commit", "after_commit", "between_output_and_commit", "before_ledger"}

// killEvery is how long the replay goes on for each kill by its own pace: about the
// time between two kills, so that data moves all the time.
const killEvery = 1500 * time.Millisecond

// Two processes share the tasks while data is in motion. One after the other is
// killed, at any moment, also of its start or of a commit, and comes back on its
// state folder.
func TestKills(t *testing.T) {
	p := newPipeline(t, 3)
	k := p.killing(0, kills(t))
	p.leaveAll()
	p.expect("a")

	t.Logf("%d kills, %d of them at failpoints, %d between output and commit; %d hit a task in motion", k.n, k.self, k.between, k.moving)
	if k.between < k.n/5 {
		t.Errorf("%d of %d kills fell between output and commit, want a fifth at least", k.between, k.n)
	}
	if k.moving <= k.n/2 {
		t.Errorf("%d of %d kills hit a task in motion, want more than half", k.moving, k.n)
	}
}

// killed counts kills.
type killed struct{ n, self, between, moving int }

// killing replays the first limit orders with copies and disorder, and kills
// consumers n times while it does. Those that run at the end are left running.
func (p *pipeline) killing(limit, n int) (k killed) {
	p.Helper()
	p.copies = true
	p.produce(limit, time.Duration(n)*killEvery, "--duplicates", "0.02", "--disorder", "60s", "--seed", fmt.Sprint(p.dice.IntN(1000)))
	p.consume("a")
	p.consume("b")
	ways := p.ways(n)
	var last standing
	for i := range n {
		p.producer.share = float64(i+1) / float64(n)
		victim, self := p.strike()
		now := p.standing()
		moving := now.lag > 0 || now.after(last)
		last = now
		how := "SIGKILL"
		if self {
			how, k.self = victim.failpoint, k.self+1
		}
		p.Logf("kill %d of %d: %s, %v old, %s; committed: %v; in motion: %v",
			i+1, n, victim.name, time.Since(victim.began).Round(tick), how, now, moving)
		if k.n++; moving {
			k.moving++
		}
		if how == points[0] {
			k.between++
		}
		p.consumeUntil(victim.name, ways[i])
	}
	for _, c := range p.running() {
		if c.failpoint != "" { // it would not live to the end
			p.kill(c)
			p.consume(c.name)
		}
	}
	p.runOut()
	p.alive()
	return k
}

// ways are how the consumers that follow on each kill will end: at a passage of a
// failpoint, or, where there is none, by a signal.
func (p *pipeline) ways(n int) []string {
	ways := make([]string, n)
	for i := range 3 * n / 5 {
		ways[i] = points[i%len(points)]
	}
	p.dice.Shuffle(n, func(i, j int) { ways[i], ways[j] = ways[j], ways[i] })
	return ways
}

// consumeUntil starts a consumer that kills itself at a failpoint, if one is given.
func (p *pipeline) consumeUntil(name, failpoint string) {
	p.Helper()
	if failpoint == "" {
		p.consume(name)
		return
	}
	// The tasks commit about once a second, with two processes six of them in each.
	p.consume(name, fmt.Sprintf("TIDEMARK_FAILPOINT=%s:%d", failpoint, 1+p.dice.IntN(20))).failpoint = failpoint
}

// strike waits for the next consumer that kills itself, or kills one at a random
// moment. Whoever has a failpoint has time to come to it.
func (p *pipeline) strike() (victim *consumer, self bool) {
	p.Helper()
	const longest = 20 * time.Second // a process without a task never comes to a failpoint
	begun, moment := time.Now(), p.between(100*time.Millisecond, 3*time.Second)
	for {
		p.alive()
		running := p.running()
		for _, c := range running {
			if c.failpoint != "" && !c.Running() {
				c.gone = true
				return c, true
			}
		}
		if since := time.Since(begun); since > moment {
			others := slices.DeleteFunc(running, func(c *consumer) bool { return c.failpoint != "" && since < longest })
			if len(others) > 0 {
				victim = others[p.dice.IntN(len(others))]
				p.kill(victim)
				return victim, false
			}
		}
		p.sleep(tick)
	}
}
