package chaos

import (
	"fmt"
	"syscall"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	orders   = "olist.orders"
	items    = "olist.order_items"
	payments = "olist.payments"
	letters  = "olist.dead_letters"
)

// choose reads the first limit orders of the dataset, all for 0, with the oracle's
// eyes, and returns what a producer of them is told: the Olist files, or where they
// are not to be had, generated ones of about the same size.
func (p *pipeline) choose(limit int) []string {
	p.Helper()
	dir, found := kit.FindOlist(p)
	if !found {
		dir = p.stateDir("dataset")
		p.run("generate", "--orders", "8000", "--seed", "1", "--out", dir)
	}
	events, _, err := golden.Read(dir, golden.Selection{Limit: limit})
	if err != nil {
		p.Fatal(err)
	}
	p.events = append(p.events, events...)
	return []string{"produce", "--dataset-dir", dir, "--limit", fmt.Sprint(limit)}
}

// produceAtOnce replays the first limit orders as fast as it can.
func (p *pipeline) produceAtOnce(limit int, args ...string) {
	p.Helper()
	p.run(append(p.choose(limit), append(args, "--speed", "max")...)...)
}

// producer is a replay that keeps data in motion for as long as faults fall, however
// slow the machine is: it is held back while it is ahead of its share.
type producer struct {
	*kit.Process
	p     *pipeline
	share float64 // of the events that may be sent by now
	held  bool
}

// produce begins a replay that lasts about that long by its own pace.
func (p *pipeline) produce(limit int, length time.Duration, args ...string) {
	p.Helper()
	args = append(p.choose(limit), args...)
	times := map[time.Time]bool{}
	for _, e := range p.events {
		times[e.Time] = true
	}
	gap := max((length / time.Duration(len(times))).Truncate(time.Millisecond), time.Millisecond)
	// At the speed of the wall clock every wait is cut short to the gap.
	args = append(args, "--speed", "1", "--max-gap", gap.String())
	p.producer = &producer{Process: p.start(nil, args...), p: p, share: 1}
}

// pace holds the replay back or lets it go on.
func (r *producer) pace() {
	r.p.Helper()
	if r.share >= 1 && !r.held || !r.Running() {
		return
	}
	ahead := r.share < 1 && float64(r.p.produced()) >= r.share*float64(len(r.p.events))
	switch {
	case ahead && !r.held:
		r.Signal(r.p, syscall.SIGSTOP)
	case !ahead && r.held:
		r.Signal(r.p, syscall.SIGCONT)
	}
	r.held = ahead
}

// runOut waits until everything is sent, for as long as the replay gets on: it may lag
// far behind its own pace.
func (p *pipeline) runOut() {
	p.Helper()
	p.producer.share = 1
	for sent, since := p.produced(), time.Now(); p.producer.Running(); p.sleep(tick) {
		if n := p.produced(); n > sent {
			sent, since = n, time.Now()
		} else if time.Since(since) > patience {
			p.Fatalf("the replay has stood still for %v at %d records", patience, n)
		}
	}
	p.succeeds(p.producer.Process)
}
