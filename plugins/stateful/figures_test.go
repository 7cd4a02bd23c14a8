package stateful

import (
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// TestFigures: what the inner input has handed out and the tasks have not merged is lag,
// which is 0 at rest, and figures of tasks end with the stream.
func TestFigures(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.start(counting)
		stream := meter.Process.Stream("test")
		before := stream.Read()
		w.broker.send(ev("1", "a", 0), ev("2", "b", 1), ev("2", "b", 1))
		time.Sleep(5 * time.Second)
		f := stream.Read()
		if len(f.Tasks) == 0 {
			t.Fatal("no tasks")
		}
		for _, g := range f.Tasks {
			for _, x := range g.Sources {
				if n, known := x.LagRecords(); n != 0 || !known {
					t.Errorf("at rest %+v", x)
				}
			}
			if g.State != meter.Running || g.Disk <= 0 || len(g.Sources) != 1 || len(g.Tables) == 0 {
				t.Errorf("%+v", g)
			}
		}
		in := int64(0)
		for at, n := range f.Accounts {
			if at.Operator == "input" {
				in += n[task.In] - before.Accounts[at][task.In]
			}
		}
		if in != 3 {
			t.Errorf("%d events were counted", in)
		}
		s.stop()
		if f = stream.Read(); len(f.Tasks) != 0 {
			t.Errorf("after the end %+v", f.Tasks)
		}
	})
}
