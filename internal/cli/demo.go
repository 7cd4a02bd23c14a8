package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/embedpg"
	"github.com/tidemark-streams/tidemark/internal/generate"
	"github.com/tidemark-streams/tidemark/internal/pg"
)

const (
	datasetName  = "dataset-dir"
	postgresName = "postgres"
	keepName     = "keep"
	noServeName  = "no-serve"
	ordersName   = "orders"
	seedName     = "seed"
	partsName    = "partitions"
)

func demoCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "demo",
		Usage: "Run the whole pipeline on this machine, with nothing to install",
		Description: `Starts a Kafka protocol broker inside the process and a private Postgres, generates
Olist-shaped orders, replays them at full speed, runs the shipped streams to the end
and prints the tables. The live page shows the figures meanwhile, and afterwards too:
the orders of the next four weeks follow at a lively pace, an hour of them in three
seconds at most, through streams that go on. Ctrl-C ends it.

   tidemark demo
   tidemark demo --no-serve                        leave after the tables are printed
   tidemark demo --dataset-dir ./dataset           your own CSV files: all of them at once
   tidemark demo --keep ./demo                     keep broker, database and data
   tidemark demo --brokers localhost:9092 --postgres postgres://localhost/shop

The streams go on with the state that is on the Kafka and the rows that are in the
Postgres that you give. Where only one of them knows the streams, or consumers run, the
demo refuses to start.`,
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: brokersName, EnvVars: []string{"KAFKA_BROKERS"}, Usage: "Kafka brokers to use instead of the embedded one"},
			&ucli.StringFlag{Name: postgresName, EnvVars: []string{"POSTGRES_DSN"}, Usage: "Postgres to use instead of the embedded one"},
			&ucli.StringFlag{Name: datasetName, Usage: "folder with the Olist CSV files to use instead of generated ones"},
			&ucli.StringFlag{Name: keepName, Usage: "folder in which everything is kept; the next demo there goes on with it"},
			&ucli.IntFlag{Name: ordersName, Value: 20000, Usage: "orders to generate"},
			&ucli.Uint64Flag{Name: seedName, Value: 1, Usage: "seed of the generated orders"},
			&ucli.IntFlag{Name: partsName, Value: 3, Usage: "partitions of each topic"},
			&ucli.StringFlag{Name: pageAddressName, Value: defaultPageAddress, Usage: "address of the live page; where the default is taken, a free port"},
			&ucli.BoolFlag{Name: noServeName, Usage: "leave after the tables are printed, without a page"},
		},
		Action: runDemo,
	}
}

// demo is one run: where things are and what has to be undone at its end.
type demo struct {
	c       *ucli.Context
	dir     string // holds what the demo makes
	brokers string
	dsn     string
	dataset string
	url     string      // of the live page
	printed bool        // the tables: what comes then lasts until the user ends it
	fail    func(error) // ends the run
	undo    []func() error
}

func runDemo(c *ucli.Context) (err error) {
	signals, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, fail := context.WithCancelCause(signals)
	d := &demo{c: c, fail: fail, brokers: c.String(brokersName), dsn: c.String(postgresName), dataset: c.String(datasetName)}
	defer func() {
		if ctx.Err() != nil && signals.Err() == nil {
			err = context.Cause(ctx)
		}
		fail(nil)
		for i := len(d.undo) - 1; i >= 0; i-- {
			err = errors.Join(err, d.undo[i]())
		}
		if signals.Err() != nil && !d.printed {
			err = ucli.Exit("demo: interrupted", 130)
		} else if err != nil {
			err = ucli.Exit("demo: "+strings.ReplaceAll(err.Error(), "\n", "; "), 1)
		}
	}()
	start := time.Now()
	for _, step := range []func(context.Context) error{
		d.folder, d.kafka, d.postgres, d.past, d.page, d.data, d.topics, d.produce, d.consume, d.print,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.printed = true
	d.say("done in %.1f s", time.Since(start).Seconds())
	if d.c.Bool(noServeName) {
		return nil
	}
	return d.live(ctx)
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.c.App.Writer, "demo: "+format+"\n", args...)
}

func (d *demo) folder(context.Context) error {
	if keep := d.c.String(keepName); keep != "" {
		var err error
		if d.dir, err = filepath.Abs(keep); err != nil {
			return err
		}
		if err := os.MkdirAll(d.dir, 0o755); err != nil {
			return err
		}
		unlock, err := lockFolder(d.dir)
		if err != nil {
			return err
		}
		d.undo = append(d.undo, unlock)
		return nil
	}
	var err error
	if d.dir, err = os.MkdirTemp("", "tidemark-demo-"); err != nil {
		return err
	}
	d.undo = append(d.undo, func() error { return os.RemoveAll(d.dir) })
	return nil
}

func (d *demo) kafka(context.Context) error {
	if d.brokers != "" {
		d.say("Kafka at %s", d.brokers)
		return nil
	}
	opts := []kfake.Opt{kfake.NumBrokers(1)}
	if d.c.String(keepName) != "" {
		opts = append(opts, kfake.DataDir(filepath.Join(d.dir, "kafka")))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("embedded Kafka broker: %w", err)
	}
	d.undo = append(d.undo, func() error { cluster.Close(); return nil })
	d.brokers = strings.Join(cluster.ListenAddrs(), ",")
	d.say("embedded Kafka broker at %s", d.brokers)
	return nil
}

func (d *demo) postgres(ctx context.Context) error {
	if d.dsn == "" {
		opts := embedpg.Options{NoSync: true}
		if d.c.String(keepName) != "" {
			opts.Dir, opts.NoSync = filepath.Join(d.dir, "postgres"), false
		}
		server, err := embedpg.Start(ctx, opts)
		if err != nil {
			return fmt.Errorf("embedded Postgres: %w", err)
		}
		d.undo = append(d.undo, server.Stop)
		d.dsn = server.DSN()
		d.say("embedded Postgres at %s", d.dsn)
	}
	db, err := pg.Wait(ctx, d.dsn, func(line string) { d.say("%s", line) })
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = pg.Migrate(ctx, db)
	return err
}

// The tables are of the events before demoEnd, and those up to liveEnd follow live. The
// orders of real days fade out soon after the former: it leaves something to forecast.
var (
	demoEnd = time.Date(2018, 8, 22, 0, 0, 0, 0, time.UTC)
	liveEnd = demoEnd.AddDate(0, 0, liveDays)
)

const liveDays = 28

func (d *demo) data(context.Context) error {
	if d.dataset != "" {
		return nil
	}
	d.dataset = filepath.Join(d.dir, "dataset")
	sum, err := generate.Write(d.dataset, generate.Options{
		Orders: d.c.Int(ordersName), Seed: d.c.Uint64(seedName), Incidents: 2, Until: demoEnd, Following: liveDays,
	})
	if errors.Is(err, generate.ErrExists) && d.c.String(keepName) != "" {
		d.say("using the orders in %s", d.dataset)
		return nil
	}
	if err != nil {
		return err
	}
	d.say("generated %d orders, %d items and %d payments, those of the four weeks from %s among them",
		sum.Orders, sum.Items, sum.Payments, demoEnd.Format(time.DateOnly))
	return nil
}

func (d *demo) topics(ctx context.Context) error {
	return d.tidemark(ctx, "topics", "create", "--partitions", strconv.Itoa(d.c.Int(partsName)))
}

// produce sends the user's own files as a whole, the generated ones up to demoEnd.
func (d *demo) produce(ctx context.Context) error {
	if d.own() {
		return d.tidemark(ctx, "produce", "--dataset-dir", d.dataset, "--speed", "max")
	}
	return d.tidemark(ctx, d.replay(demoEnd, "--speed", "max")...)
}

func (d *demo) consume(ctx context.Context) error {
	return d.tidemark(ctx, "consume", "--stop-at-end")
}

// own tells that the files are the user's.
func (d *demo) own() bool { return d.c.String(datasetName) != "" }

// replay are the arguments of a run that sends the generated events before a time which
// earlier runs have not sent. How far they have come lies beside the files, as it is about
// these.
func (d *demo) replay(until time.Time, pace ...string) []string {
	args := []string{"produce", "--dataset-dir", d.dataset, "--state-dir", d.dataset, "--until", until.Format(time.DateOnly)}
	if _, err := os.Stat(filepath.Join(d.dataset, positionFile)); err == nil {
		args = append(args, "--"+resumeName)
	}
	return append(args, pace...)
}

// tidemark runs one of our own commands to its end.
func (d *demo) tidemark(ctx context.Context, args ...string) error {
	c, err := d.start(ctx, os.Stdout, os.Stderr, args...)
	if err != nil {
		return err
	}
	<-c.ended
	return c.err
}

func (d *demo) print(ctx context.Context) error {
	db, err := pg.Open(ctx, d.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return pg.PrintTables(ctx, db, d.c.App.Writer)
}
