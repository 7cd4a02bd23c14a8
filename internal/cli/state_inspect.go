package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	statefulkafka "github.com/tidemark-streams/tidemark/plugins/stateful_kafka"
)

const (
	keyName  = "key"
	taskName = "task"
)

// Exit codes of inspect are those of grep.
const (
	exitUnknown = 1
	exitTrouble = 2
)

func stateInspectCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "inspect",
		Usage: "Tell what an operator of a stream remembers of a key",
		Description: `Reads the changelog of the consumer group as it is committed, while the stream runs or not,
and disturbs nobody. The operators are those of the stream's config: one without a label is
called by its name and its place in the list, such as dedup_1.

What the key is depends on the operator:

   join     the join's key
   dedup    the value of the field that identifies an event
   window   a time in UTC, for the windows that contain it, or the value of group_by;
            several values with commas between them

The key of a join is looked for first in the task that Kafka's default partitioner gives it;
all others in every task. Each task's changelog is read as a whole, to a temporary folder
(TMPDIR).

The exit code is 0 where something is known of the key, 1 where nothing is, and 2 after an
error.

   tidemark state inspect --consumer-group tidemark-funnel --operator orders \
     --key 53cdb2fc8bc7dce0b6741e2150273451
   tidemark state inspect --consumer-group tidemark-gmv --operator gmv --key "2018-08-29 14:20:00"
   tidemark state inspect --consumer-group tidemark-funnel --operator drop_off --key delivered`,
		Flags: []ucli.Flag{
			brokersFlag(), kafkaWaitFlag(),
			&ucli.StringFlag{Name: streamsName, Value: analyticsFolder, Usage: "folder of the streams, one of which has the consumer group"},
			&ucli.StringFlag{Name: groupName, Usage: "consumer group of the stream"},
			&ucli.StringFlag{Name: operatorName, Usage: "label of the operator"},
			&ucli.StringFlag{Name: keyName, Usage: "what to look for"},
			&ucli.IntFlag{Name: taskName, DefaultText: "all", Usage: "look in this task only"},
		},
		Action: func(c *ucli.Context) error {
			known, err := inspect(c)
			switch {
			case err != nil:
				return ucli.Exit(err.Error(), exitTrouble)
			case !known:
				return ucli.Exit("", exitUnknown)
			}
			return nil
		},
	}
}

func inspect(c *ucli.Context) (known bool, err error) {
	for _, name := range []string{groupName, operatorName, keyName} {
		if !c.IsSet(name) {
			return false, fmt.Errorf("--%s is missing", name)
		}
	}
	leave, err := enterWorkspace(c, streamsName) // configs name files such as schemas
	if err != nil {
		return false, err
	}
	defer leave()
	i := inspection{group: c.String(groupName), label: c.String(operatorName), key: c.String(keyName), task: -1, out: c.App.Writer}
	if c.IsSet(taskName) {
		if i.task = int32(c.Int(taskName)); i.task < 0 {
			return false, fmt.Errorf("--%s must not be negative", taskName)
		}
	}
	env := map[string]string{"KAFKA_BROKERS": c.String(brokersName)}
	config, err := i.config(c, env)
	if err != nil {
		return false, fmt.Errorf("streams of %s: %w", c.String(streamsName), err)
	}
	err = withKafka(c, func(client *kgo.Client) error {
		return statefulkafka.WithOperators(c.Context, config, lookup(env), func(o *statefulkafka.Operators) (err error) {
			known, err = i.run(c.Context, client, o)
			return err
		})
	})
	return known, err
}

// inspection asks what an operator remembers of a key.
type inspection struct {
	group, label, key string
	task              int32 // the only one to look in; negative for all
	out               io.Writer
}

// config is that of the stream, with nothing but its input.
func (i inspection) config(c *ucli.Context, env map[string]string) (string, error) {
	folder, err := streamFolder(c)
	if err != nil {
		return "", err
	}
	inputs, err := statefulInputs(folder, env)
	if err != nil {
		return "", err
	}
	var groups []string
	for _, in := range inputs {
		if in.input != inputOnKafka {
			continue
		}
		if in.group == strings.TrimSuffix(i.group, consoleSuffix) || in.group == i.group {
			return in.alone()
		}
		groups = append(groups, in.group)
	}
	if len(groups) == 0 {
		return "", errors.New("there is no stream with state (input stateful_kafka)")
	}
	return "", fmt.Errorf("none has consumer group %s; there are %s", i.group, strings.Join(groups, ", "))
}

// run looks in the tasks and prints what each knows.
func (i inspection) run(ctx context.Context, client *kgo.Client, o *statefulkafka.Operators) (known bool, err error) {
	if err := o.Check(i.label); err != nil {
		return false, err
	}
	tasks, err := statefulkafka.Tasks(ctx, client, i.group)
	switch {
	case err != nil:
		return false, err
	case tasks == 0:
		return false, noChangelog(i.group)
	case i.task >= tasks:
		return false, fmt.Errorf("%s has tasks 0 to %d, not %d", i.group, tasks-1, i.task)
	}
	home, first := o.HomeOf(i.label, i.key, tasks)
	for _, task := range i.order(tasks, home, first) {
		lines, err := i.look(ctx, client, o, task)
		if err != nil {
			return false, err
		}
		known = known || lines
		if first && known {
			break
		}
	}
	if !known {
		fmt.Fprintf(i.out, "Nothing is known of %q at operator %s of %s\n", i.key, i.label, i.group)
	}
	return known, nil
}

// order is the order in which tasks are looked through.
func (i inspection) order(tasks, home int32, first bool) (order []int32) {
	if i.task >= 0 {
		return []int32{i.task}
	}
	if first {
		order = append(order, home)
	}
	for task := range tasks {
		if !first || task != home {
			order = append(order, task)
		}
	}
	return order
}

// look prints what one task knows.
func (i inspection) look(ctx context.Context, client *kgo.Client, o *statefulkafka.Operators, task int32) (known bool, err error) {
	state, err := statefulkafka.CopyState(ctx, client, i.group, task)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	lines, err := o.Inspect(ctx, state, i.label, i.key)
	if err != nil || len(lines) == 0 {
		return false, err
	}
	fmt.Fprintf(i.out, "%s, task %d, watermark %s, operator %s, key %q:\n", i.group, task, watermarkText(state.Standing), i.label, i.key)
	for _, l := range lines {
		fmt.Fprintf(i.out, "  %s\n", l)
	}
	return true, nil
}

// watermarkText is a task's watermark, a dash where it has seen no record.
func watermarkText(s *statefulkafka.Standing) string {
	if s == nil || !s.HasWatermark {
		return "-"
	}
	return s.Watermark.String()
}
