package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/survey"
)

const (
	topicsName    = "topics"
	sizeName      = "size"
	operatorsName = "operators"
	jsonName      = "json"
)

func stateListCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "list",
		Usage: "List the tasks of the streams: who has them, how far they are, what they have stored",
		Description: `A line for each task of each consumer group, as it was at its last commit, which the
changelog tells. Streams may run meanwhile: nothing is written and nobody is disturbed.

   owner       the process of the group that has the task now
   lag         records between the committed offsets and the ends of the topics, where the
               marks by which transactions end count as records
   offsets     what the group has committed: ok; expired, as Kafka drops the offsets of an
               idle group, where the state still has them and the next run goes by those;
               moved, where somebody has set them, and the next run refuses to start
   watermark   how far event time has come
   generation  how often the task has been begun
   seq         number of its last committed emission

--size and --operators read the changelog as a whole, to a temporary folder (TMPDIR): seconds
for a million keys. Without them a few records are read of each task.

   tidemark state list
   tidemark state list --topics --operators
   tidemark state list --consumer-group tidemark-gmv --json`,
		Flags: []ucli.Flag{
			brokersFlag(), kafkaWaitFlag(),
			&ucli.StringFlag{Name: streamsName, Value: analyticsFolder, Usage: "folder of the streams to list"},
			&ucli.StringSliceFlag{Name: groupName, Usage: "list this consumer group only; may be given several times"},
			&ucli.BoolFlag{Name: topicsName, Usage: "list offsets, ends and lag by topic, too"},
			&ucli.BoolFlag{Name: sizeName, Usage: "count the keys that are stored, and their bytes with the values"},
			&ucli.BoolFlag{Name: operatorsName, Usage: "list keys and bytes by operator, too"},
			&ucli.BoolFlag{Name: jsonName, Usage: "print everything as JSON"},
		},
		Action: stateList,
	}
}

func stateList(c *ucli.Context) error {
	groups, err := listedGroups(c)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	return withKafka(c, func(client *kgo.Client) error {
		sizes := c.Bool(sizeName) || c.Bool(operatorsName)
		streams, err := survey.Survey{Client: client, Sizes: sizes}.Streams(c.Context, groups)
		if err != nil {
			return err
		}
		if c.Bool(jsonName) {
			e := json.NewEncoder(c.App.Writer)
			e.SetIndent("", "  ")
			return e.Encode(streams)
		}
		return listing{streams, c.App.Writer}.print(c.Bool(topicsName), sizes, c.Bool(operatorsName))
	})
}

func listedGroups(c *ucli.Context) ([]string, error) {
	if groups := c.StringSlice(groupName); len(groups) > 0 {
		return groups, nil
	}
	folder, err := streamFolder(c)
	var groups []string
	if err == nil {
		groups, err = streamGroups(folder, map[string]string{"KAFKA_BROKERS": c.String(brokersName)})
	}
	if err != nil {
		return nil, fmt.Errorf("streams of %s: %w", c.String(streamsName), err)
	}
	if len(groups) == 0 {
		return nil, fmt.Errorf("%s holds no stream with state (input stateful_kafka)", c.String(streamsName))
	}
	return groups, nil
}

// listing prints what a survey has found.
type listing struct {
	streams []survey.Stream
	out     io.Writer
}

func (l listing) print(topics, sizes, operators bool) error {
	if err := l.tasks(sizes); err != nil {
		return err
	}
	if topics {
		if err := l.topics(); err != nil {
			return err
		}
	}
	if operators {
		if err := l.operators(); err != nil {
			return err
		}
	}
	for _, s := range l.streams {
		if !s.Exists {
			fmt.Fprintf(l.out, "%s: no changelog yet (topic %s): the stream has not run\n", s.Stream, s.Changelog)
		}
	}
	return nil
}

func (l listing) tasks(sizes bool) error {
	header := "stream\ttask\towner\tlag\toffsets\twatermark\tgeneration\tseq\t"
	if sizes {
		header += "keys\tbytes\t"
	}
	return l.table(header, func(w io.Writer, s *survey.Stream, t *survey.Task) {
		owner := "none"
		if t.Owner != nil {
			owner = t.Owner.Member + " at " + t.Owner.Host
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t", s.Stream, t.Task, owner, orDash(t.Lag), t.Offsets,
			textOrDash(t.Watermark), orDash(t.Generation), orDash(t.Seq))
		if sizes {
			fmt.Fprintf(w, "%s\t%s\t", orDash(t.Keys), bytesOrDash(t.Bytes))
		}
		fmt.Fprintln(w)
	})
}

func (l listing) topics() error {
	return l.table("\nstream\ttask\ttopic\tcommitted\tstate\tend\tlag\tnewest\t", func(w io.Writer, s *survey.Stream, t *survey.Task) {
		for _, p := range t.Topics {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Stream, t.Task, p.Topic,
				orDash(p.Committed), orDash(p.State), orDash(p.End), orDash(p.Lag), textOrDash(p.Newest))
		}
	})
}

func (l listing) operators() error {
	return l.table("\nstream\ttask\toperator\tkeys\tbytes\t", func(w io.Writer, s *survey.Stream, t *survey.Task) {
		for _, o := range t.Operators {
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\t\n", s.Stream, t.Task, o.Operator, o.Keys, humanize.IBytes(uint64(o.Bytes)))
		}
	})
}

// table prints lines under a header, if there are tasks.
func (l listing) table(header string, lines func(io.Writer, *survey.Stream, *survey.Task)) error {
	w := tabwriter.NewWriter(l.out, 0, 8, 2, ' ', tabwriter.AlignRight)
	headed := false
	for i := range l.streams {
		s := &l.streams[i]
		for k := range s.Tasks {
			if !headed {
				fmt.Fprintln(w, header)
				headed = true
			}
			lines(w, s, &s.Tasks[k])
		}
	}
	return w.Flush()
}

func orDash(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

func bytesOrDash(n *int64) string {
	if n == nil {
		return "-"
	}
	return humanize.IBytes(uint64(*n))
}

func textOrDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}
