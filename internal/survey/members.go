package survey

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ChangelogTopic is the topic in which stateful_kafka keeps the state of a group.
func ChangelogTopic(group string) string { return group + "-changelog" }

// Members are the members of consumer groups, by group. A group that does not exist
// has none.
func Members(ctx context.Context, client *kgo.Client, groups []string) (map[string][]kadm.DescribedGroupMember, error) {
	members := map[string][]kadm.DescribedGroupMember{}
	if len(groups) == 0 {
		return members, nil // the broker would be asked for all of them
	}
	described, err := describeGroups(ctx, client, groups)
	if err != nil {
		return nil, fmt.Errorf("members of consumer groups: %w", err)
	}
	for _, group := range groups {
		d, ok := described[group]
		switch {
		case !ok || errors.Is(d.Err, kerr.GroupIDNotFound): // brokers before 4.0 describe it as dead
		case d.Err != nil:
			return nil, fmt.Errorf("members of consumer group %s: %w", group, d.Err)
		default:
			members[group] = d.Members
		}
	}
	return members, nil
}

// A broker that has never had a consumer group makes the topic of their offsets when it
// is asked for the first, and has no coordinator until then.
const (
	coordinatorPatience = 30 * time.Second
	coordinatorPause    = 200 * time.Millisecond
)

// describeGroups asks again while there is no coordinator.
func describeGroups(ctx context.Context, client *kgo.Client, groups []string) (kadm.DescribedGroups, error) {
	for began := time.Now(); ; {
		described, err := kadm.NewClient(client).DescribeGroups(ctx, groups...)
		missing := errors.Join(err, described.Error())
		if !errors.Is(missing, kerr.CoordinatorNotAvailable) && !errors.Is(missing, kerr.CoordinatorLoadInProgress) && !errors.Is(missing, kerr.NotCoordinator) {
			return described, err
		}
		if time.Since(began) > coordinatorPatience {
			return nil, missing
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(coordinatorPause):
		}
	}
}

// MemberName is the name of a process in its group, which it keeps when it starts again.
func MemberName(m kadm.DescribedGroupMember) string {
	if m.InstanceID != nil {
		return *m.InstanceID
	}
	return m.MemberID
}

// MemberHost is the address from which a process talks to the broker.
func MemberHost(m kadm.DescribedGroupMember) string { return strings.TrimPrefix(m.ClientHost, "/") }
