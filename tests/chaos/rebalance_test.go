package chaos

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Tasks commit all the time while members come and go, so that commits fall into
// rebalances. The group refuses their generation then, the transaction is taken back,
// and the task goes on with the same set.
func TestCommitsInRebalances(t *testing.T) {
	const rounds = 10
	p := newPipeline(t, 3)
	p.produce(3000, 20*time.Second)
	streams := p.funnelOnly("5ms")
	p.consumeStreams("a", streams)
	p.awaitBegun(3)
	for i := range rounds {
		begun := time.Now()
		c := p.consumeStreams("b", streams)
		p.await("the other process has a task", func() bool { return p.members() == 2 })
		joined := time.Now()
		p.sleep(p.between(0, time.Second))
		p.leave(c)
		t.Logf("round %d: %v until it had a task, gone after %v", i+1, joined.Sub(begun).Round(tick), time.Since(joined).Round(tick))
	}
	p.runOut()
	p.alive()
	p.leaveAll()
	p.expect("a")
	t.Logf("%d commits were taken back", p.aborted("tidemark-funnel-changelog")) // how many is Kafka's to choose
}

// members is how many processes have tasks of the funnel.
func (p *pipeline) members() (n int) {
	p.Helper()
	found, err := p.admin.DescribeGroups(p.Context(), "tidemark-funnel")
	if err != nil {
		p.Fatal(err)
	}
	for _, m := range found["tidemark-funnel"].Members {
		if assigned, ok := m.Assigned.AsConsumer(); ok && len(assigned.Topics) > 0 {
			n++
		}
	}
	return n
}

// aborted counts the transactions of a topic that were taken back.
func (p *pipeline) aborted(topic string) (n int) {
	p.Helper()
	client := p.kafka.Client(p, kgo.ConsumeTopics(topic), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	ends, err := p.admin.ListEndOffsets(p.Context(), topic)
	if err != nil {
		p.Fatal(err)
	}
	left := len(ends[topic])
	for left > 0 {
		client.PollFetches(p.Context()).EachRecord(func(r *kgo.Record) {
			var key kmsg.ControlRecordKey
			if r.Attrs.IsControl() && key.ReadFrom(r.Key) == nil && key.Type == kmsg.ControlRecordKeyTypeAbort {
				n++
			}
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset+1 == end.Offset {
				left--
			}
		})
	}
	return n
}
