package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/internal/survey"
)

// list is what "state list" prints of the shop as JSON.
func (s *shop) list(args ...string) survey.Stream {
	s.Helper()
	out, err := s.state(append([]string{"list", "--json", "--streams", s.folder}, args...)...)
	if err != nil {
		s.Fatal(err)
	}
	var streams []survey.Stream
	if err := json.Unmarshal([]byte(out), &streams); err != nil || len(streams) != 1 {
		s.Fatalf("%v, %s", err, out)
	}
	return streams[0]
}

func TestStateListBeforeTheFirstRun(t *testing.T) {
	s := openShop(t)
	out, err := s.state("list", "--streams", s.folder, "--topics", "--operators")
	if want := "shop: no changelog yet (topic shop-changelog): the stream has not run\n"; err != nil || out != want {
		t.Errorf("%v, %q", err, out)
	}
	if got := s.list(); got.Exists || len(got.Tasks) != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := s.state("list", "--streams", t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no stream") {
		t.Error(err)
	}
}

func TestStateListAfterARun(t *testing.T) {
	s := openShop(t)
	s.trade()
	s.consume()
	s.produce(item("late", 1, 26), item("late", 2, 26), item("late", 3, 26)) // to one task

	got := s.list("--size")
	lag := int64(0)
	for _, task := range got.Tasks {
		if task.Owner != nil || task.Offsets != survey.OffsetsOK || *task.Generation != 1 || *task.Seq == 0 {
			t.Errorf("%+v", task)
		}
		if want := "2026-01-05T12:23:00Z"; task.Watermark == nil || *task.Watermark != want { // the last records' time less two minutes
			t.Errorf("watermark %v, want %s", *task.Watermark, want)
		}
		sum := int64(0)
		for _, p := range task.Topics {
			if *p.Committed != *p.State || *p.End-*p.Committed != *p.Lag {
				t.Errorf("%s: committed %d, state %d, end %d, lag %d", p.Topic, *p.Committed, *p.State, *p.End, *p.Lag)
			}
			sum += *p.Lag
		}
		if sum != *task.Lag {
			t.Errorf("lag %d, the topics have %d", *task.Lag, sum)
		}
		lag += sum
		if len(task.Topics) != 2 {
			t.Errorf("%+v", task.Topics)
		}
	}
	if lag != 3 {
		t.Errorf("lag %d, want the 3 records that came later", lag)
	}
	s.consume()
	if got := s.list(); *got.Tasks[0].Lag+*got.Tasks[1].Lag != 0 || *got.Tasks[0].Generation != 2 {
		t.Errorf("%+v", got)
	}

	out, err := s.state("list", "--consumer-group", "shop", "--consumer-group", "nonesuch", "--topics", "--operators")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		"stream task owner lag offsets watermark generation seq keys bytes", "shop 0 none 0 ok 2026-01-05T12:", "stream task topic committed state end lag newest",
		"stream task operator keys bytes", "shop 0 dedup_1 ", "shop 1 orders ", "shop 1 hours ", "shop 1 days ", "nonesuch: no changelog yet",
	} {
		if !strings.Contains(fields, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// Keys and bytes are those of the live state: a deleted key does not count, nor what an
// aborted or an open transaction wrote.
func TestStateListCountsWhatLives(t *testing.T) {
	s := openShop(t)
	s.trade()
	s.consume()
	count := func() {
		t.Helper()
		for _, task := range s.list("--operators").Tasks {
			want := map[string]survey.Operator{}
			for k, v := range s.stored(task.Task) {
				label, _, _ := strings.Cut(k, "\x00")
				if label == "" {
					continue // the marker
				}
				o := want[label]
				want[label] = survey.Operator{Operator: label, Keys: o.Keys + 1, Bytes: o.Bytes + int64(len(k)+len(v))}
			}
			got, keys, bytes := map[string]survey.Operator{}, int64(0), int64(0)
			for _, o := range task.Operators {
				got[o.Operator] = o
				keys, bytes = keys+o.Keys, bytes+o.Bytes
			}
			if !maps.Equal(got, want) || len(got) != 4 {
				t.Errorf("task %d: %v, want %v", task.Task, got, want)
			}
			if keys != *task.Keys || bytes != *task.Bytes {
				t.Errorf("task %d: %d keys and %d bytes in all, %d and %d by operator", task.Task, *task.Keys, *task.Bytes, keys, bytes)
			}
		}
	}
	count()

	before := s.list("--size").Tasks[0]
	own, _ := storedOf(s.stored(0), "orders")
	first := slices.Min(slices.Collect(maps.Keys(own)))
	writer, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.TransactionalID("test"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	write := func(key string, value []byte) {
		t.Helper()
		if err := writer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: "shop-changelog", Key: []byte(key), Value: value}
		if err := writer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	end := func(how kgo.TransactionEndTry) {
		t.Helper()
		if err := writer.EndTransaction(t.Context(), how); err != nil {
			t.Fatal(err)
		}
	}
	write(first, nil)
	end(kgo.TryCommit)
	write("orders\x00anchors\x00aborted", []byte("x"))
	end(kgo.TryAbort)
	count()
	if got := s.list("--size").Tasks[0]; *got.Keys != *before.Keys-1 {
		t.Errorf("%d keys after one of %d was deleted", *got.Keys, *before.Keys)
	}
	write("orders\x00anchors\x00open", []byte("x"))
	count()
	if got := s.list().Tasks[0]; *got.Generation != *before.Generation || *got.Seq != *before.Seq {
		t.Errorf("%+v", got)
	}
	end(kgo.TryAbort)
	s.cluster.Compact()
	count()
}

func TestStateListTellsOffsetsThatAreNotTheStates(t *testing.T) {
	s := openShop(t)
	s.trade()
	s.consume()
	adm := kadm.NewClient(s.client)
	moved := kadm.Offsets{}
	moved.AddOffset("orders", 1, 0, -1)
	if err := adm.CommitAllOffsets(t.Context(), "shop", moved); err != nil {
		t.Fatal(err)
	}
	got := s.list()
	if got.Tasks[0].Offsets != survey.OffsetsOK || got.Tasks[1].Offsets != survey.OffsetsMoved || *got.Tasks[1].Lag == 0 {
		t.Errorf("%+v", got.Tasks)
	}
	if _, err := adm.DeleteGroup(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	for _, task := range s.list().Tasks {
		if task.Offsets != survey.OffsetsExpired || *task.Lag != 0 || task.Topics[0].Committed != nil || task.Topics[0].State == nil {
			t.Errorf("%+v", task)
		}
	}
	if _, err := adm.DeleteTopic(t.Context(), "items"); err != nil {
		t.Fatal(err)
	}
	for _, task := range s.list().Tasks {
		if items := task.Topics[0]; items.Topic != "items" || items.End != nil || items.Lag != nil {
			t.Errorf("%+v", items)
		}
	}
}

// reading are the requests of someone who changes nothing.
var reading = map[kmsg.Key]bool{
	kmsg.ApiVersions: true, kmsg.Metadata: true, kmsg.FindCoordinator: true, kmsg.ListOffsets: true,
	kmsg.Fetch: true, kmsg.DescribeGroups: true, kmsg.OffsetFetch: true,
}

// TestStateOnlyReads sees every request that list and inspect send.
func TestStateOnlyReads(t *testing.T) {
	s := openShop(t)
	s.trade()
	s.consume()
	var mu sync.Mutex
	seen := map[kmsg.Key]bool{}
	s.cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		seen[kmsg.Key(r.Key())] = true
		return nil, nil, false
	})
	s.list("--operators")
	s.list()
	if _, err := s.state("inspect", "--streams", s.folder, "--consumer-group", "shop", "--operator", "dedup_1", "--key", "o-order1"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for key := range seen {
		if !reading[key] {
			t.Errorf("it sends %s", key.Name())
		}
	}
	if !seen[kmsg.Fetch] {
		t.Error("no request was seen")
	}
}

// TestStateListOfARunningStream: a task goes on while it is looked at, in the same
// generation, with the same owner.
func TestStateListOfARunningStream(t *testing.T) {
	s := openShop(t)
	s.trade()
	stop := s.serve()
	defer stop()
	until := func(what string, done func(survey.Stream) bool) (last survey.Stream) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			if last = s.list("--operators"); done(last) {
				return last
			}
			if time.Now().After(deadline) {
				text, _ := json.Marshal(last)
				t.Fatalf("not %s: %s", what, text)
			}
		}
	}
	all := func(done func(survey.Task) bool) func(survey.Stream) bool {
		return func(got survey.Stream) bool {
			return len(got.Tasks) == 2 && !slices.ContainsFunc(got.Tasks, func(t survey.Task) bool { return !done(t) })
		}
	}
	begun := until("begun", all(func(t survey.Task) bool { return t.Owner != nil && t.Lag != nil && *t.Lag == 0 && t.Watermark != nil }))
	for i := range 20 {
		for p := range 2 {
			for _, topic := range []string{"orders", "items"} {
				r := shopRecord(topic, "", 30+i, fmt.Sprintf(`{"id":"y-%s-%d-%d","order":"y-%d-%d","shop":"left"}`, topic, p, i, p, i))
				r.Partition = int32(p)
				s.produceTo(r)
			}
		}
		s.list("--operators")
		if _, err := s.state("inspect", "--streams", s.folder, "--consumer-group", "shop", "--operator", "orders", "--key", "order1"); err != nil {
			t.Fatal(err)
		}
	}
	done := until("done", all(func(t survey.Task) bool { return *t.Lag == 0 && *t.Watermark == "2026-01-05T12:47:00Z" }))
	for i := range done.Tasks {
		a, b := begun.Tasks[i], done.Tasks[i]
		if *b.Generation != *a.Generation || *b.Seq <= *a.Seq || *b.Owner != *a.Owner || b.Offsets != survey.OffsetsOK {
			t.Errorf("task %d: %+v after %+v", i, b, a)
		}
	}
}

// TestStateListOfAFreshBroker: one that never had a consumer group has no coordinator yet.
func TestStateListOfAFreshBroker(t *testing.T) {
	s := openShop(t)
	asked := 0
	s.cluster.ControlKey(int16(kmsg.FindCoordinator), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		if asked++; asked > 5 {
			return nil, nil, false
		}
		resp := r.ResponseKind().(*kmsg.FindCoordinatorResponse)
		for _, g := range r.(*kmsg.FindCoordinatorRequest).CoordinatorKeys {
			one := kmsg.NewFindCoordinatorResponseCoordinator()
			one.Key, one.ErrorCode = g, kerr.CoordinatorNotAvailable.Code
			resp.Coordinators = append(resp.Coordinators, one)
		}
		return resp, nil, true
	})
	if got := s.list(); got.Exists || asked <= 5 {
		t.Errorf("%+v after %d questions", got, asked)
	}
}
