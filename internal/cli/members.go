package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/survey"
)

// errUsed says that processes read with a group.
var errUsed = errors.New("consumers run in")

// unused makes sure that no process reads with one of the consumer groups. The
// error names those that do.
func unused(ctx context.Context, client *kgo.Client, groups []string) error {
	members, err := survey.Members(ctx, client, groups)
	if err != nil {
		return err
	}
	var used []string
	for _, group := range groups {
		var names []string
		for _, m := range members[group] {
			names = append(names, survey.MemberName(m)+" at "+survey.MemberHost(m))
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
