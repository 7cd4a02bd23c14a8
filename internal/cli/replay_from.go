package cli

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	statefulkafka "github.com/tidemark-streams/tidemark/plugins/stateful_kafka"
)

// replayFrom drops the state of streams and their rows from a time on, and orders their
// next runs to compute these anew.
func replayFrom(c *ucli.Context, from time.Time) error {
	if c.Bool(noPostgresName) {
		return ucli.Exit(errNeedsRows.Error(), 1)
	}
	target, err := resetTargetOf(c)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	if c.IsSet(diskStreamName) || len(target.groups) == 0 {
		return ucli.Exit(fmt.Sprintf("a replay from a time is for streams of the input %s, whose events Kafka still has", inputOnKafka), 1)
	}
	streams, err := namedStreams(c, target)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	return withKafka(c, func(client *kgo.Client) error {
		return withDB(c, func(db *sql.DB) error {
			r := timedReplay{
				stateReset{kafka: client, db: db, dir: target.dir, out: c.App.Writer, patience: memberPatience}, from,
			}
			return r.run(c.Context, streams)
		})
	})
}

// namedStreams are the streams of the groups that are to be replayed, whose files tell
// what topics they read.
func namedStreams(c *ucli.Context, target resetTarget) ([]statefulInput, error) {
	folder, err := streamFolder(c)
	if err != nil {
		return nil, err
	}
	all, err := statefulInputs(folder, map[string]string{
		"KAFKA_BROKERS": c.String(brokersName), "POSTGRES_DSN": c.String(dsnName), stateDirEnv: target.dir,
	})
	if err != nil {
		return nil, fmt.Errorf("streams of %s: %w", c.String(streamsName), err)
	}
	var named []statefulInput
	for _, g := range target.groups {
		i := slices.IndexFunc(all, func(s statefulInput) bool { return s.input == inputOnKafka && s.group == g })
		if i < 0 {
			return nil, fmt.Errorf("no stream of %s has the consumer group %s: its file tells what it reads", c.String(streamsName), g)
		}
		named = append(named, all[i])
	}
	return named, nil
}

// timedReplay replays streams from a time on.
type timedReplay struct {
	stateReset
	from time.Time
}

func (r timedReplay) run(ctx context.Context, streams []statefulInput) error {
	var groups []string
	for _, s := range streams {
		groups = append(groups, s.group)
	}
	if err := r.awaitUnused(ctx, groups); err != nil {
		return err
	}
	for _, s := range streams {
		done, err := r.stream(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.group, err)
		}
		if len(done) == 0 {
			fmt.Fprintf(r.out, "%s: nothing to delete\n", s.group)
			continue
		}
		fmt.Fprintf(r.out, "%s: deleted %s; its next run computes rows anew from %s on\n", s.group, strings.Join(done, ", "), r.from.Format(time.RFC3339))
	}
	return nil
}

// stream orders the replay of one stream. Between any two steps a new run is right or
// refused, as with a reset: until the order is written, the changelog lacks what the
// ledger knows of, and from then on it counts its rows behind those. Rows that are not
// deleted are overwritten, unless they do not come again.
func (r timedReplay) stream(ctx context.Context, s statefulInput) (done []string, err error) {
	tasks, err := r.tasks(ctx, s.topics)
	if err != nil {
		return nil, err
	}
	written, err := r.written(ctx, s.group)
	if err != nil {
		return nil, err
	}
	if len(written) == 0 { // all of its rows are still to be computed
		return r.all(ctx, s.group, r.onKafka())
	}
	for _, step := range []func(context.Context, string) (string, error){
		r.offsets, r.changelog, r.folder,
		func(ctx context.Context, group string) (string, error) {
			return "", statefulkafka.Replay(ctx, r.kafka, group, tasks, r.from, written)
		},
		r.laterRows,
	} {
		what, err := step(ctx, s.group)
		if err != nil {
			return done, err
		}
		if what != "" {
			done = append(done, what)
		}
	}
	return done, nil
}

// tasks is how many tasks read the topics: each has that many partitions.
func (r timedReplay) tasks(ctx context.Context, topics []string) (int32, error) {
	found, err := kadm.NewClient(r.kafka).ListTopics(ctx, topics...)
	if err != nil {
		return 0, fmt.Errorf("list topics: %w", err)
	}
	n := -1
	for _, t := range topics {
		d := found[t]
		if d.Err != nil {
			return 0, fmt.Errorf("topic %s: %w", t, d.Err)
		}
		if n >= 0 && len(d.Partitions) != n {
			return 0, fmt.Errorf("its topics differ in their number of partitions: %s has %d, %s has %d", topics[0], n, t, len(d.Partitions))
		}
		n = len(d.Partitions)
	}
	return int32(n), nil
}

// written is what is known of the rows of a stream's tasks: what the state says, while it is
// there, and else the ledger, which may be told somewhat later. Emission and watermark must
// be of the same word. An end of input, to the ledger, is no time.
func (r timedReplay) written(ctx context.Context, group string) (map[int32]statefulkafka.Written, error) {
	committed, err := statefulkafka.Committed(ctx, r.kafka, group)
	if err != nil {
		return nil, fmt.Errorf("read its state: %w", err)
	}
	if ok, err := hasTables(ctx, r.db); err != nil || !ok {
		return nil, err
	}
	rows, err := r.db.QueryContext(ctx, `
		select task, generation, committed_seq, nullif(watermark, 'infinity') from `+ledgerTable+" where stream = $1", group)
	if err != nil {
		return nil, fmt.Errorf("read its ledger: %w", err)
	}
	defer rows.Close()
	written := map[int32]statefulkafka.Written{}
	for rows.Next() {
		var task int32
		var w statefulkafka.Written
		var watermark sql.NullTime
		if err := rows.Scan(&task, &w.Generation, &w.CommittedSeq, &watermark); err != nil {
			return nil, fmt.Errorf("read its ledger: %w", err)
		}
		w.Watermark = watermark.Time
		if c, ok := committed[task]; ok {
			c.Generation = max(c.Generation, w.Generation)
			w = c
		}
		written[task] = w
	}
	return written, rows.Err()
}

// laterRows deletes the rows of windows that end behind the time, and tells the ledger,
// for the case that the state is gone before the next replay.
func (r timedReplay) laterRows(ctx context.Context, group string) (string, error) {
	tables, err := windowTables(ctx, r.db)
	if err != nil {
		return "", fmt.Errorf("find its tables: %w", err)
	}
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer tx.Rollback() //nolint:errcheck // after the commit there is nothing to roll back
	if _, err := tx.ExecContext(ctx, "update "+ledgerTable+" set watermark = $2 where stream = $1 and watermark > $2", group, r.from); err != nil {
		return "", fmt.Errorf("change its ledger: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "delete from "+figuresTable+" where stream = $1", group); err != nil {
		return "", fmt.Errorf("delete its figures: %w", err) // they count from the start of a state that is gone
	}
	n := int64(0)
	for _, t := range tables {
		result, err := tx.ExecContext(ctx, "delete from "+t+" where stream = $1 and window_end > $2", group, r.from)
		if err != nil {
			return "", fmt.Errorf("delete its rows of %s: %w", t, err)
		}
		deleted, err := result.RowsAffected()
		if err != nil {
			return "", err
		}
		n += deleted
	}
	if err := tx.Commit(); err != nil {
		return "", fmt.Errorf("delete its rows: %w", err)
	}
	return humanize.Comma(n) + " rows", nil
}

// windowTables are the tables that have what pg_upsert writes with a ledger, and windows.
func windowTables(ctx context.Context, db *sql.DB) (tables []string, err error) {
	rows, err := db.QueryContext(ctx, `
		select format('%I.%I', c.table_schema, c.table_name)
		from information_schema.columns as c
		join information_schema.tables as t using (table_schema, table_name)
		where c.table_schema = any (current_schemas(false)) and t.table_type = 'BASE TABLE'
			and c.column_name in ('stream', 'task', 'seq', 'window_end')
		group by c.table_schema, c.table_name
		having count(*) = 4
		order by 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, rows.Err()
}
