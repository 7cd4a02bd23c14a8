package cli

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/plugins"
)

const (
	groupName      = "consumer-group"
	diskStreamName = "stream"
	operatorName   = "operator"
)

// stateCommand works on what the streams remember.
func stateCommand() *ucli.Command {
	return &ucli.Command{
		Name:        "state",
		Usage:       "Show and drop what the streams remember",
		Description: "  tidemark state list\n  tidemark state inspect --consumer-group tidemark-funnel --operator orders --key 53cdb2fc8bc7dce0b6741e2150273451\n  tidemark state reset --yes",
		Subcommands: []*ucli.Command{stateListCommand(), stateInspectCommand(), stateResetCommand()},
	}
}

func stateResetCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "reset",
		Usage: "Drop state and rows of the streams, so that their next run starts from earliest",
		Description: `Stop the streams first. For each consumer group, its offsets, its changelog topic, its
folder of local stores and its rows in Postgres are deleted, in this order; of a stream of the
input stateful, which needs no Kafka, its folder and its rows. When it was interrupted, repeat it.

   tidemark state reset --yes
   tidemark state reset --yes --consumer-group tidemark-gmv
   tidemark state reset --yes --stream olist      of the input stateful
   tidemark state reset --yes --no-postgres       of streams that write elsewhere

With --operator, only what that operator of one consumer group remembers is deleted, in one
transaction per task. Offsets, rows and the other operators' state stay, so the next run
goes on where the last one stopped: windows that were open start from zero, and events that
a dedup or a join had seen count as new. "tidemark replay" computes everything anew instead.

   tidemark state reset --yes --consumer-group tidemark-gmv --operator dedup`,
		Flags: append(resetFlags(), &ucli.StringFlag{Name: operatorName, Usage: "drop the state of the operator with this label only"}),
		Action: func(c *ucli.Context) error {
			if c.IsSet(operatorName) {
				return resetOperator(c)
			}
			return reset(c)
		},
	}
}

func resetFlags() []ucli.Flag {
	return []ucli.Flag{
		brokersFlag(), dsnFlag(), kafkaWaitFlag(), stateDirFlag(),
		&ucli.StringFlag{Name: streamsName, Value: analyticsFolder, Usage: "folder of the streams whose state is dropped"},
		&ucli.StringSliceFlag{Name: groupName, Usage: "drop the state of this consumer group only; may be given several times"},
		&ucli.StringSliceFlag{Name: diskStreamName, Usage: "drop the state of this stream of the input stateful only; may be given several times"},
		&ucli.BoolFlag{Name: noPostgresName, Usage: "leave the rows in Postgres, which may refuse those of a new start until they are deleted"},
		&ucli.BoolFlag{Name: "yes", Usage: "really delete"},
	}
}

func reset(c *ucli.Context) error {
	target, err := resetTargetOf(c)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	work := func(client *kgo.Client) error {
		reset := func(db *sql.DB) error {
			return target.reset(c.Context, stateReset{kafka: client, db: db, dir: target.dir, out: c.App.Writer, patience: memberPatience})
		}
		if c.Bool(noPostgresName) {
			return reset(nil)
		}
		return withDB(c, reset) // opened before anything is deleted
	}
	if len(target.groups) == 0 {
		return work(nil)
	}
	return withKafka(c, work)
}

// resetTarget is what is to be reset: streams by their names, and the folder that holds
// theirs.
type resetTarget struct {
	dir     string
	groups  []string // consumer groups
	streams []string // of the input stateful
}

// reset resets all, and deletes nothing while one of them is in use.
func (t resetTarget) reset(ctx context.Context, r stateReset) error {
	free, err := t.hold()
	defer free()
	if err != nil {
		return err
	}
	if len(t.groups) > 0 {
		if err := r.run(ctx, t.groups); err != nil {
			return err
		}
	}
	return r.runOnDisk(ctx, t.streams)
}

// hold keeps the folders of streams on the disk from being used, until free is called.
func (t resetTarget) hold() (free func(), err error) {
	var locks []io.Closer
	free = func() {
		for _, l := range locks {
			_ = l.Close() // its folder is gone
		}
	}
	for _, name := range t.streams {
		dir := filepath.Join(t.dir, name)
		if !isDir(dir) {
			continue
		}
		l, err := plugins.LockState(dir)
		if err != nil {
			return free, fmt.Errorf("stream %s: stop it first: %w", name, err)
		}
		locks = append(locks, l)
	}
	return free, nil
}

// resetTargetOf reads from the flags what is to be reset.
func resetTargetOf(c *ucli.Context) (t resetTarget, err error) {
	if !c.Bool("yes") {
		return t, fmt.Errorf("%s deletes what the streams have read, remembered and written: repeat it with --yes", c.Command.Name)
	}
	if t.dir, err = stateDir(c); err != nil {
		return t, err
	}
	t.groups, t.streams = c.StringSlice(groupName), c.StringSlice(diskStreamName)
	if len(t.groups)+len(t.streams) == 0 {
		env := map[string]string{"KAFKA_BROKERS": c.String(brokersName), "POSTGRES_DSN": c.String(dsnName), stateDirEnv: t.dir}
		folder, err := streamFolder(c)
		if err == nil {
			t.groups, err = streamGroups(folder, env)
		}
		if err == nil {
			t.streams, err = streamNames(folder, env, inputOnDisk)
		}
		if err != nil {
			return t, fmt.Errorf("streams of %s: %w", c.String(streamsName), err)
		}
		if len(t.groups)+len(t.streams) == 0 {
			return t, fmt.Errorf("%s holds no stream with state (input stateful_kafka or stateful)", c.String(streamsName))
		}
	}
	for flag, names := range map[string][]string{groupName: t.groups, diskStreamName: t.streams} {
		for _, n := range names {
			if !filepath.IsLocal(n) || filepath.Clean(n) != n || n == "." {
				return t, fmt.Errorf("--%s %q cannot name a folder of state", flag, n)
			}
		}
	}
	return t, nil
}
