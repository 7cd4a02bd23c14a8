package changelog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// TestStateIsThatOfTheLastCommit puts, deletes, commits, crashes, moves between
// machines, takes over, has begins taken back and compacts at random. After each begin the state is that
// of the last commit, or, where its outcome was unknown, of that one.
func TestStateIsThatOfTheLastCommit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := setup(t)
		defer f.close()
		machines := []vfs.FS{vfs.NewMem(), vfs.NewMem()}
		keys := []string{"", "a", "b", "c", "\x00"}
		now, committed := map[string]string{}, map[string]string{}
		var maybe map[string]string // another state that may have been committed
		seq, tried := int64(0), int64(0)
		at := 0
		r := f.start(t, machines[at])
		generation := r.Generation()

		restart := func(t *rapid.T) {
			r.stop(t)
			at = rapid.IntRange(0, len(machines)-1).Draw(t, "machine")
			if rapid.IntRange(0, 5).Draw(t, "lost") == 0 {
				machines[at] = vfs.NewMem()
			}
			r = f.start(t, machines[at])
			if r.Generation() <= generation {
				t.Fatalf("generation %d after %d", r.Generation(), generation)
			}
			generation = r.Generation()
			if maybe != nil && r.last.Seq == tried {
				committed, seq = maybe, tried
			}
			maybe = nil
			r.expectMap(t, seq, committed)
			now = maps.Clone(committed)
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := rapid.SampledFrom(keys).Draw(t, "key"), fmt.Sprint(rapid.IntRange(0, 99).Draw(t, "value"))
				r.table.Put(k, v)
				now[k] = v
			},
			"delete": func(t *rapid.T) {
				k := rapid.SampledFrom(keys).Draw(t, "key")
				r.table.Delete(k)
				delete(now, k)
			},
			"commit": func(t *rapid.T) {
				tried++
				r.must(t, r.commit(tried))
				seq, committed = tried, maps.Clone(now)
			},
			"aborted, then committed": func(t *rapid.T) {
				tried++
				changes := r.local.Changes()
				err := r.Commit(context.Background(), changes, marker(tried), func(context.Context, *kgo.Client) error { return kerr.IllegalGeneration })
				if !errors.Is(err, ErrAborted) {
					t.Fatal(err)
				}
				r.must(t, r.Commit(context.Background(), changes, marker(tried), nil))
				seq, committed = tried, maps.Clone(now)
			},
			"crash": func(t *rapid.T) {
				tried++
				at := rapid.SampledFrom([]step{afterProduce, afterHook, afterEnd}).Draw(t, "step")
				r.failpoint = func(s step) error {
					if s == at {
						return errCrash
					}
					return nil
				}
				if err := r.commit(tried); !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				if at == afterEnd {
					seq, committed = tried, maps.Clone(now)
				}
				restart(t)
			},
			"unknown outcome": func(t *rapid.T) {
				tried++
				key := rapid.SampledFrom([]kmsg.Key{kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.EndTxn}).Draw(t, "request")
				reaches := rapid.Bool().Draw(t, "reaches")
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				f.cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
					f.cluster.DropControl()
					if ctx.Err() != nil {
						return nil, nil, false // that commit had no such request
					}
					f.cut.Store(true)
					cancel() // whoever waits for the answer gives up
					return nil, errCut, !reaches
				})
				if err := r.Commit(ctx, r.local.Changes(), marker(tried), nil); err == nil {
					seq, committed = tried, maps.Clone(now)
				} else {
					maybe = maps.Clone(now)
				}
				restart(t)
			},
			"zombie": func(t *rapid.T) {
				zombie := r
				// It stands on another machine, which the heir does not use.
				r = f.start(t, vfs.NewMem())
				machines[at] = vfs.NewMem()
				generation = r.Generation()
				r.expectMap(t, seq, committed)
				now = maps.Clone(committed)
				if err := zombie.commit(1 << 40); !errors.Is(err, ErrFenced) {
					t.Fatalf("zombie: %v", err)
				}
				zombie.stop(t)
			},
			"restart": restart,
			"begin taken back": func(t *rapid.T) { // not compacted meanwhile: the last segment never is
				f.cluster.ControlKey(int16(kmsg.EndTxn), confirmOnly)
				restart(t)
				restart(t)
			},
			"compact": func(*rapid.T) { f.cluster.Compact() },
		})
		r.stop(t)
	})
}
