package cli

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

// errUsed says that processes read with a group.
var errUsed = errors.New("consumers run in")

// unused makes sure that no process reads with one of the consumer groups. The
// error names those that do.
func unused(ctx context.Context, client *kgo.Client, groups []string) error {
	members, err := membersOf(ctx, client, groups)
	if err != nil {
		return err
	}
	var used []string
	for _, group := range groups {
		var names []string
		for _, m := range members[group] {
			names = append(names, memberName(m)+" at "+memberHost(m))
		}
		if len(names) > 0 {
			used = append(used, group+" ("+strings.Join(names, ", ")+")")
		}
	}
	if len(used) == 0 {
		return nil
	}
	return fmt.Errorf("%w %s: stop the consumers first; one that was killed counts until its session timeout",
		errUsed, strings.Join(used, ", "))
}

// membersOf are the members of consumer groups, by group. A group that does not exist
// has none.
func membersOf(ctx context.Context, client *kgo.Client, groups []string) (map[string][]kadm.DescribedGroupMember, error) {
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

// memberName is the name of a process in its group, which it keeps when it starts again.
func memberName(m kadm.DescribedGroupMember) string {
	if m.InstanceID != nil {
		return *m.InstanceID
	}
	return m.MemberID
}

func memberHost(m kadm.DescribedGroupMember) string { return strings.TrimPrefix(m.ClientHost, "/") }
