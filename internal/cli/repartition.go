package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/repartition"
)

const (
	topicFlagName = "topic"
	suffixName    = "suffix"
	settleName    = "settle"
)

func repartitionCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "repartition",
		Usage: "Copy topics into new ones with another number of partitions",
		Description: "Keys are hashed to partitions, and streams keep the state of a key where its partition is. So\n" +
			"streams refuse topics whose number of partitions has changed. This command copies each topic into a\n" +
			"new one in which every record lies where producers would put it now, in event-time order, with its\n" +
			"key, value, headers and timestamp. The copies are read back and compared, and the command says how\n" +
			"to switch to them. Old topics are only read. The same number of partitions is allowed: it puts in\n" +
			"order what partitions that were added to a topic have mixed up.\n\n" +
			"It ends when the old topics stand still, so stop their producers while it runs. Interrupted, it is\n" +
			"simply repeated: it deletes the unfinished copies, which nothing of Tidemark reads, and begins anew.\n\n" +
			"  tidemark topics repartition --partitions 6\n" +
			"  tidemark topics repartition --partitions 12 --suffix .v2\n" +
			"  tidemark topics repartition --partitions 6 --topic shop.clicks --topic shop.visits",
		Flags: []ucli.Flag{
			brokersFlag(), kafkaWaitFlag(),
			&ucli.IntFlag{Name: partitionsName, Usage: "partitions of each new topic"},
			&ucli.StringSliceFlag{Name: topicFlagName, Usage: "copy this topic instead of those of the Olist events; may be given several times"},
			&ucli.StringFlag{Name: suffixName, Usage: "what the names of the new topics end in; .p6 for 6 partitions unless given"},
			&ucli.DurationFlag{Name: settleName, Value: 2 * time.Second, Usage: "how long a topic must not grow to be taken for complete"},
		},
		Action: func(c *ucli.Context) error {
			plan, err := parseRepartition(c)
			if err != nil {
				return ucli.Exit(err.Error(), 1)
			}
			ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			c.Context = ctx
			return withKafka(c, func(client *kgo.Client) error {
				return plan.run(ctx, client, brokers(c), c.App.Writer, c.App.ErrWriter)
			})
		},
	}
}

// repartitionPlan is what the flags ask for.
type repartitionPlan struct {
	pairs      []repartition.Pair
	partitions int32
	suffix     string
	shipped    bool // the topics are those of the shipped streams
	settle     time.Duration
}

// suffixPattern is what names of topics may be made of.
var (
	suffixPattern = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	countSuffix   = regexp.MustCompile(`\.p[0-9]+$`)
)

const longestTopic = 249 // characters

func parseRepartition(c *ucli.Context) (p repartitionPlan, err error) {
	n := c.Int(partitionsName)
	if n < 1 || n > 10_000 {
		return p, fmt.Errorf("--%s must be given, from 1 to 10000", partitionsName)
	}
	p.partitions, p.settle = int32(n), c.Duration(settleName)
	if p.settle < 0 {
		return p, fmt.Errorf("--%s must not be negative", settleName)
	}
	p.suffix = cmp.Or(c.String(suffixName), fmt.Sprintf(".p%d", n))
	if !suffixPattern.MatchString(p.suffix) {
		return p, fmt.Errorf("--%s %q: names of topics are made of letters, digits, '.', '_' and '-'", suffixName, p.suffix)
	}
	topics := c.StringSlice(topicFlagName)
	if p.shipped = len(topics) == 0; p.shipped {
		topics = eventTopics()
	}
	for _, from := range topics {
		to := originalName(from) + p.suffix
		switch {
		case slices.ContainsFunc(p.pairs, func(q repartition.Pair) bool { return q.From == from || q.To == to }):
			return p, fmt.Errorf("--%s %s would be copied to %s twice", topicFlagName, from, to)
		case slices.Contains(topics, to):
			return p, fmt.Errorf("%s would be copied to %s: choose another --%s", from, to, suffixName)
		case len(to) > longestTopic:
			return p, fmt.Errorf("%s is too long for the name of a topic", to)
		}
		p.pairs = append(p.pairs, repartition.Pair{From: from, To: to})
	}
	return p, nil
}

// originalName is the name of a topic before it was copied, so that the copy of a copy
// bears one suffix.
func originalName(topic string) string {
	if name, ok := strings.CutSuffix(topic, os.Getenv(suffixEnv)); ok && name != topic && name != "" {
		return name
	}
	return countSuffix.ReplaceAllString(topic, "")
}

func (p repartitionPlan) run(ctx context.Context, client *kgo.Client, brokers []string, out, errOut io.Writer) error {
	show := newProgress(errOut)
	job := &repartition.Job{
		Client:  client,
		Options: []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ClientID("tidemark"), kgo.DisableClientMetrics()},
		Pairs:   p.pairs, Partitions: p.partitions, Settings: keepAll(p.partitions, 1).configs, Settle: p.settle,
		Log:      func(line string) { fmt.Fprintln(show, line) },
		Progress: &repartition.Progress{},
	}
	begun := time.Now()
	watch, watched := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		show.run(watch, func() (s progressState) {
			s.done, s.total, s.verb = job.Progress.State()
			return s
		})
	}()
	copies, err := job.Run(ctx)
	watched()
	<-finished
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: nothing has changed but for unfinished copies, which the next run deletes")
	case err != nil:
		return err
	}
	return p.report(out, copies, time.Since(begun))
}

// report prints what was copied, and how to go on.
func (p repartitionPlan) report(out io.Writer, copies []repartition.Copied, took time.Duration) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "topic\tpartitions\trecords\tchecksum")
	var records int64
	for _, c := range copies {
		records += c.Read.Records
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", c.From, c.Old, humanize.Comma(c.Read.Records), c.Read.Checksum())
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", c.To, p.partitions, humanize.Comma(c.Stored.Records), c.Stored.Checksum())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "copied %s records and read them back in %v: counts and checksums agree\n", humanize.Comma(records), took.Round(10*time.Millisecond))
	for _, c := range copies {
		if c.Skipped > 0 {
			fmt.Fprintf(out, "%s: %s offsets hold no record, which belonged to aborted transactions or was deleted meanwhile\n", c.From, humanize.Comma(c.Skipped))
		}
		if c.Keyless > 0 {
			fmt.Fprintf(out, "%s: %s records have no key and were spread over all partitions\n", c.From, humanize.Comma(c.Keyless))
		}
		if c.Meanwhile > 0 {
			fmt.Fprintf(out, "%s: has grown by %s offsets meanwhile, which were copied too: make sure that its producers are stopped\n", c.From, humanize.Comma(c.Meanwhile))
		}
	}
	names := "name the new topics in the streams and to the producers"
	if p.shipped {
		names = fmt.Sprintf("export %s=%s, for consumers and producers", suffixEnv, p.suffix)
	}
	fmt.Fprintf(out, `
To switch, while no producer runs (what is produced to the old topics now is not in the new ones):
  1. stop the consumers
  2. %s
  3. tidemark replay --yes, which drops state and rows: both are computed anew
  4. start the consumers, then the producers
To stay with the old topics, delete the new ones. Once you have switched, delete the old ones.
`, names)
	return nil
}
