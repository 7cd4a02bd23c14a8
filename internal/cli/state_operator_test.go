package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (s *shop) resetOperator(label string, args ...string) (string, error) {
	s.Helper()
	return s.state(append([]string{"reset", "--consumer-group", "shop", "--operator", label}, args...)...)
}

func TestStateResetOperator(t *testing.T) {
	s := openShop(t)
	if _, err := s.resetOperator("orders", "--yes"); err == nil || !strings.Contains(err.Error(), "there is no topic shop-changelog") {
		t.Error(err)
	}
	s.trade()
	s.consume()
	before := []map[string]string{s.stored(0), s.stored(1)}

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--operator", "orders", "--consumer-group", "shop"}, "repeat it with --yes"},
		{[]string{"--operator", "orders", "--yes"}, "add --consumer-group"},
		{[]string{"--operator", "orders", "--yes", "--consumer-group", "shop", "--consumer-group", "b"}, "add --consumer-group"},
		{[]string{"--operator", "", "--yes", "--consumer-group", "shop"}, "--operator names no operator"},
		{[]string{"--operator", "order", "--yes", "--consumer-group", "shop"}, `operator "order" of shop has stored nothing; those that have: days, dedup_1, hours, orders`},
	} {
		if _, err := s.state(append([]string{"reset"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
	for p := range before {
		if !maps.Equal(s.stored(int32(p)), before[p]) {
			t.Errorf("task %d was changed", p)
		}
	}

	out, err := s.resetOperator("hours", "--yes")
	if err != nil || !strings.Contains(out, "shop, task 0: deleted 9 keys of operator hours\nshop, task 1: deleted 9 keys of operator hours\n") ||
		!strings.Contains(out, "start from zero") || !strings.Contains(out, "tidemark replay") {
		t.Errorf("%v: %s", err, out)
	}
	for p := range before {
		now := s.stored(int32(p))
		own, others := storedOf(now, "hours")
		if _, want := storedOf(before[p], "hours"); len(own) != 0 || !maps.Equal(others, want) {
			t.Errorf("task %d: %d keys of it are left, %d of the others, of %d", p, len(own), len(others), len(want))
		}
		// The marker is the same but for the generation, its second number.
		sameMarker(t, before[p]["\x00m"], now["\x00m"])
	}
	if _, err := s.resetOperator("hours", "--yes"); err == nil || !strings.Contains(err.Error(), "has stored nothing; those that have: days, dedup_1, orders") {
		t.Error(err)
	}

	// The next run goes on: what came before is in the windows by day, and not in the others.
	s.produce(order("next", "left", 26), item("next", 1, 27))
	for p := range 2 {
		r := shopRecord("orders", "", 28, `{"id":"x"}`)
		r.Partition = int32(p)
		s.produceTo(r)
	}
	s.consume()
	if hours, _ := s.inspect("hours", "2026-01-05 12:00:00"); strings.Count(hours, "items 1, orders 1;") != 1 {
		t.Error(hours)
	}
	if order, _ := s.inspect("orders", "order1"); !strings.Contains(order, "joined so far: items 2") {
		t.Error(order)
	}
}

func sameMarker(t *testing.T, before, after string) {
	t.Helper()
	split := func(m string) (generation uint64, rest []byte) {
		generation, n := binary.Uvarint([]byte(m[1:])) // behind the format version
		return generation, []byte(m[1+n:])
	}
	g1, r1 := split(before)
	g2, r2 := split(after)
	if g2 != g1+1 || !bytes.Equal(r1, r2) || before[0] != after[0] {
		t.Errorf("the marker was %x and is %x", before, after)
	}
}

// TestStateResetOperatorWhileTheStreamRuns: nothing is deleted while the group has members.
func TestStateResetOperatorWhileTheStreamRuns(t *testing.T) {
	s := openShop(t)
	s.trade()
	s.consume()
	before := s.stored(0)
	member, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.ConsumerGroup("shop"), kgo.InstanceID("host-0"), kgo.ConsumeTopics("items"))
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	for id := ""; id == ""; id, _ = member.GroupMetadata() {
		ctx, done := context.WithTimeout(t.Context(), topicGonePause)
		member.PollFetches(ctx)
		done()
	}
	var out bytes.Buffer
	err = stateReset{kafka: s.client, out: &out}.operator(t.Context(), "shop", "orders")
	if err == nil || !strings.Contains(err.Error(), "consumers run in shop (host-0 at 127.0.0.1") {
		t.Error(err)
	}
	if !maps.Equal(before, s.stored(0)) {
		t.Error("something was deleted")
	}
}

// TestStateResetOperatorIsFenced: a consumer that begins the task meanwhile stops the
// deletion, of which nothing has come about then.
func TestStateResetOperatorIsFenced(t *testing.T) {
	for end, what := range map[int]string{1: "before the deletion", 2: "in the middle of it"} {
		s := openShop(t)
		s.trade()
		s.consume()
		_, before := storedOf(s.stored(0), "")
		seen := 0
		s.cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
			s.cluster.KeepControl()
			if seen++; seen == end {
				s.cluster.SleepControl(func() {
					other, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.TransactionalID("shop-0"))
					if err != nil {
						t.Error(err)
						return
					}
					defer other.Close()
					if _, _, err := other.ProducerID(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			return nil, nil, false
		})
		_, err := s.resetOperator("orders", "--yes")
		if err == nil || !strings.Contains(err.Error(), "shop, task 0: a consumer has just begun the task") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
		if _, after := storedOf(s.stored(0), ""); !maps.Equal(before, after) {
			t.Errorf("%s: %d keys are left of %d", what, len(after), len(before))
		}
	}
}
