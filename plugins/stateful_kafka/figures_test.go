package statefulkafka

import (
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// TestLagFigures: behind an output that is stuck, lag is to the end of the partition and to
// its newest record, though the task has fetched neither; a record of the future is not taken
// for the newest. At rest nothing lags.
func TestLagFigures(t *testing.T) {
	inWorld(t, func(w *world) {
		w.opts = small
		const records, apart = 9000, 60_000
		for n := range int64(records) {
			w.produce(rec("a", 0, n*apart, `{"id":"x"}`))
		}
		counted := meter.Operator{Operator: "input", Topic: "a"}
		before := meter.Process.Stream("lagging").Read().Accounts[counted]
		free := make(chan struct{})
		s := w.start(`
topics: [ a ]
consumer_group: lagging
batch_size: 10
emit_interval: 100ms
commit_interval: 500ms
watermark: { max_out_of_orderness: 1m }
`, func(int, service.MessageBatch) error { <-free; return nil })
		source := func() (x meter.Source) {
			t.Helper()
			f := meter.Process.Stream("lagging").Read()
			if len(f.Tasks) != 1 || len(f.Tasks[0].Sources) != 1 {
				t.Fatalf("%+v", f.Tasks)
			}
			return f.Tasks[0].Sources[0]
		}
		behind := func(end int64) {
			t.Helper()
			time.Sleep(20 * time.Second)
			source()
			time.Sleep(20 * time.Second) // the brokers were asked when somebody looked
			x := source()
			n, known := x.LagRecords()
			if want := end - x.Next; !known || n != want || x.Next > records/4 {
				t.Errorf("%d records lag behind offset %d", n, x.Next)
			}
			lag, timed := x.Lag()
			if want := (records - x.Next) * apart; !timed || int64(lag) != want {
				t.Errorf("the lag is %v ms, want %v; %+v", lag, want, x)
			}
		}
		behind(records)
		w.produce(rec("a", 0, time.Now().Add(24*time.Hour).Sub(at(0)).Milliseconds(), `{"id":"future"}`))
		behind(records + 1)
		close(free)
		time.Sleep(time.Minute)
		x := source()
		n, known := x.LagRecords()
		lag, timed := x.Lag()
		if !known || n != 0 || !timed || lag != 0 || x.Waiting != 0 {
			t.Errorf("at rest %+v", x)
		}
		f := meter.Process.Stream("lagging").Read()
		if in := f.Accounts[counted][task.In] - before[task.In]; in != records+1 {
			t.Errorf("%d events were counted", in)
		}
		if f.Rebalances[meter.Assigned] == 0 || f.Tasks[0].State != meter.Running || f.Tasks[0].Disk <= 0 {
			t.Errorf("%+v", f)
		}
		s.stop()
		if f = meter.Process.Stream("lagging").Read(); len(f.Tasks) != 0 {
			t.Errorf("after the end %+v", f.Tasks)
		}
	}, kfake.SeedTopics(1, "a"))
}
