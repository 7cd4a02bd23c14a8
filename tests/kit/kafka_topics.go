package kit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Client connects to the broker with opts besides its address, until the test ends.
func (b *Broker) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr())}, opts...)...)
	if err != nil {
		t.Fatal("kit:", err)
	}
	t.Cleanup(client.Close)
	return client
}

// Reset removes every group and every topic that is not Kafka's own, and creates
// the given topics empty, with partitions each.
func (b *Broker) Reset(t testing.TB, partitions int32, topics ...string) {
	t.Helper()
	admin := kadm.NewClient(b.Client(t))
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()

	groups, err := admin.ListGroups(ctx)
	if err != nil {
		t.Fatal("kit: listing groups:", err)
	}
	if len(groups) > 0 {
		expel(ctx, t, admin, groups.Groups())
		deleted, err := admin.DeleteGroups(ctx, groups.Groups()...)
		if err == nil {
			err = deleted.Error()
		}
		if err != nil {
			t.Fatal("kit: deleting groups:", err)
		}
	}
	// What a process had asked for when it ended may still come about.
	for left := true; left; {
		left = deleteTopics(ctx, t, admin)
		time.Sleep(settling)
		left = deleteTopics(ctx, t, admin) || left
	}
	if len(topics) > 0 {
		b.create(ctx, t, admin, partitions, topics)
	}
}

// settling is how long a request may take that nobody waits for.
const settling = 150 * time.Millisecond

// deleteTopics deletes all topics that are not Kafka's own, and tells whether there
// were any.
func deleteTopics(ctx context.Context, t testing.TB, admin *kadm.Client) bool {
	t.Helper()
	existing, err := admin.ListTopics(ctx)
	if err != nil {
		t.Fatal("kit: listing topics:", err)
	}
	var old []string
	for _, name := range existing.Names() {
		if !strings.HasPrefix(name, "__") {
			old = append(old, name)
		}
	}
	if len(old) == 0 {
		return false
	}
	deleted, err := admin.DeleteTopics(ctx, old...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) { // it was listed a moment too long
		t.Fatal("kit: deleting topics:", err)
	}
	return true
}

// expel removes the static members of groups, who stay until their session ends when
// their process has.
func expel(ctx context.Context, t testing.TB, admin *kadm.Client, groups []string) {
	t.Helper()
	described, err := admin.DescribeGroups(ctx, groups...)
	if err == nil {
		err = described.Error()
	}
	if err != nil {
		t.Fatal("kit: describing groups:", err)
	}
	for _, g := range described.Sorted() {
		var instances []string
		for _, m := range g.Members {
			if m.InstanceID != nil {
				instances = append(instances, *m.InstanceID)
			}
		}
		if len(instances) == 0 {
			continue
		}
		if _, err := admin.LeaveGroup(ctx, kadm.LeaveGroup(g.Group).InstanceIDs(instances...)); err != nil {
			t.Fatal("kit: expelling members:", err)
		}
	}
}

func (b *Broker) create(ctx context.Context, t testing.TB, admin *kadm.Client, partitions int32, topics []string) {
	t.Helper()
	created, err := admin.CreateTopics(ctx, partitions, 1, nil, topics...)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		t.Fatal("kit: creating topics:", err)
	}
	// The controller has agreed; the broker hears of it a moment later.
	Eventually(t, serverPatience, func() (bool, string) {
		ends, err := admin.ListEndOffsets(ctx, topics...)
		if err == nil {
			err = ends.Error()
		}
		return err == nil, fmt.Sprint("new topics cannot be used: ", err)
	})
}

// Records reads everything that the topics hold at this moment, in the order of
// each partition.
func (b *Broker) Records(t testing.TB, topics ...string) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	client := b.Client(t, kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatal("kit: listing offsets:", err)
	}
	missing := map[string]map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			if missing[o.Topic] == nil {
				missing[o.Topic] = map[int32]int64{}
			}
			missing[o.Topic][o.Partition] = o.Offset
		}
	})
	var records []*kgo.Record
	for left(missing) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal("kit: reading topics:", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
			if r.Offset+1 >= missing[r.Topic][r.Partition] {
				delete(missing[r.Topic], r.Partition)
			}
		})
	}
	return records
}

func left(missing map[string]map[int32]int64) (n int) {
	for _, partitions := range missing {
		n += len(partitions)
	}
	return n
}
