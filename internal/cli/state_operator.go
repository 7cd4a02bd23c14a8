package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/survey"
	statefulkafka "github.com/tidemark-streams/tidemark/plugins/stateful_kafka"
)

// resetOperator is "state reset" of one operator.
func resetOperator(c *ucli.Context) error {
	groups, label := c.StringSlice(groupName), c.String(operatorName)
	var err error
	switch {
	case label == "":
		err = fmt.Errorf("--%s names no operator", operatorName)
	case len(groups) != 1 || groups[0] == "":
		err = fmt.Errorf("--%s wants the one consumer group that has the operator: add --%s", operatorName, groupName)
	case !c.Bool("yes"):
		err = fmt.Errorf("reset deletes what operator %s of %s remembers, so that windows which are open start from zero and what it has seen counts as new, "+
			"while \"tidemark replay\" computes everything anew: repeat it with --yes", label, groups[0])
	}
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	return withKafka(c, func(client *kgo.Client) error {
		r := stateReset{kafka: client, out: c.App.Writer, patience: memberPatience}
		return r.operator(c.Context, groups[0], label)
	})
}

// operator deletes the state of one operator of a group without members, task by task.
// Each task is whole at any moment: when it was interrupted, some have the state yet.
func (r stateReset) operator(ctx context.Context, group, label string) error {
	if err := r.awaitUnused(ctx, []string{group}); err != nil {
		return err
	}
	tasks, err := statefulkafka.Tasks(ctx, r.kafka, group)
	if err != nil {
		return err
	}
	if tasks == 0 {
		return noChangelog(group)
	}
	deleted, others := int64(0), map[string]bool{}
	for task := range tasks {
		n, labels, err := r.operatorOf(ctx, group, task, label)
		if err != nil {
			return fmt.Errorf("%s, task %d: %w", group, task, err)
		}
		for _, l := range labels {
			others[l] = true
		}
		if n > 0 {
			fmt.Fprintf(r.out, "%s, task %d: deleted %s keys of operator %s\n", group, task, humanize.Comma(n), label)
		}
		deleted += n
	}
	if deleted > 0 {
		fmt.Fprintln(r.out, "Windows that were open start from zero, in their rows too, and what the operator had seen counts as new.\n"+
			"\"tidemark replay\" computes state and rows from the start instead.")
		return nil
	}
	if len(others) == 0 {
		return fmt.Errorf("no operator of %s has stored anything", group)
	}
	return fmt.Errorf("operator %q of %s has stored nothing; those that have: %s",
		label, group, strings.Join(slices.Sorted(maps.Keys(others)), ", "))
}

// operatorOf does so for one task. It returns the number of keys that it deleted, and the
// labels of the operators that had any.
func (r stateReset) operatorOf(ctx context.Context, group string, task int32, label string) (keys int64, labels []string, err error) {
	state, err := statefulkafka.CopyState(ctx, r.kafka, group, task)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	sizes, err := state.Sizes()
	if err != nil {
		return 0, nil, err
	}
	for _, s := range sizes {
		labels = append(labels, s.Operator)
	}
	if slices.Contains(labels, label) {
		keys, err = state.Forget(ctx, label)
	}
	return keys, labels, err
}

func noChangelog(group string) error {
	return fmt.Errorf("%s has no state: there is no topic %s, so no stream with this consumer group has run yet", group, survey.ChangelogTopic(group))
}
