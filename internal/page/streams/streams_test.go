package streams

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/survey"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

func (d database) look(s *Streams) *Snapshot {
	d.t.Helper()
	v, err := s.Snapshot(d.t.Context(), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return v.(*Snapshot)
}

const told = `{"holder":{"topic":"b","partition":1},"disk_bytes":9,"commit":{"at":"2026-01-01T00:00:00Z","seconds":0.5,"phases":{"state":0.5}},
	"operators":[{"operator":"join","keys":3,"memory_bytes":40},{"operator":"hours","keys":2}],
	"sources":[{"topic":"b","partition":1,"next":10,"seen":"2018-01-01T00:00:00Z","end":14},{"topic":"a","partition":1,"next":5}],
	"account":[{"operator":"input","topic":"a","in":5,"passed":5},{"operator":"join","topic":"a","in":5,"passed":3,"held":1}]}`

// TestWithoutKafka: what Postgres has is shown as it is.
func TestWithoutKafka(t *testing.T) {
	d := newDatabase(t)
	s := New(d, nil, []string{"z"})
	v := d.look(s)
	if v.Kafka.Reachable || v.Kafka.Error == "" || len(v.Streams) != 1 || v.Streams[0].Stream != "z" {
		t.Errorf("%+v", v)
	}
	d.exec(`insert into tidemark_tasks (stream, task, generation, committed_seq, watermark) values
		('s', 0, 3, 7, '2018-01-01 10:00Z'), ('s', 1, 2, 5, '2018-01-01 09:00Z'), ('s', 2, 1, 0, null), ('e', 0, 1, 4, 'infinity'), ('e', 1, 1, 0, null)`,
		`insert into tidemark_task_figures (stream, task, generation, figures) values ('s', 1, 2, '`+told+`'), ('s', 0, 2, '`+told+`'), ('gone', 0, 1, '{}')`)
	v = d.look(s)
	var names []string
	for _, s := range v.Streams {
		names = append(names, s.Stream)
	}
	if !slices.Equal(names, []string{"e", "s", "z"}) {
		t.Fatalf("streams %v", names)
	}
	e, st := v.Streams[0], v.Streams[1]
	if !e.Ended || e.Watermark != nil || e.Lag != nil || e.Rows != 4 || !e.Tasks[0].Ended || e.Tasks[1].Ended {
		t.Errorf("a stream that has ended: %+v", e)
	}
	if st.Ended || !st.Watermark.Equal(time.Date(2018, 1, 1, 9, 0, 0, 0, time.UTC)) || st.Rows != 12 || *st.Lag != 8 || len(st.Tasks) != 3 {
		t.Errorf("%+v", st)
	}
	one := st.Tasks[1]
	if one.State != Unknown || one.Owner != nil || one.Generation != 2 || one.Seq != 5 || one.Holder.Topic != "b" || one.Commit.Seconds != 0.5 ||
		*one.Store != (Store{5, 40, 9}) || !slices.Equal(one.Operators, []Operator{{"join", 3, 40}, {"hours", 2, 0}}) {
		t.Errorf("%+v", one)
	}
	if a, b := one.Offsets[0], one.Offsets[1]; a.Topic != "a" || *a.Committed != 5 || a.End != nil || a.Lag != nil || a.Newest != nil ||
		*b.Committed != 10 || *b.End != 14 || *b.Lag != 4 || b.Newest.Year() != 2018 || b.Partition != 1 {
		t.Errorf("%+v", one.Offsets)
	}
	if st.Tasks[0].Holder != nil {
		t.Error("an older generation says who holds the watermark")
	}
	if none := st.Tasks[2]; none.Commit != nil || none.Store != nil || none.Watermark != nil || len(none.Operators) != 0 {
		t.Errorf("a task that has told nothing: %+v", none)
	}
	if want := []Line{{Operator: "input", Topic: "a", In: 10, Passed: 10, Balanced: true}, {Operator: "join", Topic: "a", In: 10, Passed: 6, Held: 2}}; !slices.Equal(st.Account, want) {
		t.Errorf("account %+v", st.Account)
	}
}

// TestThroughputOfTasks: what two snapshots have seen makes a rate, and a stream that starts
// anew none below zero.
func TestThroughputOfTasks(t *testing.T) {
	d := newDatabase(t)
	s := New(d, nil, nil)
	d.exec(`insert into tidemark_tasks (stream, task, generation) values ('s', 0, 1)`)
	tell := func(in, ago string) Stream {
		t.Helper()
		d.exec(`insert into tidemark_task_figures as f (stream, task, generation, figures, updated_at)
			values ('s', 0, 1, '{"account":[{"operator":"input","topic":"a","in":` + in + `},{"operator":"x","topic":"a","in":999999}]}', now() - interval '` + ago + `')
			on conflict (stream, task) do update set figures = excluded.figures, updated_at = excluded.updated_at`)
		return d.look(s).Streams[0]
	}
	if x := tell("1000", "5 s"); x.Throughput != 0 {
		t.Errorf("%v of one count", x.Throughput)
	}
	if x := tell("1500", "0 s"); x.Throughput < 90 || x.Throughput > 101 || x.Tasks[0].Throughput != x.Throughput {
		t.Errorf("500 events in 5 s are %v", x.Throughput)
	}
	if x := tell("3", "0 s"); x.Throughput != 0 {
		t.Errorf("anew: %v", x.Throughput)
	}
}

// TestFields holds the JSON against the page's contract: nothing but documented fields, and
// lists where there is nothing.
func TestFields(t *testing.T) {
	d := newDatabase(t)
	d.exec(`insert into tidemark_tasks (stream, task, generation) values ('s', 0, 1), ('s', 1, 1)`,
		`insert into tidemark_task_figures (stream, task, generation, figures) values ('s', 0, 1, '`+told+`')`,
		`insert into dead_letter_events (stream, topic, partition, "offset", reason) values ('s', 't', 0, 0, 'late')`)
	text, err := json.Marshal(d.look(New(d, nil, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	fields := func(at any, want string) {
		t.Helper()
		m, _ := at.(map[string]any)
		if got := slices.Sorted(maps.Keys(m)); strings.Join(got, " ") != want {
			t.Errorf("fields %v, want %s", got, want)
		}
	}
	first := func(list any) any {
		all, _ := list.([]any)
		if len(all) == 0 {
			t.Fatalf("empty in %s", text)
		}
		return all[0]
	}
	fields(v, "as_of dead_letters kafka streams")
	fields(v["kafka"], "error reachable")
	stream := first(v["streams"]).(map[string]any)
	fields(stream, "account ended lag rows stream tasks throughput watermark")
	task := first(stream["tasks"]).(map[string]any)
	fields(task, "commit ended generation holder lag offsets operators owner seq state store task throughput watermark")
	fields(task["holder"], "partition topic")
	fields(task["commit"], "at phases seconds")
	fields(task["store"], "disk_bytes keys memory_bytes")
	fields(first(task["operators"]), "keys memory_bytes operator")
	fields(first(task["offsets"]), "committed end lag newest partition topic")
	fields(first(stream["account"]), "balanced duplicate future held in invalid late operator orphan passed topic")
	fields(v["dead_letters"], "groups total")
	group := first(v["dead_letters"].(map[string]any)["groups"]).(map[string]any)
	fields(group, "count examples newest reason stream")
	fields(first(group["examples"]), "detail event_time offset partition payload seen_at topic")
	if !strings.HasPrefix(string(text), `{"as_of":`) || strings.Contains(string(text), `"offsets":null`) || strings.Contains(string(text), `"operators":null`) {
		t.Errorf("%s", text)
	}
	if bare, _ := json.Marshal(taskOf(0, nil, &survey.Task{Owner: &survey.Owner{Member: "m", Host: "h"}})); !strings.Contains(string(bare), `"owner":{"member":"m","host":"h"}`) {
		t.Errorf("%s", bare)
	}
}

// TestSilentKafka: brokers that do not answer cost a snapshot two seconds, and are left alone
// for a while; many who look at once cost one question. An end of the reader's patience is
// his own error.
func TestSilentKafka(t *testing.T) {
	d := newDatabase(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(silent.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := New(d, client, []string{"s"})
	clock := time.Now()
	s.brokers.now = func() time.Time { return clock }
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			v, err := s.Snapshot(t.Context(), nil)
			if err != nil || v.(*Snapshot).Kafka.Reachable || !strings.HasPrefix(v.(*Snapshot).Kafka.Error, "Kafka at 127.0.0.1:") {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
	all.Wait()
	if until := clock.Add(kafkaPause); !s.brokers.until.Equal(until) {
		t.Errorf("asked again at %v, want %v", s.brokers.until, until)
	}
	clock = clock.Add(kafkaPause)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Snapshot(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if v := d.look(s); v.Kafka.Error != "Kafka at "+silent.Addr().String()+" does not answer within 2s" {
		t.Errorf("%+v", v.Kafka)
	}
}

// TestAbsentKafka: what is wrong is said in one line.
func TestAbsentKafka(t *testing.T) {
	d := newDatabase(t)
	at := kit.FreeAddress(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(at))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if v := d.look(New(d, client, []string{"s"})); v.Kafka.Error != "Kafka at "+at+": dial tcp "+at+": connect: connection refused" {
		t.Errorf("%+v", v.Kafka)
	}
}
