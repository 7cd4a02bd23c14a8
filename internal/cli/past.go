package cli

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/pg"
	"github.com/tidemark-streams/tidemark/internal/survey"
)

// past makes sure that servers of the user fit the run. The demo runs the streams
// under their own consumer groups, so it must not share their tasks with consumers
// that are never done, and a state must not be paired with a database that lacks
// its rows, or the other way round: the tables would be incomplete.
func (d *demo) past(ctx context.Context) error {
	if d.c.String(brokersName) == "" && d.c.String(postgresName) == "" {
		return nil // both are the demo's own and were filled together
	}
	folder, err := shippedFolder()
	if err != nil {
		return err
	}
	groups, err := streamGroups(folder, map[string]string{"KAFKA_BROKERS": d.brokers, "POSTGRES_DSN": d.dsn})
	if err != nil {
		return err
	}
	client, err := openKafka(ctx, strings.Split(d.brokers, ","), func(line string) { d.say("%s", line) })
	if err != nil {
		return err
	}
	defer client.Close()
	if err := unused(ctx, client, groups); err != nil {
		return err
	}
	db, err := pg.Open(ctx, d.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return samePast(ctx, client, db, groups)
}

// samePast refuses groups that have state without rows, or rows without state.
func samePast(ctx context.Context, client *kgo.Client, db *sql.DB, groups []string) error {
	var noRows, noState []string
	for _, g := range groups {
		state, err := topicExists(ctx, client, survey.ChangelogTopic(g))
		if err != nil {
			return fmt.Errorf("state of %s: %w", g, err)
		}
		rows, err := hasLedger(ctx, db, g)
		if err != nil {
			return fmt.Errorf("rows of %s: %w", g, err)
		}
		switch {
		case state && !rows:
			noRows = append(noRows, g)
		case rows && !state:
			noState = append(noState, g)
		}
	}
	switch {
	case len(noRows) > 0:
		return fmt.Errorf("this Kafka has state of %s, and this Postgres none of the rows: name the Postgres that has them, "+
			"or drop the state with \"tidemark state reset --yes --no-postgres\"", strings.Join(noRows, ", "))
	case len(noState) > 0:
		return fmt.Errorf("this Postgres has rows of %s, and this Kafka none of the state: name the Kafka that has it, "+
			"or delete all rows with \"tidemark db truncate --yes\"", strings.Join(noState, ", "))
	}
	return nil
}
