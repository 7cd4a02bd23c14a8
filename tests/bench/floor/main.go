// Command floor does the benchmark's job by hand: one consumer, maps, upserts each
// second, no fault tolerance. It is what the machine can do, and so what Tidemark is
// measured against. It takes the broker's address and the database's, reads to the
// end that it finds at its start, and ends.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	_ "github.com/lib/pq" // the driver
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/bench/workload"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: floor BROKER DSN")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, broker, dsn string) error {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return err
	}
	err = drain(ctx, broker, db)
	return errors.Join(err, db.Close())
}

func drain(ctx context.Context, broker string, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, tables); err != nil {
		return fmt.Errorf("creating the tables: %w", err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(workload.Topics...),
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(4<<20))
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, workload.Topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("looking for the end of the topics: %w", err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })

	j := newJob()
	written := time.Now()
	fmt.Println("ready")
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			if failed := j.record(r.Topic, r.Value); failed != nil && err == nil {
				err = fmt.Errorf("%s/%d, offset %d: %w", r.Topic, r.Partition, r.Offset, failed)
			}
		})
		if err != nil {
			return err
		}
		if time.Since(written) > time.Second {
			if err := j.flush(ctx, db); err != nil {
				return err
			}
			written = time.Now()
		}
	}
	return j.flush(ctx, db)
}
