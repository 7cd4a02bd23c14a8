package statefulkafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	kafkaevents "github.com/tidemark-streams/tidemark/plugins/kafka_events"
)

// TestRefused: what no retry can mend is one clear line and the end of the stream.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ input, want string }{
		"missing topic":   {"topics: [ a, nonesuch ]", "topic \"nonesuch\" does not exist at [localhost:9092]: create it with `tidemark topics create`"},
		"invalid topic":   {`topics: [ "a b" ]`, `topic "a b": the name is not valid`},
		"partitions":      {"topics: [ a, two ]", "topics differ in their number of partitions: a has 1, two has 2; tasks need the same: `tidemark topics repartition` copies topics into ones with another count"},
		"log append time": {"topics: [ a, stamped ]", `topic "stamped" has message.timestamp.type=LogAppendTime: the broker would overwrite event times; set it to CreateTime`},
		"unfinished copy": {"topics: [ a, half ]", "topic \"half\" is an unfinished copy, which lacks records: wait until `tidemark topics repartition` has ended; if it was interrupted, repeat it"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				if err := errors.Join(w.cluster.CreateTopic("two", 2, nil), w.cluster.CreateTopic("stamped", 1, map[string]string{"message.timestamp.type": "LogAppendTime"}),
					w.cluster.CreateTopic("half", 1, map[string]string{kafkaevents.UnfinishedConfig: kafkaevents.UnfinishedValue})); err != nil {
					t.Fatal(err)
				}
				w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "a b", Err: kerr.InvalidTopicException, Count: -1})
				s := w.start(c.input, nil).wait()
				err := s.hub.Err()
				if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v\nwant %s", err, c.want)
				}
				failures, finished := s.monitor.State()
				if len(failures) != 1 || !errors.Is(failures[0].Err, err) || len(finished) != 0 {
					t.Errorf("the monitor knows %v %v", failures, finished)
				}
				if took := time.Since(w.begun); took > time.Second {
					t.Errorf("it took %v", took)
				}
			}, kfake.SeedTopics(1, "a"))
		})
	}
}

// ledger is an output's ledger that answers as it is told to.
type ledger struct {
	begin, advance func(host.TaskRun) error
	log            []string
}

func (l *ledger) Begin(_ context.Context, run host.TaskRun) error {
	l.log = append(l.log, fmt.Sprintf("begin %d", run.Task))
	if l.begin != nil {
		return l.begin(run)
	}
	return nil
}

func (l *ledger) Advance(_ context.Context, run host.TaskRun, seq int64, watermark event.Time) error {
	text := watermark.String()
	l.log = append(l.log, fmt.Sprintf("advance %d seq %d to %s", run.Task, seq, text))
	if l.advance != nil {
		return l.advance(run)
	}
	return nil
}

// TestLedgerRefuses: a ledger that cannot begin or go on ends the run of its task,
// which starts again until the ledger takes it.
func TestLedgerRefuses(t *testing.T) {
	for name, of := range map[string]func(refuse func(host.TaskRun) error) *ledger{
		"begin":   func(refuse func(host.TaskRun) error) *ledger { return &ledger{begin: refuse} },
		"advance": func(refuse func(host.TaskRun) error) *ledger { return &ledger{advance: refuse} },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.produce(rec("a", 0, 5000, `{"id":"1","v":1}`))
				refusals := 0
				var generations []int64
				w.ledger = of(func(run host.TaskRun) error {
					generations = append(generations, run.Generation)
					if refusals < 4 {
						refusals++
						return errors.New("no such table")
					}
					return nil
				})
				s := w.start(counting, nil).wait()
				wantEqual(t, s.rows(), []string{minute(0, 0, 1, "1")})
				if got := s.account("input").String(); got != "in=1 passed=1" {
					t.Error(got)
				}
				if refusals != 4 || generations[0] != 1 || generations[4] != 5 {
					t.Errorf("%d refusals of the generations %v", refusals, generations)
				}
				if n := strings.Count(s.log.String(), "Task starts again from its last commit"); n != 1 || !strings.Contains(s.log.String(), "no such table") {
					t.Errorf("%d lines tell of it:\n%s", n, s.log)
				}
				if took := time.Since(w.begun); took < time.Second {
					t.Errorf("no pauses in %v", took)
				}
				if err := s.hub.Err(); err != nil {
					t.Error(err)
				}
			}, kfake.SeedTopics(1, "a"))
		})
	}
}

// TestLedgerFails: what a ledger knows to be past mending ends the stream.
func TestLedgerFails(t *testing.T) {
	inWorld(t, func(w *world) {
		w.produce(rec("a", 0, 5000, `{"id":"1","v":1}`))
		broken := errors.New("no such database")
		var s *stream
		started := make(chan struct{})
		w.ledger = &ledger{begin: func(host.TaskRun) error {
			<-started
			s.hub.Fail(broken)
			return broken
		}}
		s = w.start(strings.Replace(counting, "true", "false", 1), nil)
		time.Sleep(time.Second) // a kgo client that is closed while it starts to fetch has a race of its own
		close(started)
		if err := s.wait().hub.Err(); !errors.Is(err, broken) {
			t.Error(err)
		}
	}, kfake.SeedTopics(1, "a"))
}

// TestLedgerHears: generation, committed emission and watermark of every task, the end
// included. The next start goes on behind the first, in a greater generation.
func TestLedgerHears(t *testing.T) {
	inWorld(t, func(w *world) {
		w.produce(rec("a", 1, 125_000, `{"id":"1","v":1}`))
		l := &ledger{}
		var begun []string
		l.begin = func(run host.TaskRun) error {
			begun = append(begun, fmt.Sprintf("%s/%d generation %d behind %d", run.Stream, run.Task, run.Generation, run.CommittedSeq))
			return nil
		}
		w.ledger = l
		check := func(wantBegun, wantLog []string) {
			t.Helper()
			slices.Sort(begun)
			wantEqual(t, begun, wantBegun)
			slices.Sort(l.log) // the tasks come in any order
			wantEqual(t, l.log, wantLog)
			begun, l.log = nil, nil
		}
		w.start(counting, nil).wait()
		check([]string{"test/0 generation 1 behind 0", "test/1 generation 1 behind 0", "test/2 generation 1 behind 0"},
			[]string{"advance 1 seq 1 to +inf", "advance 1 seq 1 to 1999-12-01T00:01:05Z", "begin 0", "begin 1", "begin 2"})
		// What was emitted as final, 2, was not committed. The next run goes on behind 1
		// and emits the window as it found it, and with the new record.
		w.produce(rec("a", 1, 126_000, `{"id":"2","v":1}`))
		s := w.start(counting, nil).wait()
		check([]string{"test/0 generation 2 behind 0", "test/1 generation 2 behind 1", "test/2 generation 2 behind 0"},
			[]string{"advance 1 seq 3 to +inf", "advance 1 seq 3 to 1999-12-01T00:01:06Z", "begin 0", "begin 1", "begin 2"})
		wantEqual(t, s.rows(), []string{minute(1, 2, 2, "2")})
	}, kfake.SeedTopics(3, "a"))
}

// TestForeignRows: an output knows a greater generation of the task, but nobody has
// taken the task over: then the changelog is not that of the rows.
func TestForeignRows(t *testing.T) {
	inWorld(t, func(w *world) {
		w.produce(rec("a", 0, 5000, `{"id":"1","v":1}`))
		s := w.start(strings.Replace(counting, "true", "false", 1), func(int, service.MessageBatch) error {
			return fmt.Errorf("funnel_windows: %w", host.ErrFenced)
		}).wait()
		err := s.hub.Err()
		if !errors.Is(err, host.ErrFenced) || !strings.HasPrefix(err.Error(), "consumer group test, task 0: rows of a generation after 1 are there, of which the changelog test-changelog knows nothing") ||
			!strings.Contains(err.Error(), "`tidemark replay --from earliest --consumer-group test`") {
			t.Error(err)
		}
	}, kfake.SeedTopics(1, "a"))
}

// TestBrokerAbsentAtStart: the stream waits, says so now and then, and goes on as
// soon as the broker is there.
func TestBrokerAbsentAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, begun: time.Now(), disk: vfs.NewMem()}
		s := w.start(counting, nil)
		time.Sleep(10 * time.Minute)
		if n := strings.Count(s.log.String(), "\n"); n == 0 || n > 25 || !strings.Contains(s.log.String(), "no broker at [localhost:9092] answers") {
			t.Errorf("%d lines:\n%s", n, s.log)
		}
		w.up(kfake.SeedTopics(1, "a"))
		defer w.down()
		w.produce(rec("a", 0, 5000, `{"id":"1","v":1}`))
		s.wait()
		wantEqual(t, s.rows(), []string{minute(0, 0, 1, "1")})
	})
}

// TestStopWithoutBroker: a stream that waits for a broker can be stopped.
func TestStopWithoutBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, begun: time.Now(), disk: vfs.NewMem()}
		s := w.start(counting, nil)
		time.Sleep(time.Minute)
		before := time.Now()
		s.stop()
		if took := time.Since(before); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestBrokerFaults: errors and lost connections in mid-run cost nothing but time.
func TestBrokerFaults(t *testing.T) {
	// Each returns how often it struck. Two of three requests go well.
	third := func() func(kmsg.Request) bool {
		n := 0
		return func(kmsg.Request) bool { n++; return n%3 == 0 }
	}
	faults := map[string]func(w *world) func() int{
		"fetch errors": func(w *world) func() int {
			keys := []kmsg.Key{kmsg.Fetch}
			return w.cluster.Fault(kfake.Fault{Keys: keys, Err: kerr.NotLeaderForPartition, When: third(), Count: 20},
				kfake.Fault{Keys: keys, When: third(), Count: 20}, // unknown server error
				kfake.Fault{Keys: keys, Err: kerr.KafkaStorageError, When: third(), Count: 20}).Hits
		},
		"the ends are not told": func(w *world) func() int {
			keys := []kmsg.Key{kmsg.ListOffsets}
			return w.cluster.Fault(kfake.Fault{Keys: keys, Err: kerr.LeaderNotAvailable, Count: 10}, kfake.Fault{Keys: keys, Count: 10}).Hits
		},
		"lost connections": func(w *world) func() int {
			var n atomic.Int64
			w.cluster.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
				w.cluster.KeepControl()
				if n := n.Add(1); n%3 == 0 && n < 200 {
					return nil, errors.New("cut"), true
				}
				return nil, nil, false
			})
			return func() int { return int(n.Load() / 3) }
		},
		"leaders move": func(w *world) func() int {
			var n atomic.Int64
			w.cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				w.cluster.KeepControl()
				if n := n.Add(1); n%5 == 0 && n < 200 {
					go w.cluster.ShufflePartitionLeaders()
				}
				return nil, nil, false
			})
			return func() int { return int(n.Load() / 5) }
		},
	}
	records := orders(7)
	var rows []string
	run := func(t *testing.T, fault func(w *world) func() int) {
		inWorld(t, func(w *world) {
			w.produce(records[:len(records)/2]...)
			w.produce(records[len(records)/2:]...)
			strikes := func() int { return 100 }
			if fault != nil {
				strikes = fault(w)
			}
			w.opts = small
			s := w.start(funnel+"batch_size: 50\nemit_interval: 100ms", slowly(100*time.Millisecond)).wait()
			if n := strikes(); n < 5 {
				t.Errorf("%d faults", n)
			}
			if rows == nil {
				rows = s.rows()
			}
			wantEqual(t, s.rows(), rows)
			if s.account("input")[0] != int64(len(records)) {
				t.Errorf("%v of %d", s.account("input"), len(records))
			}
			if n := strings.Count(s.log.String(), "\n"); n > 40 {
				t.Errorf("%d lines in %v:\n%s", n, time.Since(w.begun), s.log)
			}
		}, kfake.SeedTopics(3, "orders", "items", "payments"), kfake.NumBrokers(3), kfake.Ports(9092, 9093, 9094))
	}
	run(t, nil)
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) { run(t, fault) })
	}
}

// TestBrokerRestart: the broker is away for five minutes in mid-run.
func TestBrokerRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, begun: time.Now(), disk: vfs.NewMem()}
		opts := []kfake.Opt{kfake.SeedTopics(3, "orders", "items", "payments"), kfake.DataDir(t.TempDir())}
		w.up(opts...)
		records := orders(8)
		w.produce(records...)
		w.opts = small
		taken := make(chan struct{}, 1000)
		s := w.start(funnel+"batch_size: 50\nemit_interval: 100ms", slowlyAnd(100*time.Millisecond, func() { taken <- struct{}{} }))
		<-taken
		w.down()
		time.Sleep(5 * time.Minute)
		if n := strings.Count(s.log.String(), "\n"); n > 40 || strings.Count(s.log.String(), "Broker cannot be reached") < 5 { // one in 30 s, and those of the start
			t.Errorf("%d lines:\n%s", n, s.log)
		}
		w.up(opts...)
		defer w.down()
		s.wait()
		if s.account("input")[0] != int64(len(records)) {
			t.Errorf("%v of %d", s.account("input"), len(records))
		}
	})
}

// TestBrokerLostAtTheEnd: a stream that has nothing to do tells, now and then, that
// the broker is away.
func TestBrokerLostAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, begun: time.Now(), disk: vfs.NewMem()}
		opts := []kfake.Opt{kfake.SeedTopics(1, "a"), kfake.DataDir(t.TempDir())}
		w.up(opts...)
		s := w.start(strings.Replace(strings.Replace(counting, "stop_at_end: true", "stop_at_end: false", 1), "aggregates", "emit: on_update, aggregates", 1), nil)
		time.Sleep(time.Minute)
		w.down()
		before := strings.Count(s.log.String(), "\n")
		time.Sleep(5 * time.Minute)
		if n := strings.Count(s.log.String(), "\n") - before; n < 5 || n > 12 {
			t.Errorf("%d lines:\n%s", n, s.log)
		}
		w.up(opts...)
		defer w.down()
		w.produce(rec("a", 0, 5000, `{"id":"1","v":1}`))
		time.Sleep(time.Minute)
		wantEqual(t, s.rows(), []string{minute(0, 0, 1, "1")})
		s.stop()
	})
}

// TestReload: the hub is shared by an input and its successor. What befalls the old
// one after its end is no failure of the new one, which begins without the failures
// of the old.
func TestReload(t *testing.T) {
	conf, err := spec().ParseYAML(minimal, nil)
	if err != nil {
		t.Fatal(err)
	}
	res := service.MockResources()
	hub := host.HubOf(res)
	old, err := newInput(conf, res)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	old.fail(broken)
	if !errors.Is(hub.Err(), broken) {
		t.Error(hub.Err())
	}
	if err := old.Close(t.Context()); err != nil {
		t.Error(err)
	}
	young, err := newInput(conf, res)
	if err != nil || hub.Err() != nil {
		t.Fatal(err, hub.Err())
	}
	old.fail(broken)
	if hub.Err() != nil {
		t.Error(hub.Err())
	}
	if err := errors.Join(young.Close(t.Context()), young.Close(t.Context())); err != nil {
		t.Error(err)
	}
}
