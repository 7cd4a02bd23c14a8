package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// outage is how long a server stays away: longer than the session timeout of a
// consumer group, and longer where TIDEMARK_TEST_OUTAGE says so.
func outage(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("TIDEMARK_TEST_OUTAGE")
	if text == "" {
		return 12 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TIDEMARK_TEST_OUTAGE: %v", err)
	}
	return d
}

// While a replay and the streams run, Kafka goes away for a while, then Postgres.
func TestOutagesInMidRun(t *testing.T) {
	const orders = 1500
	dir := dataset(t)
	p := newPipeline(t, 3)
	want := wanted(t, dir, orders)

	consumer := p.start("consume")
	// Gaps of 10 ms at most: a replay that lasts longer than the outages' beginnings.
	producer := p.start(produceArgs(dir, "--limit", fmt.Sprint(orders), "--speed", "100000", "--max-gap", "10ms")...)
	p.await(orders/10, counted)
	p.kafka.Outage(t, outage(t))
	p.await(orders/3, counted)
	p.pg.Outage(t, outage(t))
	p.succeeds(producer)
	p.expectLive(want)
	p.interrupt(consumer)
}

// A bounded run ends with the right rows though a server went away in the middle.
func TestOutageOfABoundedRun(t *testing.T) {
	const orders = 2500
	dir := dataset(t)
	for name, away := range map[string]func(*pipeline){
		"kafka":    func(p *pipeline) { p.kafka.Outage(t, outage(t)) },
		"postgres": func(p *pipeline) { p.pg.Outage(t, outage(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, 3)
			p.env = append(p.env, "TIDEMARK_BATCH_SIZE=1") // slow enough to be caught in the middle
			p.produce(dir, "--limit", fmt.Sprint(orders))
			consumer := p.start("consume", "--stop-at-end")
			p.await(1, "select count(*) from gmv_windows")
			if !consumer.Running() {
				t.Log("the run was over before the outage")
			}
			away(p)
			p.succeeds(consumer)
			p.expect(wanted(t, dir, orders))
		})
	}
}

// Commands that find no server wait for it.
func TestServersAbsentAtStart(t *testing.T) {
	const orders = 300
	dir := dataset(t)
	p := newPipeline(t, 3)
	p.kafka.Stop(t)
	p.pg.Stop(t)
	producer := p.start(produceArgs(dir, "--limit", fmt.Sprint(orders))...)
	consumer := p.start("consume")
	<-time.After(5 * time.Second)
	if !producer.Running() || !consumer.Running() {
		t.Error("a command gave up on a server that is not there yet")
	}
	p.pg.Start(t)
	p.kafka.Start(t)
	p.succeeds(producer)
	p.expectLive(wanted(t, dir, orders))
	p.interrupt(consumer)
}
