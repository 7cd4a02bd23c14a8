package cli

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

const rowsName = "rows"

// dbCommand prepares, shows and cleans the Postgres tables.
func dbCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "db",
		Usage: "Prepare, show and clean the Postgres tables",
		Description: "Works on the database that --dsn or POSTGRES_DSN names.\n\n" +
			"  tidemark db migrate\n" +
			"  tidemark db latest --dsn postgres://user:password@host:5432/database",
		Subcommands: []*ucli.Command{
			migrateCommand(),
			showCommand("latest", "Show the funnel of the last hour of data", pg.Latest),
			showCommand("complete", "Show the newest windows with GMV and payments, and totals", pg.Complete),
			showCommand("dimensions", "Show sales by category, seller and state, and deliveries", pg.Dimensions),
			showCommand("alerts", "Show the alerts of the last hour of data, and those that are open or were resolved", pg.Alerts),
			truncateCommand(),
			cleanupCommand(),
			forecastReportCommand(),
		},
	}
}

func migrateCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "migrate",
		Usage: "Create the tables, views and functions, or bring them up to date",
		Description: "Safe to repeat and to run from several processes at once.\n\n" +
			"  tidemark db migrate --wait 1m",
		Flags: []ucli.Flag{
			dsnFlag(),
			&ucli.DurationFlag{Name: "wait", Usage: "how long to wait for a server that does not answer yet"},
		},
		Action: func(c *ucli.Context) error {
			db, err := openWithin(c, c.Duration("wait"))
			if err != nil {
				return ucli.Exit(err.Error(), 1)
			}
			defer db.Close()
			applied, err := pg.Migrate(c.Context, db)
			if err != nil {
				return ucli.Exit(err.Error(), 1)
			}
			for _, name := range applied {
				fmt.Fprintf(c.App.Writer, "applied %s\n", name)
			}
			if len(applied) == 0 {
				fmt.Fprintln(c.App.Writer, "up to date")
			}
			if has, err := pg.HasReader(c.Context, db); err != nil {
				return ucli.Exit(err.Error(), 1)
			} else if !has {
				fmt.Fprintf(c.App.ErrWriter, "this user can neither make nor take the role %s, so the live page reads without it: see docs/page.md\n", pg.ReaderRole)
			}
			return nil
		},
	}
}

// openWithin opens the database, trying again for as long as patience lasts.
func openWithin(c *ucli.Context, patience time.Duration) (*sql.DB, error) {
	if patience <= 0 {
		return pg.Open(c.Context, c.String(dsnName))
	}
	ctx, cancel := context.WithTimeout(c.Context, patience)
	defer cancel()
	return pg.Wait(ctx, c.String(dsnName), func(line string) { fmt.Fprintln(c.App.ErrWriter, line) })
}

func showCommand(name, usage string, show func(context.Context, *sql.DB, io.Writer, int) error) *ucli.Command {
	return &ucli.Command{
		Name:        name,
		Usage:       usage,
		Description: "Times are UTC.\n\n  tidemark db " + name + " --rows 50",
		Flags: []ucli.Flag{
			dsnFlag(),
			&ucli.IntFlag{Name: rowsName, Value: 20, Usage: "print at most this many rows of each table"},
		},
		Action: func(c *ucli.Context) error {
			if c.Int(rowsName) < 1 {
				return ucli.Exit("--rows must be at least 1", 1)
			}
			return withDB(c, func(db *sql.DB) error {
				return show(c.Context, db, c.App.Writer, c.Int(rowsName))
			})
		},
	}
}

func truncateCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "truncate",
		Usage: "Delete every row that streams have written, the ledger included",
		Description: "Alert rules stay. Stop the streams first. Their state stays too: the next run goes on where they\n" +
			"stopped and does not write windows again that have closed. To have all rows written anew, drop\n" +
			"state and rows together with \"tidemark state reset\".\n\n" +
			"  tidemark db truncate --yes",
		Flags: []ucli.Flag{
			dsnFlag(),
			&ucli.BoolFlag{Name: "yes", Usage: "really delete"},
		},
		Action: func(c *ucli.Context) error {
			if !c.Bool("yes") {
				return ucli.Exit("db truncate deletes all windows, dead letters and the ledger, and the streams write closed windows again "+
					"only after \"tidemark state reset\": repeat it with --yes", 1)
			}
			return withDB(c, func(db *sql.DB) error {
				if err := pg.Truncate(c.Context, db); err != nil {
					return err
				}
				fmt.Fprintln(c.App.Writer, "all tables are empty; \"tidemark state reset\" lets the streams fill them from earliest")
				return nil
			})
		},
	}
}

func cleanupCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "cleanup",
		Usage: "Delete rows that are older than some days before the newest window",
		Description: "Age is data time, not wall-clock time.\n\n" +
			"  tidemark db cleanup --days 90",
		Flags: []ucli.Flag{
			dsnFlag(),
			&ucli.IntFlag{Name: "days", Value: 30, Usage: "keep this many days"},
		},
		Action: func(c *ucli.Context) error {
			return withDB(c, func(db *sql.DB) error {
				removed, err := pg.Cleanup(c.Context, db, c.Int("days"))
				if err != nil {
					return err
				}
				for _, r := range removed {
					fmt.Fprintf(c.App.Writer, "%-20s %d rows deleted\n", r.Table, r.Rows)
				}
				return nil
			})
		},
	}
}

// withDB runs do on the database of the command's --dsn; its error becomes one line.
func withDB(c *ucli.Context, do func(*sql.DB) error) error {
	db, err := pg.Open(c.Context, c.String(dsnName))
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	defer db.Close()
	if err := do(db); err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	return nil
}
