package cli

import (
	"errors"
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"

	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

const (
	fromName   = "from"
	asName     = "as"
	switchName = "switch"
	fileName   = "file"

	earliest = "earliest"
)

// replayCommand lets streams compute everything anew.
func replayCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "replay",
		Usage: "Let streams compute state and rows anew",
		Description: `Offsets, state, ledger and rows of a stream go together. No view counts anything twice
meanwhile, and when the command was interrupted, repeat it.

From the start of the topics: stop the streams; what they have read, remembered and
written is dropped, as by "tidemark state reset", and their next run reads from earliest.

   tidemark replay --yes && tidemark consume
   tidemark replay --yes --consumer-group tidemark-gmv

From a time on: rows of windows that end later are dropped, and computed anew by the next
run, which reads the events that they are made of. Earlier rows stay as they are.

   tidemark replay --from 2018-05-01 --yes

Beside the old rows, while the stream goes on: a stream is run to the end of its topics
under another consumer group, with tables of its own in the Postgres schema of that name.
What differs is printed. Then stop both and switch: its rows, state and offsets take the
place of the old ones, and the stream's file has to name the new group.

   tidemark replay --as tidemark-funnel-2 --file streams/analytics/funnel.yaml
   tidemark replay --as tidemark-funnel-2 --file streams/analytics/funnel.yaml --switch --yes`,
		Flags: append(resetFlags(),
			&ucli.StringFlag{Name: fromName, Value: earliest, Usage: "event time from which on rows are computed anew, such as 2018-05-01 or 2018-05-01T12:00:00Z"},
			&ucli.StringFlag{Name: asName, Usage: "compute under this consumer group, beside the old rows"},
			&ucli.StringFlag{Name: fileName, Usage: "file of the stream for --as"},
			&ucli.BoolFlag{Name: switchName, Usage: "let what --as has computed take the place of the old"},
		),
		Action: replay,
	}
}

func replay(c *ucli.Context) error {
	switch {
	case c.IsSet(asName):
		return replayBeside(c)
	case c.Bool(switchName) || c.IsSet(fileName):
		return ucli.Exit(fmt.Sprintf("--%s and --%s go with --%s", switchName, fileName, asName), 1)
	case c.String(fromName) == earliest:
		return reset(c)
	}
	from, ok := olistcsv.ParseTime(c.String(fromName), time.UTC)
	if !ok {
		return ucli.Exit(fmt.Sprintf("--%s %q is neither %s nor a time such as 2018-05-01 or 2018-05-01T12:00:00Z", fromName, c.String(fromName), earliest), 1)
	}
	return replayFrom(c, from.UTC())
}

// errNeedsRows says why a replay from a time does not work without the database.
var errNeedsRows = errors.New("a replay from a time keeps the rows before it, and asks the ledger in Postgres for them: it cannot do without")
