package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	ucli "github.com/urfave/cli/v2"

	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

// produceStream is the stream that produce runs.
var produceStream = filepath.Join("streams", "producer", "olist.yaml")

// produceFlag is a flag of produce and the variable of the stream that it sets.
type produceFlag struct{ name, env, value, usage string }

var produceFlags = []produceFlag{
	{"dataset-dir", "TIDEMARK_DATASET_DIR", "./dataset", "folder of the Olist CSV files"},
	{"speed", "TIDEMARK_SPEED", "max", "event-time seconds in a wall second; max or 0 is as fast as possible"},
	{"limit", "TIDEMARK_LIMIT", "0", "send the first N orders by purchase time only, with all their items and payments; 0 is all"},
	{"start-from", "TIDEMARK_START_FROM", "", "leave out orders purchased before this time, such as 2017-06-01"},
	{"until", "TIDEMARK_UNTIL", "", "end before the first event of this time or later, such as 2018-08-22; --resume goes on with the rest"},
	{"max-gap", "TIDEMARK_MAX_GAP", "0s", "wait at most this long between two events, such as 100ms; 0s is no bound"},
	{"rebase", "TIDEMARK_REBASE", "", "now: shift all times so that the data ends now (at speed 1: begins now)"},
	{"duplicates", "TIDEMARK_DUPLICATES", "0", "share of events to send twice, such as 0.02"},
	{"disorder", "TIDEMARK_DISORDER", "0s", "hold events back by up to this span of event time, such as 60s"},
	{"late", "TIDEMARK_LATE", "0", "share of events to send 30 to 60 minutes of event time late, such as 0.001"},
	{"seed", "TIDEMARK_SEED", "1", "makes another choice of what is duplicated, out of order and late"},
	{"timezone", "TIDEMARK_TIMEZONE", "UTC", "zone of the times in the files"},
}

const (
	noValidationName = "no-validation"
	resumeName       = "resume"
)

// positionFile says how far the last replay of this state folder has come.
const positionFile = "produce.json"

// Variables of the stream that are no flags.
const (
	checkpointEnv = "TIDEMARK_CHECKPOINT"
	resumeEnv     = "TIDEMARK_RESUME"
	targetEnv     = "TIDEMARK_TARGET"
)

// produceGC makes the collector run more often than by default: the dataset stays
// in memory to the end, and as much garbage on top of it would serve nobody.
const produceGC = 40

// produceCommand replays the Olist files to Kafka.
func produceCommand() *ucli.Command {
	flags := []ucli.Flag{brokersFlag(), registryFlag()}
	for _, f := range produceFlags {
		flags = append(flags, &ucli.StringFlag{Name: f.name, EnvVars: []string{f.env}, Value: f.value, Usage: f.usage})
	}
	flags = append(flags,
		&ucli.BoolFlag{Name: noValidationName, Usage: "send every row that an event can be made of, also those that break the rules"},
		&ucli.BoolFlag{Name: resumeName, Usage: "go on where the last run stopped, however it did; its options must be repeated, but for speed, max-gap and until"},
		&ucli.StringFlag{
			Name: stateDirName, EnvVars: []string{stateDirEnv}, Value: defaultStateDir,
			Usage: "folder of the file " + positionFile + ", which says how far the replay has come",
		},
	)
	return &ucli.Command{
		Name:  "produce",
		Usage: "Replay the Olist CSV files to Kafka in event-time order",
		Description: "Runs streams/producer/olist.yaml. The topics must exist: see \"tidemark topics create\".\n" +
			"Rejected rows go to " + olistcsv.TopicDeadLetters + " with file, line and reason; the exit code stays 0.\n\n" +
			"A run that was stopped goes on with --resume: after Ctrl-C or SIGTERM nothing is sent again, after a kill at most\n" +
			"what was sent in the last second. A run without it, and one on other topics, begins anew.\n\n" +
			"  tidemark produce --dataset-dir ./dataset\n" +
			"  tidemark produce --limit 500 --speed 3600 --max-gap 100ms\n" +
			"  tidemark produce --rebase now --duplicates 0.02 --disorder 60s --late 0.001\n" +
			"  tidemark produce --limit 500 --speed 60 --resume\n" +
			"  tidemark produce --until 2018-08-22 && tidemark produce --resume --speed 3600    the past at once, then lively",
		Flags: flags,
		Action: func(c *ucli.Context) error {
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(produceGC)
			}
			env := map[string]string{
				"KAFKA_BROKERS": c.String(brokersName), registryEnv: c.String(registryName), "TIDEMARK_VALIDATE": strconv.FormatBool(!c.Bool(noValidationName)),
			}
			for _, f := range produceFlags {
				env[f.env] = c.String(f.name)
			}
			dir, err := stateDir(c)
			if err != nil {
				return ucli.Exit(err.Error(), 1)
			}
			env[checkpointEnv], env[resumeEnv] = filepath.Join(dir, positionFile), strconv.FormatBool(c.Bool(resumeName))
			ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if err := produce(ctx, env, brokers(c), c.App.Writer, c.App.ErrWriter); err != nil {
				return ucli.Exit(err.Error(), 1)
			}
			return nil
		},
	}
}

// produce runs the stream with these variables and prints what it did.
func produce(ctx context.Context, env map[string]string, brokers []string, out, errOut io.Writer) error {
	if err := checkNumbers(env); err != nil {
		return err
	}
	// Both would come up later anyway, but this is before any wait and with one line.
	if err := olistcsv.CheckFiles(env["TIDEMARK_DATASET_DIR"]); err != nil {
		return err
	}
	target, err := awaitTopics(ctx, brokers, errOut)
	if err != nil {
		return err
	}
	env = maps.Clone(env)
	env[targetEnv] = target
	release, err := holdPosition(env, errOut)
	if err != nil {
		return err
	}
	show := newProgress(errOut)
	begun := time.Now()
	var summary *olistcsv.Summary
	watch, watched := context.WithCancel(ctx)
	finished := make(chan struct{})
	err = runStream(ctx, produceStream, env, show, func(res *service.Resources) {
		summary = olistcsv.SummaryOf(res)
		go func() {
			defer close(finished)
			show.run(watch, func() progressState { return producing(summary.Account()) })
		}()
	})
	watched()
	err = errors.Join(err, release())
	if summary == nil {
		return err
	}
	<-finished
	if a := summary.Account(); a.Total > 0 {
		fmt.Fprint(out, producedText(a, strings.Join(brokers, ","), time.Since(begun), env[checkpointEnv] != ""))
	}
	return err
}

// holdPosition makes sure that no other process keeps its position in the same file.
// Where it cannot be kept the replay goes on without, unless it is to be resumed.
func holdPosition(env map[string]string, errOut io.Writer) (release func() error, err error) {
	release = func() error { return nil }
	path := env[checkpointEnv]
	if path == "" {
		return release, nil
	}
	if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		var unlock func() error
		if unlock, err = lockFile(path + ".lock"); err == nil {
			return unlock, nil
		}
	}
	if errors.Is(err, errLocked) {
		err = errors.New("another produce is running")
	}
	err = fmt.Errorf("the position %s cannot be kept: %w", path, err)
	if env[resumeEnv] == "true" {
		return nil, err
	}
	fmt.Fprintf(errOut, "%v: this run cannot be resumed\n", err)
	env[checkpointEnv] = ""
	return release, nil
}

// checkNumbers refuses what would not be a number in the stream's config.
func checkNumbers(env map[string]string) error {
	for _, f := range produceFlags {
		var err error
		switch f.name {
		case "limit", "seed":
			_, err = strconv.ParseInt(env[f.env], 10, 64)
		case "duplicates", "late":
			_, err = strconv.ParseFloat(env[f.env], 64)
		}
		if err != nil {
			return fmt.Errorf("--%s %q is not a number", f.name, env[f.env])
		}
	}
	return nil
}

// awaitTopics waits for Kafka, makes sure that the topics are there, and returns what
// tells them from others of the same names: the ids of the cluster and of each.
func awaitTopics(ctx context.Context, brokers []string, errOut io.Writer) (target string, err error) {
	client, err := openKafka(ctx, brokers, func(line string) { fmt.Fprintln(errOut, line) })
	if err != nil {
		return "", err
	}
	defer client.Close()
	missing, err := missingTopics(ctx, client, olistTopics()...)
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("topics %s do not exist on Kafka at %s: create them with \"tidemark topics create\"",
			strings.Join(missing, ", "), strings.Join(brokers, ","))
	}
	found, err := kadm.NewClient(client).Metadata(ctx, olistTopics()...)
	if err != nil {
		return "", fmt.Errorf("ask for the topics' ids: %w", err)
	}
	target = "cluster " + found.Cluster
	for _, topic := range olistTopics() {
		target += ", " + topic + " " + found.Topics[topic].ID.String()
	}
	return target, nil
}
