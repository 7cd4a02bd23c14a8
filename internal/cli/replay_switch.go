package cli

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/lib/pq"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"
)

// change lets the rows that were computed beside take the place of the old ones, in one
// transaction, and drops the old stream's offsets and state. When it was interrupted
// between the two, the rows are changed, and repeating it does the rest.
func (b *beside) change(c *ucli.Context) error {
	return withKafka(c, func(client *kgo.Client) error {
		return withDB(c, func(db *sql.DB) error {
			r := stateReset{kafka: client, db: db, dir: b.dir, out: c.App.Writer, patience: memberPatience}
			if err := r.awaitUnused(c.Context, []string{b.old.group, b.group}); err != nil {
				return err
			}
			n, err := b.takePlace(c.Context, db)
			if err != nil {
				return err
			}
			done, err := r.all(c.Context, b.old.group, r.onKafka())
			if err != nil {
				return fmt.Errorf("%s: %w", b.old.group, err)
			}
			if n > 0 {
				done = append([]string{"its rows, whose place " + humanize.Comma(n) + " have taken"}, done...)
			}
			if len(done) == 0 {
				done = []string{"nothing, as it was before"}
			}
			fmt.Fprintf(c.App.Writer, "%s: deleted %s\nSet consumer_group: %s in %s before it is started\n",
				b.old.group, strings.Join(done, ", "), b.group, b.file)
			return nil
		})
	})
}

// takePlace moves the rows of the schema to the tables that users query, and drops it.
func (b *beside) takePlace(ctx context.Context, db *sql.DB) (n int64, err error) {
	tables, err := b.shared(ctx, db)
	if err != nil {
		return 0, fmt.Errorf("find the tables: %w", err)
	}
	if len(tables) == 0 {
		if moved, err := hasLedger(ctx, db, b.group); err != nil || moved {
			return 0, err
		}
		return 0, fmt.Errorf("nothing is computed as %s: repeat this without --%s first", b.group, switchName)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after the commit there is nothing to roll back
	schema := pq.QuoteIdentifier(b.group)
	var ended sql.NullBool
	if err := tx.QueryRowContext(ctx, "select bool_and(watermark is null or watermark = 'infinity') from "+schema+"."+ledgerTable+" where stream = $1", b.group).Scan(&ended); err != nil {
		return 0, err
	}
	if !ended.Bool {
		return 0, fmt.Errorf("%s has not come to the end of its topics: repeat this without --%s first", b.group, switchName)
	}
	for _, t := range tables {
		table := pq.QuoteIdentifier(t.name)
		if _, err := tx.ExecContext(ctx, "delete from "+table+" where stream = $1", b.old.group); err != nil {
			return 0, fmt.Errorf("delete from %s: %w", t.name, err)
		}
		var columns []string
		for _, c := range t.columns {
			columns = append(columns, pq.QuoteIdentifier(c))
		}
		list := strings.Join(columns, ", ")
		result, err := tx.ExecContext(ctx, "insert into "+table+" ("+list+") select "+list+" from "+schema+"."+table+" where stream = $1", b.group)
		if err != nil {
			return 0, fmt.Errorf("move rows of %s: %w", t.name, err)
		}
		moved, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		n += moved
	}
	if _, err := tx.ExecContext(ctx, "drop schema "+schema+" cascade"); err != nil {
		return 0, fmt.Errorf("drop schema %s: %w", b.group, err)
	}
	return n, tx.Commit()
}
