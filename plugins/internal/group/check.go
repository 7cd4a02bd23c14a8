package group

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// check looks after a static member has joined whether all tasks are somebody's, and
// begins a round if not.
//
// The coordinator gives a static member that comes back its old assignment, without
// a round. If the process had died while it handed a task over, that task is in
// nobody's assignment, and no one would ever notice. The same holds for a topic that
// the process reads only since it came back.
func (m *Member) check() {
	for {
		if err := m.pause(m.ctx, 2*m.heartbeat); err != nil {
			return
		}
		settled, missing, err := m.missing(m.ctx)
		if m.ctx.Err() != nil {
			return
		}
		switch {
		case err != nil:
			m.warn("Kafka does not tell whether all tasks are assigned", "error", err)
		case !settled:
		case missing == 0:
			return
		default:
			m.cl.ForceRebalance()
		}
	}
}

// missing counts the partitions that no member has or is handing over. It is settled
// when no round is under way.
func (m *Member) missing(ctx context.Context) (settled bool, missing int, err error) {
	partitions, err := m.metadata(ctx)
	if err != nil {
		return false, 0, err
	}
	g, err := m.describe(ctx)
	if err != nil || g.State != "Stable" {
		return false, 0, err
	}
	for _, member := range g.Members {
		assigned, ok := member.Assigned.AsConsumer()
		if !ok {
			return false, 0, fmt.Errorf("the assignment of member %s is not a consumer's", member.MemberID)
		}
		for _, t := range assigned.Topics {
			for _, p := range t.Partitions {
				delete(partitions[t.Topic].partitions, p)
			}
		}
		// What a member had when it joined and was not assigned again, it is handing
		// over, and will join again to say so. One that came back had nothing.
		joined, ok := member.Join.AsConsumer()
		if !ok {
			return false, 0, fmt.Errorf("member %s is not a consumer", member.MemberID)
		}
		for _, t := range joined.OwnedPartitions {
			for _, p := range t.Partitions {
				delete(partitions[t.Topic].partitions, p)
			}
		}
	}
	for _, t := range partitions {
		missing += len(t.partitions)
	}
	return true, missing, nil
}

// topic is what the cluster knows of a topic.
type topic struct {
	id         [16]byte
	partitions map[int32]bool
}

func (m *Member) metadata(ctx context.Context) (map[string]topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range m.cfg.Topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, rt)
	}
	resp, err := m.cl.RequestCachedMetadata(ctx, req, metadataAge)
	if err != nil {
		return nil, fmt.Errorf("group %s: topics: %w", m.cfg.Group, err)
	}
	topics := make(map[string]topic, len(resp.Topics))
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		partitions := make(map[int32]bool, len(t.Partitions))
		for _, p := range t.Partitions {
			partitions[p.Partition] = true
		}
		topics[*t.Topic] = topic{t.TopicID, partitions}
	}
	return topics, nil
}
