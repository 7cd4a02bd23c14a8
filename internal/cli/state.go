package cli

import (
	"database/sql"
	"fmt"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"
)

const (
	groupName    = "consumer-group"
	operatorName = "operator"
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
folder of local stores and its rows in Postgres are deleted, in this order. When it was
interrupted, repeat it.

   tidemark state reset --yes
   tidemark state reset --yes --consumer-group tidemark-gmv
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
		&ucli.BoolFlag{Name: noPostgresName, Usage: "leave the rows in Postgres, which may refuse those of a new start until they are deleted"},
		&ucli.BoolFlag{Name: "yes", Usage: "really delete"},
	}
}

func reset(c *ucli.Context) error {
	dir, groups, err := resetTarget(c)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	return withKafka(c, func(client *kgo.Client) error {
		reset := func(db *sql.DB) error {
			return stateReset{kafka: client, db: db, dir: dir, out: c.App.Writer, patience: memberPatience}.run(c.Context, groups)
		}
		if c.Bool(noPostgresName) {
			return reset(nil)
		}
		return withDB(c, reset) // opened before anything is deleted
	})
}

// resetTarget reads from the flags what is to be reset: the groups' names, and the
// folder that holds theirs.
func resetTarget(c *ucli.Context) (dir string, groups []string, err error) {
	if !c.Bool("yes") {
		return "", nil, fmt.Errorf("%s deletes what the streams have read, remembered and written: repeat it with --yes", c.Command.Name)
	}
	if dir, err = stateDir(c); err != nil {
		return "", nil, err
	}
	if groups = c.StringSlice(groupName); len(groups) == 0 {
		folder, err := streamFolder(c)
		if err == nil {
			groups, err = streamGroups(folder, map[string]string{
				"KAFKA_BROKERS": c.String(brokersName), "POSTGRES_DSN": c.String(dsnName), stateDirEnv: dir,
			})
		}
		if err != nil {
			return "", nil, fmt.Errorf("streams of %s: %w", c.String(streamsName), err)
		}
		if len(groups) == 0 {
			return "", nil, fmt.Errorf("%s holds no stream with state (input stateful_kafka)", c.String(streamsName))
		}
	}
	for _, g := range groups {
		if !filepath.IsLocal(g) || filepath.Clean(g) != g || g == "." {
			return "", nil, fmt.Errorf("--%s %q cannot name a folder of state", groupName, g)
		}
	}
	return dir, groups, nil
}
