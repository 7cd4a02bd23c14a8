package chaos

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
)

// A task comes back to a machine on which its local store is old: others have had
// the task meanwhile, and much of what the store holds was deleted.
func TestOldLocalStore(t *testing.T) {
	p := newPipeline(t, 3)
	p.produce(0, 20*time.Second)
	first := p.consume("a")
	p.awaitShare(0.3)
	if p.dice.IntN(2) == 0 {
		p.kill(first)
	} else {
		p.leave(first)
	}
	if err := os.CopyFS(p.stateDir("old"), os.DirFS(p.stateDir("a"))); err != nil {
		t.Fatal(err)
	}

	for i, name := range []string{"a", "b"} { // on the same machine, and elsewhere
		c := p.consume(name)
		p.awaitShare(0.5 + 0.2*float64(i))
		p.leave(c)
	}

	if err := os.RemoveAll(p.stateDir("a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.stateDir("old"), p.stateDir("a")); err != nil {
		t.Fatal(err)
	}
	p.consume("a")
	p.runOut()
	p.leaveAll()
	p.expect("a")
}

// awaitShare waits until this share of the events is produced and committed.
func (p *pipeline) awaitShare(share float64) {
	p.Helper()
	p.producer.share = share
	p.await(fmt.Sprintf("%.0f %% are committed", 100*share), func() bool {
		return float64(p.produced()) >= share*float64(len(p.events)) && p.caughtUp()
	})
}

// The changelog is deleted, but the rows that were made with it are there. To go on
// would count everything twice, or never: the run is refused, and nothing changes.
func TestChangelogDeletedWhileRowsRemain(t *testing.T) {
	for name, group := range map[string]func(*pipeline){
		"with the group's offsets": func(*pipeline) {},
		"without them": func(p *pipeline) {
			if _, err := p.admin.DeleteGroup(p.Context(), "tidemark-gmv"); err != nil {
				p.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, 3)
			p.produceAtOnce(300)
			p.expect("a")
			p.expect("a") // by another generation than a new changelog would begin with
			before := p.rows()
			if _, err := p.admin.DeleteTopic(t.Context(), "tidemark-gmv-changelog"); err != nil {
				t.Fatal(err)
			}
			group(p)
			r := p.start([]string{"TIDEMARK_STATE_DIR=" + p.stateDir("a")}, "consume", "--stop-at-end", "--streams", p.streams).Wait(t, patience)
			if r.Code == 0 {
				t.Error("exit code 0")
			}
			if !slices.ContainsFunc(strings.Split(r.Output(), "\n"), func(line string) bool {
				return strings.Contains(line, "tidemark-gmv") && strings.Contains(line, "tidemark replay")
			}) {
				t.Errorf("no line names the group and `tidemark replay`:\n%s", tail(r.Output()))
			}
			// The process ends with its refused stream, in the middle of what the others do.
			diff := slices.DeleteFunc(golden.Diff(before, p.rows()), func(d string) bool { return !strings.HasPrefix(d, golden.GMV+"[") })
			if len(diff) > 0 {
				t.Error(summary(diff))
			}
		})
	}
}
