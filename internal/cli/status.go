package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	ucli "github.com/urfave/cli/v2"
)

// statusTimeout bounds each question.
const statusTimeout = 2 * time.Second

func statusCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "status",
		Usage: "Say whether Kafka, Postgres and the streams are well, and which addresses to open",
		Description: `Asks all of them at once and each for two seconds at most. The exit code is 0 when the
servers are well: Kafka has its topics, Postgres its tables, and the schema registry, where
one is configured, answers. Otherwise it is 1, and a line for each trouble says what to do.
Streams that nobody runs are no trouble.

   tasks      of the stream, and how many of them a process has
   lag        records between the committed offsets and the ends of the topics
   watermark  how far event time has come in the task that is furthest behind

   tidemark status
   tidemark status --brokers localhost:29092 && make db-latest`,
		Flags: []ucli.Flag{
			brokersFlag(), dsnFlag(), registryFlag(),
			&ucli.StringFlag{Name: streamsName, Value: analyticsFolder, Usage: "folder of the streams to ask about"},
		},
		Action: showStatus,
	}
}

func showStatus(c *ucli.Context) error {
	if c.Args().Present() {
		return ucli.Exit(fmt.Sprintf("status takes no argument: %q", c.Args().First()), 1)
	}
	q, err := statusQuestions(c)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	report := q.ask(c.Context)
	if err := report.print(c.App.Writer); err != nil {
		return err
	}
	if troubles := report.troubles(); len(troubles) > 0 {
		return ucli.Exit(strings.Join(troubles, "\n"), 1)
	}
	return nil
}

// statusAsked is what to ask about.
type statusAsked struct {
	brokers    []string
	topics     []string // that have to be there
	groups     []string // consumer groups of streams
	dsn        string
	registries []string
	pages      []webPage
}

func statusQuestions(c *ucli.Context) (statusAsked, error) {
	q := statusAsked{brokers: brokers(c), dsn: c.String(dsnName), topics: allTopics(), pages: webPages()}
	if urls := c.String(registryName); urls != "" {
		q.registries = strings.Split(urls, ",")
	}
	var folder fs.FS
	folder, err := streamFolder(c)
	var inputs []statefulInput
	if err == nil {
		inputs, err = statefulInputs(folder, map[string]string{"KAFKA_BROKERS": c.String(brokersName)})
	}
	if err != nil {
		return q, fmt.Errorf("streams of %s: %w", c.String(streamsName), err)
	}
	if c.IsSet(streamsName) {
		q.topics = nil
	}
	for _, in := range inputs {
		if in.input == inputOnKafka {
			q.groups = append(q.groups, in.group)
			q.topics = append(q.topics, in.topics...)
		}
	}
	slices.Sort(q.groups)
	q.groups = slices.Compact(q.groups)
	slices.Sort(q.topics)
	q.topics = slices.Compact(q.topics)
	return q, nil
}

// serverStatus is how a server is.
type serverStatus struct {
	name, where string
	state       string // in a few words
	trouble     string // a line; empty: it is well
}

// statusReport is what the questions have brought.
type statusReport struct {
	servers []serverStatus
	streams []streamStatus
	pages   []pageStatus
}

// ask asks all at once.
func (q statusAsked) ask(ctx context.Context) statusReport {
	r := statusReport{
		servers: make([]serverStatus, 2), streams: make([]streamStatus, len(q.groups)), pages: make([]pageStatus, len(q.pages)),
	}
	if len(q.registries) > 0 {
		r.servers = append(r.servers, serverStatus{})
	}
	var all sync.WaitGroup
	ask := func(do func(context.Context)) {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			do(ctx)
		})
	}
	ask(func(ctx context.Context) { r.servers[0] = kafkaStatus(ctx, q.brokers, q.topics) })
	ask(func(ctx context.Context) { r.servers[1] = postgresStatus(ctx, q.dsn) })
	if len(q.registries) > 0 {
		ask(func(ctx context.Context) { r.servers[2] = registryStatus(ctx, q.registries) })
	}
	for i, group := range q.groups {
		ask(func(ctx context.Context) { r.streams[i] = statusOfStream(ctx, q.brokers, group) })
	}
	for i, page := range q.pages {
		ask(func(ctx context.Context) { r.pages[i] = page.status(ctx) })
	}
	all.Wait()
	return r
}

// troubles are lines of what is not well.
func (r statusReport) troubles() (lines []string) {
	for _, s := range r.servers {
		if s.trouble != "" {
			lines = append(lines, s.trouble)
		}
	}
	if len(lines) > 0 && r.servers[0].trouble != "" {
		return lines // nobody asks for more of streams on a Kafka that is not well
	}
	for _, s := range r.streams {
		if s.trouble != "" {
			lines = append(lines, s.trouble)
		}
	}
	return lines
}

func (r statusReport) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "server\taddress\tstate")
	for _, s := range r.servers {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.name, s.where, s.state)
	}
	if len(r.streams) > 0 {
		fmt.Fprintln(w, "\nstream\ttasks\trunning\tlag\twatermark")
		for _, s := range r.streams {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.stream, s.tasks, s.owned, s.lag, s.watermark)
		}
	}
	fmt.Fprintln(w, "\nto open\taddress\tstate")
	for _, p := range r.pages {
		if p.shown {
			fmt.Fprintf(w, "%s\t%s\t%s\n", p.name, p.url, p.state)
		}
	}
	return w.Flush()
}
