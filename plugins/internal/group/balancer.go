package group

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Protocol is the name under which members agree on the balancer.
const Protocol = "tidemark-cooperative"

// balancer spreads tasks over the members of a group, where task p is partition p of
// all topics: what goes to a member is always the whole of it.
//
// Invariants of a plan:
//
//  1. Together. Partitions with the same number go to the same member.
//  2. Balanced. Members' counts of tasks differ by one at most.
//  3. Sticky. As few tasks move as balance allows.
//  4. Nobody is given a task that another member may still hold. Such a task is left
//     out until its holder has seen that it lost it, finished it and joined again,
//     which begins the next round.
//  5. Deterministic in members, claims and counts.
//
// The client's own AdjustCooperative does not do for 4: it looks at each topic by
// itself, and may hand out one partition of a task whose others are still held.
type balancer struct {
	warn func(message string, fields ...any)
}

func (balancer) ProtocolName() string { return Protocol }

func (balancer) IsCooperative() bool { return true }

// JoinGroupMetadata carries what the member owns and in which generation it was told
// so. As the generation is part of it, a member that joins again always differs from
// what the coordinator remembers, and so begins a round even where it is no leader.
func (balancer) JoinGroupMetadata(topics []string, owned map[string][]int32, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version = 2
	meta.Topics = topics
	meta.Generation = generation
	for topic, partitions := range owned {
		o := kmsg.NewConsumerMemberMetadataOwnedPartition()
		o.Topic, o.Partitions = topic, partitions
		meta.OwnedPartitions = append(meta.OwnedPartitions, o)
	}
	slices.SortFunc(meta.OwnedPartitions, func(a, b kmsg.ConsumerMemberMetadataOwnedPartition) int {
		return cmp.Compare(a.Topic, b.Topic)
	})
	return meta.AppendTo(nil)
}

func (balancer) ParseSyncAssignment(b []byte) (map[string][]int32, error) {
	return kgo.ParseConsumerSyncAssignment(b)
}

func (b balancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	cb, err := kgo.NewConsumerBalancer(b, members)
	return cb, cb.MemberTopics(), err
}

// Balance implements kgo.ConsumerBalancerBalance.
func (b balancer) Balance(cb *kgo.ConsumerBalancer, counts map[string]int32) kgo.IntoSyncAssignment {
	topics := subscription(cb)
	var tasks int32
	for _, t := range topics {
		tasks = max(tasks, counts[t])
	}
	var shares []share
	var idle int
	claims := make([][]claim, tasks)
	for i := range cb.Members() {
		_, meta := cb.MemberAt(i)
		// A task is held as long as any of its partitions is, of whatever topic.
		held := make(map[int32]bool)
		for _, o := range meta.OwnedPartitions {
			for _, p := range o.Partitions {
				if p >= 0 && p < tasks && !held[p] {
					held[p] = true
					claims[p] = append(claims[p], claim{i, meta.Generation})
				}
			}
		}
		if slices.Equal(meta.Topics, topics) {
			shares = append(shares, share{member: i})
		} else {
			idle++
		}
	}
	if idle > 0 && b.warn != nil {
		b.warn("Members of the consumer group read other topics: they are given no tasks", "members", idle, "of", len(cb.Members()), "topics", topics)
	}
	plan := cb.NewPlan()
	for p, m := range spread(shares, claims) {
		if !free(claims[p], m) {
			continue
		}
		member, _ := cb.MemberAt(m)
		for _, t := range topics {
			if int32(p) < counts[t] {
				plan.AddPartition(member, t, int32(p))
			}
		}
	}
	return plan
}

// subscription is the sorted list of topics that the group reads. While processes are
// replaced by ones that read other topics, members differ; as a task cannot be split,
// only members that read the longest list (the first of several) are given tasks.
func subscription(cb *kgo.ConsumerBalancer) []string {
	var topics []string
	cb.EachMember(func(_ *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		n := cmp.Compare(len(meta.Topics), len(topics))
		if topics == nil || n > 0 || n == 0 && slices.Compare(meta.Topics, topics) < 0 {
			topics = meta.Topics
		}
	})
	return topics
}

// claim says that a member owned a task in a generation.
type claim struct {
	member     int
	generation int32
}

// owner is the member with the youngest claim, -1 if there is none. An older claim is
// that of a member that missed rounds.
func owner(claims []claim) int {
	best := claim{-1, -1}
	for _, c := range claims {
		if best.member < 0 || c.generation > best.generation {
			best = c
		}
	}
	return best.member
}

// free says whether member may have the task now: it owns it, or nobody says so.
func free(claims []claim, member int) bool {
	return len(claims) == 0 || owner(claims) == member
}

// share is what a member gets: the tasks it owned, how many it may have.
type share struct {
	member int
	owned  []int
	left   int
}

// spread says for each task which member shall have it.
func spread(shares []share, claims [][]claim) []int {
	if len(shares) == 0 {
		return nil
	}
	of := make(map[int]*share, len(shares))
	for i := range shares {
		of[shares[i].member] = &shares[i]
	}
	to := make([]int, len(claims))
	for p := range claims {
		to[p] = -1
		if s := of[owner(claims[p])]; s != nil {
			s.owned = append(s.owned, p)
		}
	}
	// Those who own most may keep one more where the tasks do not divide.
	byOwned := make([]*share, 0, len(shares))
	for i := range shares {
		byOwned = append(byOwned, &shares[i])
	}
	slices.SortStableFunc(byOwned, func(a, b *share) int { return cmp.Compare(len(b.owned), len(a.owned)) })
	each, more := len(claims)/len(shares), len(claims)%len(shares)
	for i, s := range byOwned {
		s.left = each
		if i < more {
			s.left++
		}
		for _, p := range s.owned[:min(s.left, len(s.owned))] {
			to[p] = s.member
			s.left--
		}
	}
	for p := range to {
		if to[p] >= 0 {
			continue
		}
		s := slices.MaxFunc(byOwned, func(a, b *share) int { return cmp.Compare(a.left, b.left) })
		to[p] = s.member
		s.left--
	}
	return to
}
