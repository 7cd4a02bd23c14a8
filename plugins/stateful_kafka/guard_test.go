package statefulkafka

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// forget is how long a group takes to forget a member that ended without a word.
const forget = 15 * time.Second

// TestGuards: where topics, offsets and state do not belong together, the stream does
// not start, and says what helps.
func TestGuards(t *testing.T) {
	anew := func(w *world, topic string, partitions int32, configs map[string]*string) error {
		admin := kadm.NewClient(w.client)
		_, err := admin.DeleteTopic(w.Context(), topic)
		if err == nil {
			_, err = admin.CreateTopic(w.Context(), partitions, 1, configs, topic)
		}
		return err
	}
	move := func(to int64) func(w *world) error {
		return func(w *world) error {
			o := kadm.Offsets{}
			o.AddOffset("items", 1, to, -1)
			moved, err := kadm.NewClient(w.client).CommitOffsets(w.Context(), "test", o)
			return errors.Join(err, moved.Error())
		}
	}
	compact, erase := "compact", "delete"
	for name, c := range map[string]struct {
		do   func(w *world) error
		want []string
	}{
		"topic made anew": {
			func(w *world) error { return anew(w, "items", 3, nil) },
			[]string{"consumer group test: topic items was deleted and made anew", "`tidemark replay --from earliest --consumer-group test`"},
		},
		"changelog deleted": {
			func(w *world) error {
				_, err := kadm.NewClient(w.client).DeleteTopic(w.Context(), "test-changelog")
				return err
			},
			[]string{"consumer group test stands at offset ", "test-changelog has no state", "`tidemark replay --from earliest --consumer-group test`"},
		},
		"offsets moved on":   {move(100), []string{"consumer group test: the offset of items/1 was set to 100 from outside", "`tidemark replay --from earliest --consumer-group test`"}},
		"offsets moved back": {move(0), []string{"consumer group test: the offset of items/1 was set to 0 from outside", "`tidemark replay --from earliest --consumer-group test`"}},
		"more partitions": {
			func(w *world) error {
				_, err := kadm.NewClient(w.client).CreatePartitions(w.Context(), 1, "orders", "items", "payments")
				return err
			},
			[]string{"changelog test-changelog", "it has 3 partitions, the source topics have 4", "`tidemark topics repartition`"},
		},
		"more partitions of one topic": {
			func(w *world) error {
				_, err := kadm.NewClient(w.client).CreatePartitions(w.Context(), 1, "items")
				return err
			},
			[]string{"topics differ in their number of partitions", "`tidemark topics"},
		},
		"changelog of another size": {
			func(w *world) error {
				return anew(w, "test-changelog", 5, map[string]*string{"cleanup.policy": &compact})
			},
			[]string{"changelog test-changelog", "it has 5 partitions, the source topics have 3", "`tidemark topics repartition`"},
		},
		"changelog that forgets": {
			func(w *world) error {
				_, err := kadm.NewClient(w.client).AlterTopicConfigs(w.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &erase}}, "test-changelog")
				return err
			},
			[]string{"changelog test-changelog", "cleanup.policy=delete deletes state", "`tidemark replay`"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(shoppers(31, 3)...)
				a := w.start(endless, slowly(50*time.Millisecond))
				time.Sleep(3 * time.Second)
				healthy(t, a.stop())
				time.Sleep(forget)
				if err := c.do(w); err != nil {
					t.Fatal(err)
				}
				for _, p := range []*machine{w.machine(0), w.machine(1)} { // with local state and without
					begun := time.Now()
					s := p.start(endless, nil).wait()
					err := s.hub.Err()
					if err == nil {
						t.Fatalf("it starts\n%s", s.log)
					}
					for _, text := range c.want {
						if !strings.Contains(err.Error(), text) {
							t.Errorf("%v\nlacks %s", err, text)
						}
					}
					if strings.Contains(err.Error(), "\n") {
						t.Errorf("several lines: %v", err)
					}
					if took := time.Since(begun); took > 15*time.Second {
						t.Errorf("it takes %v", took)
					}
					time.Sleep(forget)
				}
			}, shopTopics)
		})
	}
}

// TestTornCommit: a broker that stops just after it has confirmed a commit may carry out
// a part of it only. The group's offsets are of another commit then, and the state stands.
func TestTornCommit(t *testing.T) {
	records := shoppers(35, 3)
	want := undisturbed(t, records)
	for name, to := range map[string]func(at int64) int64{
		"only of the state":   func(at int64) int64 { return at / 2 },
		"only of the offsets": func(at int64) int64 { return at + 7 },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				s := w.start(endless, slowly(50*time.Millisecond))
				time.Sleep(3 * time.Second)
				healthy(t, s.stop())
				time.Sleep(forget)
				admin := kadm.NewClient(w.client)
				torn, err := admin.FetchOffsets(w.Context(), "test")
				if err != nil {
					t.Fatal(err)
				}
				offsets := kadm.Offsets{}
				torn.Each(func(o kadm.OffsetResponse) {
					if o.Metadata != noteOurs || o.At == 0 {
						t.Fatalf("offset %d of %s/%d has the note %q", o.At, o.Topic, o.Partition, o.Metadata)
					}
					if o.Partition == 1 {
						o.At = to(o.At)
						offsets.Add(o.Offset)
					}
				})
				moved, err := admin.CommitOffsets(w.Context(), "test", offsets)
				if err := errors.Join(err, moved.Error()); err != nil {
					t.Fatal(err)
				}
				s = w.start(funnel, nil).wait()
				if goesOn(s) == 0 {
					t.Error("it begins anew")
				}
				if !strings.Contains(s.log.String(), "carried out only a part of a commit") {
					t.Errorf("the log does not say so\n%s", s.log)
				}
				w.outcome(s).want(t, want)
			}, shopTopics)
		})
	}
}

// TestForgottenEnd: a broker confirms the commit that notes the end of a bounded run, and
// does not carry it out. The run is made again, where it would wait for ever.
func TestForgottenEnd(t *testing.T) {
	records := shoppers(36, 3)
	want := undisturbed(t, records)
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.opts = small
		w.produce(records...)
		var ending atomic.Pointer[string] // the transaction that notes an end
		noted := kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Count: -1, When: func(r kmsg.Request) bool {
			commit := r.(*kmsg.TxnOffsetCommitRequest)
			if note := commit.Topics[0].Partitions[0].Metadata; note != nil && *note == noteEnded {
				ending.Store(&commit.TransactionalID)
			}
			return false
		}}
		forgets := kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: simForgets, Count: 1, When: func(r kmsg.Request) bool {
			id := ending.Load()
			return id != nil && r.(*kmsg.EndTxnRequest).TransactionalID == *id
		}}
		fault := w.cluster.Fault(noted, forgets)
		s := w.start(funnel, nil)
		select {
		case <-s.done:
		case <-time.After(10 * time.Minute):
			s.stop()
			t.Fatalf("it does not end\n%s", s.log)
		}
		s.wait()
		if fault.Hits() != 1 {
			t.Errorf("%d commits were forgotten", fault.Hits())
		}
		w.outcome(s).want(t, want)
	}, shopTopics)
}

// TestMorePartitionsMeanwhile: the same is found out while the stream runs.
func TestMorePartitionsMeanwhile(t *testing.T) {
	for name, topics := range map[string][]string{"all": {"orders", "items", "payments"}, "one": {"items"}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.produce(shoppers(32, 3)...)
				s := w.start(endless, slowly(50*time.Millisecond))
				time.Sleep(2 * time.Second)
				if _, err := kadm.NewClient(w.client).CreatePartitions(w.Context(), 1, topics...); err != nil {
					t.Fatal(err)
				}
				select {
				case <-s.done:
				case <-time.After(10 * time.Minute):
					s.stop()
					t.Fatalf("it goes on\n%s", s.log)
				}
				if err := s.hub.Err(); err == nil || !strings.Contains(err.Error(), "more partitions, now 4 at least") || !strings.Contains(err.Error(), "`tidemark topics repartition`") {
					t.Error(err)
				}
			}, shopTopics)
		})
	}
}

// TestTopicDeletedMeanwhile: while a topic is gone its tasks wait, and one of the same
// name is not taken for it.
func TestTopicDeletedMeanwhile(t *testing.T) {
	inWorld(t, func(w *world) {
		w.produce(shoppers(31, 3)...)
		s := w.start(endless, nil)
		time.Sleep(10 * time.Second)
		admin := kadm.NewClient(w.client)
		if _, err := admin.DeleteTopic(w.Context(), "items"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := s.hub.Err(); err != nil || !strings.Contains(s.log.String(), "Task starts again from its last commit") ||
			!strings.Contains(s.log.String(), "items") {
			t.Errorf("%v\n%s", err, s.log)
		}
		if _, err := admin.CreateTopic(w.Context(), 3, 1, nil, "items"); err != nil {
			t.Fatal(err)
		}
		s.wait()
		if err := s.hub.Err(); err == nil || !strings.Contains(err.Error(), "topic items was deleted and made anew") {
			t.Error(err)
		}
	}, shopTopics)
}

// TestExpiredOffsets: offsets that a group has forgotten say nothing; the state does.
func TestExpiredOffsets(t *testing.T) {
	records := shoppers(33, 3)
	want := undisturbed(t, records)
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.opts = small
		w.produce(records...)
		s := w.start(endless, slowly(50*time.Millisecond))
		time.Sleep(3 * time.Second)
		healthy(t, s.stop())
		time.Sleep(forget)
		if _, err := kadm.NewClient(w.client).DeleteGroup(w.Context(), "test"); err != nil {
			t.Fatal(err)
		}
		s = w.start(funnel, nil).wait()
		if goesOn(s) == 0 {
			t.Error("it begins anew")
		}
		w.outcome(s).want(t, want)
	}, shopTopics)
}

// TestSpoiltStore: a local store that cannot be read, or has no place any more, is
// restored.
func TestSpoiltStore(t *testing.T) {
	records := shoppers(34, 3)
	want := undisturbed(t, records)
	for name, spoils := range map[string]func(file string) bool{
		"everything":  func(string) bool { return true },
		"manifests":   func(f string) bool { return strings.Contains(f, "MANIFEST") },
		"marker":      func(f string) bool { return strings.HasPrefix(f, "marker") },
		"options":     func(f string) bool { return strings.HasPrefix(f, "OPTIONS") },
		"log":         func(f string) bool { return strings.HasSuffix(f, ".log") },
		"tables":      func(f string) bool { return strings.HasSuffix(f, ".sst") },
		"tables, log": func(f string) bool { return strings.HasSuffix(f, ".sst") || strings.HasSuffix(f, ".log") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				spoilt := 0
				for range 3 {
					s := w.start(endless, slowly(50*time.Millisecond))
					time.Sleep(2 * time.Second)
					healthy(t, s.stop())
					for p := range 3 {
						n, err := spoil(w.disk, fmt.Sprintf(".tidemark/state/test/%d", p), spoils)
						if err != nil {
							t.Fatal(err)
						}
						spoilt += n
					}
				}
				if spoilt < 3 {
					t.Errorf("%d files", spoilt)
				}
				s := w.start(funnel, nil).wait()
				w.outcome(s).want(t, want)
				if goesOn(s) == 0 {
					t.Error("it begins anew")
				}
			}, shopTopics)
		})
	}
}

// spoil overwrites files of a folder with garbage.
func spoil(disk vfs.FS, dir string, which func(string) bool) (n int, err error) {
	files, err := disk.List(dir)
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		if !which(name) {
			continue
		}
		path := disk.PathJoin(dir, name)
		if info, err := disk.Stat(path); err != nil || info.IsDir() {
			continue
		}
		f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
		if err == nil {
			_, err = f.Write([]byte(strings.Repeat("garbage ", 500)))
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
