package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// errUsed says that processes read with a group.
var errUsed = errors.New("consumers run in")

// unused makes sure that no process reads with one of the consumer groups. The
// error names those that do.
func unused(ctx context.Context, client *kgo.Client, groups []string) error {
	if len(groups) == 0 {
		return nil // the broker would be asked for all of them
	}
	described, err := kadm.NewClient(client).DescribeGroups(ctx, groups...)
	if err != nil {
		return fmt.Errorf("members of consumer groups: %w", err)
	}
	var used []string
	for _, group := range groups {
		d, ok := described[group]
		switch {
		case !ok || errors.Is(d.Err, kerr.GroupIDNotFound): // brokers before 4.0 describe it as dead
			continue
		case d.Err != nil:
			return fmt.Errorf("members of consumer group %s: %w", group, d.Err)
		}
		var members []string
		for _, m := range d.Members {
			name := m.MemberID
			if m.InstanceID != nil {
				name = *m.InstanceID
			}
			members = append(members, name+" at "+strings.TrimPrefix(m.ClientHost, "/"))
		}
		if len(members) > 0 {
			used = append(used, group+" ("+strings.Join(members, ", ")+")")
		}
	}
	if len(used) == 0 {
		return nil
	}
	return fmt.Errorf("%w %s: stop the consumers first; one that was killed counts until its session timeout",
		errUsed, strings.Join(used, ", "))
}
