package chaos

import (
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
)

// turncoat is an order that is in time for one generation and late for the next,
// and what makes the difference.
//
// Both orders lie in one partition, the stray one behind the other, ten days older.
// While there is neither an item nor a payment, nothing tells how far event time has
// come, and the stray is in time. Once they are there, they are merged before the
// orders, and the stray comes ten days after its time: more than dedup remembers and
// the join waits.
type turncoat struct {
	stray, known  golden.Event
	item, payment golden.Event
}

func newTurncoat() turncoat {
	early := time.Date(2017, 3, 1, 12, 0, 0, 0, time.UTC)
	later := early.Add(10 * 24 * time.Hour)
	return turncoat{
		stray: order("stray", early), known: order("known", later),
		item: item("known", later.Add(-10*time.Minute)), payment: payment("known", later.Add(-10*time.Minute)),
	}
}

// expected tells the pipeline what counts in the end.
func (c turncoat) expected(p *pipeline) {
	p.events = []golden.Event{c.known, c.item, c.payment}
	p.letters = map[origin]int64{{groups[0].name, orders}: 1}
}

// rowOf is how many rows of the funnel there are of an order's minute.
func (p *pipeline) rowOf(e golden.Event) int64 {
	return p.count("select count(*) from funnel_windows where window_start = $1", e.Time)
}

// A generation counts an order, writes its rows and dies before it commits. For its
// successor the order is late: the rows have to go.
func TestRowOfADeadGenerationIsJudgedLateByTheNext(t *testing.T) {
	p := newPipeline(t, 1)
	p.deadGeneration()
	p.expect("a")
}

func (p *pipeline) deadGeneration() {
	p.Helper()
	c := newTurncoat()
	c.expected(p)
	dying := p.consumeStreams("a", p.funnelOnly("1h"))
	p.awaitBegun(1)
	p.send(c.known, c.stray)
	p.await("the row of the dying generation", func() bool { return p.rowOf(c.stray) == 1 })
	p.kill(dying)
	p.send(c.item, c.payment)
}
