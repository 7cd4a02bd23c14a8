package statefulkafka

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"

	_ "github.com/tidemark-streams/tidemark/plugins/avro_decode"
	_ "github.com/tidemark-streams/tidemark/plugins/dedup"
	_ "github.com/tidemark-streams/tidemark/plugins/fan_out"
	_ "github.com/tidemark-streams/tidemark/plugins/join"
	_ "github.com/tidemark-streams/tidemark/plugins/window"
)

// world is a Kafka cluster on a network in memory and a stream that reads from it,
// in a bubble of faked time: the test goes on when everything else waits.
type world struct {
	*testing.T
	net     kfake.VirtualNetwork
	cluster *kfake.Cluster
	client  *kgo.Client
	begun   time.Time
	opts    []kgo.Opt // more settings of the streams' Kafka clients
	ledger  *ledger   // of the streams' outputs
	db      *database // that the streams' outputs write to; nil for none
	disk    vfs.FS    // of the first machine
	// machines are where processes run; they are made when they are asked for.
	machines []*machine
}

// small makes fetches small, so that a run takes many.
var small = []kgo.Opt{kgo.FetchMaxPartitionBytes(500), kgo.MaxConcurrentFetches(1)}

// inWorld runs a test in a world whose cluster has the given settings.
func inWorld(t *testing.T, test func(w *world), opts ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, begun: time.Now(), disk: vfs.NewMem()}
		w.up(opts...)
		defer w.down()
		test(w)
	})
}

// up starts the cluster.
func (w *world) up(opts ...kfake.Opt) {
	w.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(w.net.Listen)}, opts...)...)
	if err != nil {
		w.Fatal(err)
	}
	w.cluster = c
	w.client, err = kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(600), kgo.ProducerBatchCompression(kgo.NoCompression())) // a fetch takes a batch at least
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) down() {
	w.client.Close()
	w.cluster.Close()
}

// at is an event time, in milliseconds after epoch.
func at(ms int64) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

// epoch lies before the beginning of faked time, 2000-01-01.
var epoch = time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC)

// rec is a record with a JSON object for a value.
func rec(topic string, partition int32, ms int64, value string) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Timestamp: at(ms), Value: []byte(value)}
}

func (w *world) produce(records ...*kgo.Record) {
	w.Helper()
	copies := make([]*kgo.Record, len(records))
	for i, r := range records { // a record that was sent belongs to the bubble that sent it
		c := *r
		copies[i] = &c
	}
	if err := w.client.ProduceSync(w.Context(), copies...).FirstErr(); err != nil {
		w.Fatal(err)
	}
}

// stream is a running stream and what came out of it.
type stream struct {
	w       *world
	in      atomic.Pointer[input]
	make    func() (*input, error) // the input once more, as a reload does
	hub     *host.Hub
	monitor *host.Monitor
	log     *logged
	cancel  context.CancelFunc
	done    chan struct{} // closed when the stream has ended
	runErr  error

	mu       sync.Mutex
	messages service.MessageBatch
	batches  int
	take     taker
}

// taker decides what the output says to its n-th batch; nil takes everything.
type taker func(n int, b service.MessageBatch) error

// slowly takes every batch after a while.
func slowly(d time.Duration) taker { return slowlyAnd(d, func() {}) }

func slowlyAnd(d time.Duration, do func()) taker {
	return func(int, service.MessageBatch) error {
		do()
		time.Sleep(d)
		return nil
	}
}

// logged is what a stream logs.
type logged struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// start runs a stream with the config of its input, in which brokers and group
// are set unless it says otherwise.
func (w *world) start(input string, take taker) *stream {
	w.Helper()
	return w.machine(0).start(input, take)
}

// start runs a stream on a machine.
func (p *machine) start(text string, take taker) *stream {
	w := p.w
	w.Helper()
	s := &stream{w: w, log: &logged{}, done: make(chan struct{}), take: take}
	env := service.GlobalEnvironment().Clone()
	if err := env.RegisterBatchInput("kafka_in_memory", spec(), func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		s.hub, s.monitor = host.HubOf(res), host.MonitorOf(res)
		if w.ledger != nil {
			if err := s.hub.Attach(context.Background(), w.ledger); err != nil {
				return nil, err
			}
		}
		if w.db != nil {
			if err := s.hub.Attach(context.Background(), w.db); err != nil {
				return nil, err
			}
		}
		s.make = func() (*input, error) {
			in, err := newInput(conf, res)
			if err != nil {
				return nil, err
			}
			if in.cfg.stateDir != "" {
				in.cfg.fs, in.cfg.instance = p.disk, p.name
			}
			in.cfg.client = append([]kgo.Opt{kgo.Dialer(p.dial)}, w.opts...)
			return in, nil
		}
		in, err := s.make()
		s.in.Store(in)
		return in, err
	}); err != nil {
		w.Fatal(err)
	}
	b := env.NewStreamBuilder()
	b.SetLogger(slog.New(slog.NewTextHandler(s.log, nil)))
	if !strings.Contains(text, "consumer_group") {
		text += "\nconsumer_group: test"
	}
	if !strings.Contains(text, "seed_brokers") {
		text += "\nseed_brokers: [ localhost:9092 ]"
	}
	conf := "kafka_in_memory:\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
	if err := errors.Join(b.AddInputYAML(conf), b.AddBatchConsumerFunc(s.consume)); err != nil {
		w.Fatalf("%s: %v", conf, err)
	}
	built, err := b.Build()
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	s.cancel = cancel
	go func() {
		defer close(s.done)
		s.runErr = built.Run(ctx)
		// Run gives up when its context ends; the stream is closed all the same.
		stop, stopped := context.WithTimeout(context.Background(), time.Minute)
		defer stopped()
		_ = built.Stop(stop)
	}()
	return s
}

func (s *stream) consume(_ context.Context, b service.MessageBatch) error {
	s.mu.Lock()
	n := s.batches
	s.batches++
	s.mu.Unlock()
	if s.take != nil {
		if err := s.take(n, b); err != nil {
			return err
		}
	}
	if s.w.db != nil {
		if err := s.w.db.write(s.w, b); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range b {
		s.messages = append(s.messages, m.Copy())
	}
	return nil
}

// wait waits for the end of a bounded run.
func (s *stream) wait() *stream {
	s.w.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Hour):
		s.w.Fatalf("the stream does not end\n%s", s.log)
	}
	if s.runErr != nil {
		s.w.Fatalf("%v\n%s", s.runErr, s.log)
	}
	return s
}

// stop ends a stream that would go on.
func (s *stream) stop() *stream {
	s.cancel()
	<-s.done
	return s
}

func (s *stream) all() service.MessageBatch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// row is the value of a row, and which emission wrote it.
type row struct {
	task            int64
	generation, seq int64
	text            string
}

// after tells whether r was emitted after o.
func (r row) after(o row) bool {
	return cmp.Or(cmp.Compare(r.generation, o.generation), cmp.Compare(r.seq, o.seq)) > 0
}

// rowOf reads a message that is a row, and its key.
func rowOf(t testing.TB, m *service.Message, key ...string) (id string, r row) {
	t.Helper()
	v, err := m.AsStructured()
	if err != nil {
		t.Fatal(err)
	}
	object := v.(map[string]any)
	op, _ := m.MetaGet(host.MetaOperator)
	number := func(key string) int64 {
		n, _ := m.MetaGetMut(key)
		return n.(int64)
	}
	r = row{task: number(host.MetaTask), generation: number(host.MetaGeneration), seq: number(host.MetaSeq)}
	id = fmt.Sprint(op, r.task)
	for _, k := range append([]string{"window_start"}, key...) {
		id += fmt.Sprint("|", object[k])
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	r.text = fmt.Sprintf("%s/%d %s", op, r.task, text)
	return id, r
}

// rows are the last rows of each window, as "operator {...}", in alphabetical order;
// generation and seq decide which is the last.
func (s *stream) rows(key ...string) []string {
	s.w.Helper()
	rows := map[string]row{}
	for _, m := range s.all() {
		if kind, _ := m.MetaGet(host.MetaKind); kind != host.KindRow {
			continue
		}
		id, r := rowOf(s.w, m, key...)
		if r.after(rows[id]) {
			rows[id] = r
		}
	}
	var list []string
	for _, r := range rows {
		list = append(list, r.text)
	}
	slices.Sort(list)
	return list
}

// letterOf reads a message that is a dead letter.
func letterOf(t testing.TB, m *service.Message) string {
	t.Helper()
	v, err := m.AsStructured()
	if err != nil {
		t.Fatal(err)
	}
	o := v.(map[string]any)
	return fmt.Sprintf("%v %v/%v@%v", o["reason"], o["topic"], o["partition"], o["offset"])
}

// letters are the dead letters as "reason topic/partition@offset".
func (s *stream) letters() []string {
	s.w.Helper()
	seen := map[string]bool{}
	for _, m := range s.all() {
		if kind, _ := m.MetaGet(host.MetaKind); kind != host.KindDeadLetter {
			continue
		}
		seen[letterOf(s.w, m)] = true
	}
	var list []string
	for text := range seen {
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// account is the account of an operator over all topics and tasks, after the end.
func (s *stream) account(operator string) task.Counts {
	s.w.Helper()
	return accounts(s)[operator]
}

// accounts add up what streams account for, by operator.
func accounts(streams ...*stream) map[string]task.Counts {
	all := map[string]task.Counts{}
	for _, s := range streams {
		s.w.Helper()
		_, finished := s.monitor.State()
		summary, ok := finished[""]
		if !ok {
			s.w.Fatalf("no summary\n%s", s.log)
		}
		for _, l := range summary.Lines {
			if !l.Counts.Balanced() {
				s.w.Errorf("the account of %s for %s does not add up: %v", l.Operator, l.Topic, l.Counts)
			}
			sum := all[l.Operator]
			for i, n := range l.Counts {
				sum[i] += n
			}
			all[l.Operator] = sum
		}
	}
	return all
}

func wantEqual(t interface {
	Helper()
	Errorf(string, ...any)
}, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	if len(got)+len(want) > 20 { // where they differ is enough
		all := got
		got = without(got, want)
		want = without(want, all)
		got, want = got[:min(len(got), 10)], want[:min(len(want), 10)]
	}
	t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
}

func without(list, other []string) (rest []string) {
	for _, x := range list {
		if !slices.Contains(other, x) {
			rest = append(rest, x)
		}
	}
	return rest
}
