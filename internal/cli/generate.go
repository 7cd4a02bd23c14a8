package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/generate"
)

const untilName = "until"

// generateCommand writes an Olist-shaped dataset.
func generateCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "generate",
		Usage: "Write Olist-shaped CSV files",
		Description: `Writes the nine files of the Olist e-commerce dataset, with its columns and its
proportions, but none of its rows: orders with their items, payments and reviews,
customers, products, sellers, places and names of categories. Orders are spread over
days and hours as counts of real ones are. The same seed and other options give the
same files.

   tidemark generate --orders 100000 --seed 7 --out ./dataset
   tidemark generate --incidents 2      in two busy hours most payments fail
   tidemark generate --until 2018-08-30 without the weeks in which the orders fade out`,
		Flags: []ucli.Flag{
			&ucli.IntFlag{Name: "orders", Value: 20_000, Usage: "number of orders"},
			&ucli.Uint64Flag{Name: "seed", Value: 1, Usage: "decides every value in the files"},
			&ucli.IntFlag{Name: "incidents", Usage: "number of hours in which most payments fail, and orders are dropped"},
			&ucli.TimestampFlag{Name: untilName, Layout: time.DateOnly, Timezone: time.UTC, Usage: "leave out the days from this date on"},
			&ucli.StringFlag{Name: "out", Value: "./dataset", Usage: "folder of the files, made if need be"},
			&ucli.BoolFlag{Name: "force", Usage: "replace files that exist"},
		},
		Action: runGenerate,
	}
}

func runGenerate(c *ucli.Context) error {
	if c.Args().Present() {
		return ucli.Exit(fmt.Sprintf("generate takes no argument: %q (the folder is --out)", c.Args().First()), 1)
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	orders, show := c.Int("orders"), generateProgress(c.App.ErrWriter)
	var until time.Time
	if t := c.Timestamp(untilName); t != nil {
		until = *t
	}
	sum, err := generate.Write(c.String("out"), generate.Options{
		Orders: orders, Seed: c.Uint64("seed"), Until: until, Incidents: c.Int("incidents"), Force: c.Bool("force"),
		Progress: func(done int) error {
			show(done, orders)
			return ctx.Err()
		},
	})
	switch {
	case errors.Is(err, generate.ErrExists):
		return ucli.Exit(err.Error()+": --force replaces it", 1)
	case ctx.Err() != nil && err != nil:
		return ucli.Exit("stopped: no files were written", 1)
	case err != nil:
		return ucli.Exit(err.Error(), 1)
	}
	fmt.Fprintln(c.App.Writer, sum)
	return nil
}

// generateProgress returns a function that draws a bar on a terminal and writes a
// line for every hundred thousand orders elsewhere.
func generateProgress(w io.Writer) func(done, of int) {
	const lineInterval, width = 100_000, 30
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return func(done, of int) {
				if done == of {
					fmt.Fprint(w, "\r\033[K")
					return
				}
				fmt.Fprintf(w, "\r%-*s %3d %%", width, strings.Repeat("#", done*width/of), done*100/of)
			}
		}
	}
	return func(done, of int) {
		if done > 0 && done < of && done%lineInterval == 0 {
			fmt.Fprintf(w, "%d of %d orders\n", done, of)
		}
	}
}
