package statefulkafka

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// simStep is something that a process does to the world, and at which it can be
// struck. Most are requests to Kafka; as a process produces to the
// changelog only, the first six are the steps of a commit.
type simStep string

const (
	simProduce    simStep = "changelog" // the changes and the marker
	simAddOffsets simStep = "add offsets"
	simOffsets    simStep = "commit offsets"
	simAddParts   simStep = "add partitions" // older brokers only, before the changes
	simEndTxn     simStep = "end transaction"
	simAdvance    simStep = "ledger advance"

	simFence     simStep = "fence"
	simJoin      simStep = "join"
	simSync      simStep = "sync"
	simHeartbeat simStep = "heartbeat"
	simFetched   simStep = "fetch offsets"
	simEnds      simStep = "list offsets"
	simFetch     simStep = "fetch"
	simFind      simStep = "find coordinator"
	simMeta      simStep = "metadata"

	simBegin simStep = "ledger begin"
	simWrite simStep = "write rows"
)

// simKeys are the requests of the steps.
var simKeys = map[kmsg.Key]simStep{
	kmsg.Produce: simProduce, kmsg.AddOffsetsToTxn: simAddOffsets, kmsg.TxnOffsetCommit: simOffsets, kmsg.EndTxn: simEndTxn,
	kmsg.AddPartitionsToTxn: simAddParts, kmsg.InitProducerID: simFence, kmsg.JoinGroup: simJoin, kmsg.SyncGroup: simSync, kmsg.Heartbeat: simHeartbeat, kmsg.OffsetFetch: simFetched,
	kmsg.ListOffsets: simEnds, kmsg.Fetch: simFetch, kmsg.FindCoordinator: simFind, kmsg.Metadata: simMeta,
}

// simDeadly are the steps at which processes die, the more often the more a crash
// there could do.
var simDeadly = []simStep{
	simProduce, simProduce, simAddParts, simAddOffsets, simAddOffsets, simOffsets, simOffsets, simEndTxn, simEndTxn, simEndTxn,
	simAdvance, simAdvance, simWrite, simWrite, simBegin, simFence, simJoin, simSync, simFetched, simHeartbeat, simFetch,
}

// simWired are the steps that the network strikes.
var simWired = []simStep{
	simProduce, simProduce, simAddParts, simAddOffsets, simOffsets, simEndTxn, simEndTxn, simEndTxn, simFence,
	simJoin, simSync, simHeartbeat, simFetched, simEnds, simFetch, simFind, simMeta,
}

// simMust are the steps that a simulation is not worth its name without.
var simMust = []simStep{simFence, simBegin, simWrite, simAddParts, simProduce, simAddOffsets, simOffsets, simEndTxn, simAdvance}

// simForgets is the answer of a broker that confirms a commit and does not carry it out,
// as one that stops just then may. Whoever fences next finds the transaction open, and it
// is aborted.
var simForgets = &kerr.Error{Message: "SUCCESS AND FORGETS"}

// simErrors are what brokers answer instead. REQUEST_TIMED_OUT comes after the work
// was done, all others in place of it.
var simErrors = []struct {
	key kmsg.Key
	err *kerr.Error
}{
	{kmsg.Produce, kerr.NotLeaderForPartition}, {kmsg.Produce, kerr.NotEnoughReplicasAfterAppend}, {kmsg.Produce, kerr.NotEnoughReplicas},
	{kmsg.Produce, kerr.RequestTimedOut}, {kmsg.Produce, kerr.KafkaStorageError}, {kmsg.Produce, kerr.InvalidProducerEpoch},
	{kmsg.Produce, kerr.ConcurrentTransactions}, {kmsg.Produce, kerr.OutOfOrderSequenceNumber},
	{kmsg.AddOffsetsToTxn, kerr.ConcurrentTransactions}, {kmsg.AddOffsetsToTxn, kerr.CoordinatorNotAvailable},
	{kmsg.AddOffsetsToTxn, kerr.CoordinatorLoadInProgress}, {kmsg.AddOffsetsToTxn, kerr.NotCoordinator}, {kmsg.AddOffsetsToTxn, kerr.InvalidProducerEpoch},
	{kmsg.TxnOffsetCommit, kerr.ConcurrentTransactions}, {kmsg.TxnOffsetCommit, kerr.CoordinatorNotAvailable}, {kmsg.TxnOffsetCommit, kerr.NotCoordinator},
	{kmsg.TxnOffsetCommit, kerr.IllegalGeneration}, {kmsg.TxnOffsetCommit, kerr.UnknownMemberID}, {kmsg.TxnOffsetCommit, kerr.RebalanceInProgress},
	{kmsg.TxnOffsetCommit, kerr.CoordinatorLoadInProgress}, {kmsg.TxnOffsetCommit, kerr.RequestTimedOut},
	{kmsg.EndTxn, kerr.ConcurrentTransactions}, {kmsg.EndTxn, kerr.CoordinatorNotAvailable}, {kmsg.EndTxn, kerr.NotCoordinator},
	{kmsg.EndTxn, kerr.CoordinatorLoadInProgress}, {kmsg.EndTxn, kerr.RequestTimedOut}, {kmsg.EndTxn, kerr.UnknownServerError}, {kmsg.EndTxn, kerr.InvalidProducerEpoch},
	{kmsg.EndTxn, simForgets}, {kmsg.EndTxn, simForgets}, {kmsg.EndTxn, simForgets},
	{kmsg.InitProducerID, kerr.ConcurrentTransactions}, {kmsg.InitProducerID, kerr.CoordinatorNotAvailable}, {kmsg.InitProducerID, kerr.NotCoordinator},
	{kmsg.Fetch, kerr.NotLeaderForPartition}, {kmsg.Fetch, kerr.KafkaStorageError}, {kmsg.Fetch, kerr.UnknownServerError},
	{kmsg.ListOffsets, kerr.LeaderNotAvailable}, {kmsg.ListOffsets, kerr.UnknownServerError},
	{kmsg.JoinGroup, kerr.CoordinatorNotAvailable}, {kmsg.JoinGroup, kerr.UnknownMemberID}, {kmsg.SyncGroup, kerr.RebalanceInProgress},
	{kmsg.SyncGroup, kerr.NotCoordinator}, {kmsg.SyncGroup, kerr.UnknownMemberID},
	{kmsg.Heartbeat, kerr.RebalanceInProgress}, {kmsg.Heartbeat, kerr.UnknownMemberID}, {kmsg.Heartbeat, kerr.IllegalGeneration}, {kmsg.Heartbeat, kerr.CoordinatorNotAvailable},
	{kmsg.OffsetFetch, kerr.CoordinatorLoadInProgress}, {kmsg.OffsetFetch, kerr.NotCoordinator}, {kmsg.OffsetFetch, kerr.UnstableOffsetCommit},
	{kmsg.FindCoordinator, kerr.CoordinatorNotAvailable},
}

// strike does to the cluster what the plan says, and returns how to take it back.
func (t simTrouble) strike(c *kfake.Cluster) (end func() (hits int)) {
	switch t.error - len(simErrors) {
	case 0:
		c.ShufflePartitionLeaders()
	case 1:
		c.RehashCoordinators()
	case 2:
		hits := simCompact(c)
		return func() int { return hits }
	default:
		e := simErrors[t.error]
		f := kfake.Fault{Keys: []kmsg.Key{e.key}, Err: e.err, Count: t.count, When: ofProcess}
		if e.key == kmsg.Produce {
			f.Topic = simChangelog
		}
		if e.err == simForgets {
			f.When = func(r kmsg.Request) bool { return ofProcess(r) && r.(*kmsg.EndTxnRequest).Commit }
		}
		h := c.Fault(f)
		return func() int {
			h.Remove()
			return h.Hits()
		}
	}
	return func() int { return 1 }
}

// simCompact compacts when no transaction is open, waiting a second for that: brokers
// leave alone what is not stable, where this one takes it for committed.
func simCompact(c *kfake.Cluster) (hits int) {
	for range 100 {
		if !slices.ContainsFunc(c.PartitionInfos(simChangelog), func(p *kfake.PartitionInfo) bool { return p.LastStableOffset < p.HighWatermark }) {
			c.Compact()
			return 1
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0
}

// ofProcess spares the producer of the records, which is no part of what is tested.
func ofProcess(r kmsg.Request) bool {
	switch r := r.(type) {
	case *kmsg.InitProducerIDRequest:
		return r.TransactionalID == nil || *r.TransactionalID != simProducer
	case *kmsg.EndTxnRequest:
		return r.TransactionalID != simProducer
	}
	return true
}

// simCounts tells how often steps were struck.
type simCounts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *simCounts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[what] += n
}

func (c *simCounts) merge(from *simCounts) {
	for what, n := range from.n {
		c.add(what, n)
	}
}

func (c *simCounts) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func (c *simCounts) String() (text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for what, n := range c.n {
		list = append(list, fmt.Sprintf("%s %d", what, n))
	}
	slices.Sort(list)
	for _, l := range list {
		text += "  " + l + "\n"
	}
	return text
}

func deathAt(what string, s simStep, after bool) string {
	if after {
		return what + " after " + string(s)
	}
	return what + " before " + string(s)
}

// simPause sleeps, unless done closes before.
func simPause(d time.Duration, done <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}
