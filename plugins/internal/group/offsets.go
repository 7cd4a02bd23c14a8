package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrGeneration says that offsets were refused as the group is in another generation
// than this member thinks. The transaction is to be aborted; if the task is still the
// member's, the same set can be committed again.
var ErrGeneration = errors.New("the group has moved on")

const (
	// metadataAge is how old a topic's metadata may be. Its id never changes, unless
	// the topic is replaced by another of the same name.
	metadataAge = time.Minute
	// retryEvery is the time between two attempts while a coordinator is not ready.
	retryEvery = 50 * time.Millisecond
)

// Offsets returns a step of a Kafka transaction that is open in cl, whose
// transactional id is given: it adds offsets, with their metadata, to what the
// transaction commits. Who commits them is asked when the step is run, as well as the
// producer's id, so it may be run again in another transaction.
//
// Its error is ErrGeneration where the group refuses the member, otherwise the
// broker's own. While a coordinator is not ready it goes on until ctx ends.
func (m *Member) Offsets(transactionalID string, offsets kadm.Offsets) func(ctx context.Context, cl *kgo.Client) error {
	return func(ctx context.Context, cl *kgo.Client) error {
		topics, err := m.metadata(ctx)
		if err != nil {
			return err
		}
		if err := retry(ctx, func() error { return m.announce(ctx, cl, transactionalID) }); err != nil {
			return fmt.Errorf("group %s: add offsets to the transaction: %w", m.cfg.Group, err)
		}
		if err := retry(ctx, func() error { return m.commit(ctx, cl, transactionalID, topics, offsets) }); err != nil {
			return fmt.Errorf("group %s: commit offsets: %w", m.cfg.Group, err)
		}
		return nil
	}
}

// announce tells the coordinator of the transaction that the group takes part.
func (m *Member) announce(ctx context.Context, cl *kgo.Client, transactionalID string) error {
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.Group = transactionalID, m.cfg.Group
	var err error
	if req.ProducerID, req.ProducerEpoch, err = cl.ProducerID(ctx); err != nil {
		return err
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// commit gives the offsets to the group's coordinator, which keeps them until the
// transaction ends.
func (m *Member) commit(ctx context.Context, cl *kgo.Client, transactionalID string, topics map[string]topic, offsets kadm.Offsets) error {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group = transactionalID, m.cfg.Group
	req.MemberID, req.InstanceID, req.Generation = m.Generation()
	if req.MemberID == "" {
		return fmt.Errorf("%w: the member is not in it", ErrGeneration) // without one the coordinator would not ask
	}
	var err error
	if req.ProducerID, req.ProducerEpoch, err = cl.ProducerID(ctx); err != nil {
		return err
	}
	for name, partitions := range offsets {
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		// Which of the two is sent depends on the version that the broker speaks.
		t.Topic, t.TopicID = name, topics[name].id
		for p, o := range partitions {
			part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.Metadata = p, o.At, &o.Metadata
			t.Partitions = append(t.Partitions, part)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return classify(err)
			}
		}
	}
	return nil
}

func classify(err error) error {
	for _, e := range []error{kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.FencedInstanceID, kerr.RebalanceInProgress, kerr.GroupIDNotFound} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrGeneration, err)
		}
	}
	return err
}

// retry repeats what a coordinator is not ready for. The client does so too for a
// coordinator that moves, but not without end, and not for a transaction that the
// coordinator is still ending.
func retry(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !errors.Is(err, kerr.ConcurrentTransactions) && !errors.Is(err, kerr.CoordinatorLoadInProgress) &&
			!errors.Is(err, kerr.NotCoordinator) && !errors.Is(err, kerr.CoordinatorNotAvailable) {
			return err
		}
		t := time.NewTimer(retryEvery)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// Fetch returns the group's committed offsets by topic and partition; where none was
// committed, there is none. Those of an open transaction are not seen.
func (m *Member) Fetch(ctx context.Context) (kadm.Offsets, error) {
	resp, err := kadm.NewClient(m.cl).FetchOffsets(ctx, m.cfg.Group)
	if err == nil {
		err = resp.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // nobody has joined yet
	}
	if err != nil {
		return nil, fmt.Errorf("group %s: offsets: %w", m.cfg.Group, err)
	}
	offsets := resp.Offsets()
	offsets.DeleteFunc(func(o kadm.Offset) bool { return o.At < 0 })
	return offsets, nil
}
