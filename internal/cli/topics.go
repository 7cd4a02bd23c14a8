package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	kafkaevents "github.com/tidemark-streams/tidemark/plugins/kafka_events"
)

const (
	partitionsName  = "partitions"
	replicationName = "replication-factor"
	retentionName   = "retention"
	compressionName = "compression"
)

// topicsCommand creates and shows the topics of the Olist streams.
func topicsCommand() *ucli.Command {
	wait := kafkaWaitFlag()
	return &ucli.Command{
		Name:  "topics",
		Usage: "Create, describe and repartition the Kafka topics of the Olist streams",
		Description: "Works on " + strings.Join(allTopics(), ", ") + ".\n" +
			"The names of the first three end in what " + suffixEnv + " says, if anything.\n\n" +
			"  tidemark topics create --partitions 6\n" +
			"  tidemark topics describe --brokers localhost:9092\n" +
			"  tidemark topics repartition --partitions 6",
		Subcommands: []*ucli.Command{
			{
				Name:  "create",
				Usage: "Create the topics that do not exist yet",
				Description: "Record timestamps are event times, which may lie years back. Kafka deletes records by them,\n" +
					"so by default the topics keep everything. Give a shorter retention only to topics that are\n" +
					"fed with recent events, such as a rebased replay; a size is per partition.\n\n" +
					"  tidemark topics create --partitions 3\n" +
					"  tidemark topics create --retention 7d\n" +
					"  tidemark topics create --retention 10GB --replication-factor 3",
				Flags: []ucli.Flag{
					brokersFlag(), wait,
					&ucli.IntFlag{Name: partitionsName, Value: 3, Usage: "partitions of each topic"},
					&ucli.IntFlag{Name: replicationName, Value: 1, Usage: "copies of each partition"},
					&ucli.StringFlag{Name: retentionName, Value: "-1", Usage: "how long (7d, 12h) or how much (10GB) to keep; -1 keeps everything"},
					&ucli.StringFlag{Name: compressionName, Value: "producer", Usage: "how the broker stores batches: producer (as they were sent), none, gzip, snappy, lz4, zstd"},
				},
				Action: func(c *ucli.Context) error {
					spec, err := parseTopicSpec(c)
					if err != nil {
						return ucli.Exit(err.Error(), 1)
					}
					return withKafka(c, func(client *kgo.Client) error {
						return createTopics(c.Context, client, spec, c.App.Writer)
					})
				},
			},
			{
				Name:        "describe",
				Usage:       "Show partitions, offsets and settings of the topics, and whether they fit together",
				Description: "  tidemark topics describe",
				Flags:       []ucli.Flag{brokersFlag(), wait},
				Action: func(c *ucli.Context) error {
					return withKafka(c, func(client *kgo.Client) error {
						return describeTopics(c.Context, client, c.App.Writer)
					})
				},
			},
			repartitionCommand(),
		},
	}
}

// withKafka runs do with a client that has reached a broker.
func withKafka(c *ucli.Context, do func(*kgo.Client) error) error {
	ctx, cancel := context.WithTimeout(c.Context, c.Duration(waitName))
	defer cancel()
	client, err := openKafka(ctx, brokers(c), func(line string) { fmt.Fprintln(c.App.ErrWriter, line) })
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	defer client.Close()
	if err := do(client); err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	return nil
}

// topicSpec is how topics are created.
type topicSpec struct {
	partitions  int32
	replication int16
	configs     map[string]string
}

func parseTopicSpec(c *ucli.Context) (topicSpec, error) {
	partitions, replication := c.Int(partitionsName), c.Int(replicationName)
	if partitions < 1 || partitions > 10_000 {
		return topicSpec{}, fmt.Errorf("--%s must be from 1 to 10000", partitionsName)
	}
	if replication < 1 || replication > 100 {
		return topicSpec{}, fmt.Errorf("--%s must be from 1 to 100", replicationName)
	}
	spec := keepAll(int32(partitions), int16(replication))
	if err := setRetention(spec.configs, c.String(retentionName)); err != nil {
		return topicSpec{}, err
	}
	codecs := []string{"producer", "none", "gzip", "snappy", "lz4", "zstd"}
	codec := c.String(compressionName)
	if !slices.Contains(codecs, codec) {
		return topicSpec{}, fmt.Errorf("--%s must be one of %s", compressionName, strings.Join(codecs, ", "))
	}
	if codec == "none" {
		codec = "uncompressed" // Kafka's name for it
	}
	spec.configs["compression.type"] = codec
	return spec, nil
}

// keepAll describes topics that keep every record, whatever its event time.
func keepAll(partitions int32, replication int16) topicSpec {
	return topicSpec{partitions, replication, map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "CreateTime",
	}}
}

// setRetention reads -1, a time or a size.
func setRetention(configs map[string]string, text string) error {
	if text == "-1" {
		return nil
	}
	if d, err := parseDays(text); err == nil && d > 0 {
		configs["retention.ms"] = strconv.FormatInt(d.Milliseconds(), 10)
		return nil
	}
	if strings.ContainsAny(text, "bB") {
		if n, err := humanize.ParseBytes(text); err == nil && n > 0 && n < 1<<62 {
			configs["retention.bytes"] = strconv.FormatUint(n, 10)
			return nil
		}
	}
	return fmt.Errorf("--%s %q is neither -1, nor a time such as 7d or 12h, nor a size such as 10GB", retentionName, text)
}

// parseDays reads a Go duration or a number of days.
func parseDays(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

// createTopics creates the topics that do not exist and prints a line for each.
// One that exists with another number of partitions is an error, after all others
// are done.
func createTopics(ctx context.Context, client *kgo.Client, spec topicSpec, w io.Writer) error {
	configs := map[string]*string{}
	for k, v := range spec.configs {
		configs[k] = kadm.StringPtr(v)
	}
	adm := kadm.NewClient(client)
	created, err := adm.CreateTopics(ctx, spec.partitions, spec.replication, configs, allTopics()...)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	var trouble []string
	for _, t := range allTopics() {
		r := created[t]
		switch {
		case r.Err == nil:
			fmt.Fprintf(w, "created %s: %d partitions, %s\n", t, spec.partitions, retention(spec.configs))
		case errors.Is(r.Err, kerr.TopicAlreadyExists):
			line, err := existing(ctx, adm, t, spec)
			if err != nil {
				trouble = append(trouble, err.Error())
				continue
			}
			fmt.Fprintln(w, line)
		default:
			reason := r.Err.Error()
			if r.ErrMessage != "" {
				reason = r.ErrMessage
			}
			trouble = append(trouble, fmt.Sprintf("%s was not created: %s", t, reason))
		}
	}
	if len(trouble) > 0 {
		return errors.New(strings.Join(trouble, "; "))
	}
	return nil
}

// existing compares a topic that exists with what was asked for.
func existing(ctx context.Context, adm *kadm.Client, topic string, spec topicSpec) (string, error) {
	details, err := adm.ListTopics(ctx, topic)
	if err == nil {
		err = details[topic].Err
	}
	if err != nil {
		return "", fmt.Errorf("%s exists: %w", topic, err)
	}
	if n := len(details[topic].Partitions); n != int(spec.partitions) {
		return "", fmt.Errorf("%s exists with %d partitions, not %d", topic, n, spec.partitions)
	}
	configs, err := topicConfigs(ctx, adm, topic)
	if err != nil {
		return "", err
	}
	line := fmt.Sprintf("exists %s: %d partitions, %s", topic, spec.partitions, retention(configs))
	if configs["message.timestamp.type"] == "LogAppendTime" {
		line += ", and replaces event times (message.timestamp.type=LogAppendTime)"
	}
	return line, nil
}

func topicConfigs(ctx context.Context, adm *kadm.Client, topic string) (map[string]string, error) {
	described, err := adm.DescribeTopicConfigs(ctx, topic)
	var rc kadm.ResourceConfig
	if err == nil {
		rc, err = described.On(topic, nil)
	}
	if err == nil {
		err = rc.Err
	}
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", topic, err)
	}
	configs := map[string]string{}
	for _, c := range rc.Configs {
		configs[c.Key] = c.MaybeValue()
	}
	return configs, nil
}

// retention says in words how long records live.
func retention(configs map[string]string) string {
	var limits []string
	if ms, err := strconv.ParseInt(configs["retention.ms"], 10, 64); err == nil && ms >= 0 {
		limits = append(limits, fmt.Sprintf("keeps records for %v after their event time", time.Duration(ms)*time.Millisecond))
	}
	if n, err := strconv.ParseUint(configs["retention.bytes"], 10, 63); err == nil {
		limits = append(limits, fmt.Sprintf("keeps %s a partition", humanize.Bytes(n)))
	}
	if !strings.Contains(configs["cleanup.policy"], "delete") || len(limits) == 0 {
		return "keeps every record"
	}
	return strings.Join(limits, ", ")
}

// shownConfigs are the settings that describe prints.
var shownConfigs = []string{"cleanup.policy", "compression.type", "message.timestamp.type", "retention.bytes", "retention.ms"}

// describeTopics prints offsets of every partition and the settings of every topic.
func describeTopics(ctx context.Context, client *kgo.Client, w io.Writer) error {
	missing, err := missingTopics(ctx, client, allTopics()...)
	if err != nil {
		return err
	}
	present := slices.DeleteFunc(allTopics(), func(t string) bool { return slices.Contains(missing, t) })
	if len(present) > 0 {
		if err := describePresent(ctx, kadm.NewClient(client), present, w); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s do not exist: create them with \"tidemark topics create\"", strings.Join(missing, ", "))
	}
	return nil
}

func describePresent(ctx context.Context, adm *kadm.Client, topics []string, w io.Writer) error {
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("start offsets: %w", err)
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("end offsets: %w", err)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "topic\tpartition\tstart\tend\trecords\t")
	for _, topic := range topics {
		var records int64
		for _, p := range slices.Sorted(maps.Keys(ends[topic])) {
			end, start := ends[topic][p], starts[topic][p]
			if err := errors.Join(end.Err, start.Err); err != nil {
				return fmt.Errorf("offsets of %s/%d: %w", topic, p, err)
			}
			records += end.Offset - start.Offset
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t\n", topic, p, start.Offset, end.Offset, end.Offset-start.Offset)
		}
		fmt.Fprintf(t, "%s\tall %d\t\t\t%d\t\n", topic, len(ends[topic]), records)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, topic := range topics {
		configs, err := topicConfigs(ctx, adm, topic)
		if err != nil {
			return err
		}
		parts := make([]string, len(shownConfigs))
		for i, k := range shownConfigs {
			parts[i] = k + "=" + configs[k]
		}
		fmt.Fprintf(w, "%s: %s\n", topic, strings.Join(parts, " "))
		if kafkaevents.Unfinished(func(key string) string { return configs[key] }) {
			fmt.Fprintf(w, "%s: UNFINISHED COPY, which streams refuse: \"tidemark topics repartition\" runs, or was interrupted and is to be repeated\n", topic)
		}
	}
	if line := fit(func(topic string) int { return len(ends[topic]) }); line != "" {
		fmt.Fprintln(w, line)
	}
	return nil
}

// fit says whether a stream can read the topics of events together; those that do not
// exist have no partitions and are left out. It is empty where there is none.
func fit(partitions func(topic string) int) string {
	var counts []string
	same := map[int]bool{}
	for _, topic := range eventTopics() {
		if n := partitions(topic); n > 0 {
			counts = append(counts, fmt.Sprintf("%s has %d", topic, n))
			same[n] = true
		}
	}
	switch len(same) {
	case 0:
		return ""
	case 1:
		return "partitions fit: " + strings.Join(counts, ", ")
	}
	return "partitions DO NOT FIT: " + strings.Join(counts, ", ") + "; streams that join topics need the same number: see \"tidemark topics repartition --help\""
}
