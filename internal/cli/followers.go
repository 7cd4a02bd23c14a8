package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const (
	// inputOnPostgres is the input that follows rows of other streams.
	inputOnPostgres = "pg_poll"
	// outputToPostgres is the output that writes them.
	outputToPostgres = "pg_upsert"
)

// streamKinds are the streams of a folder by what they wait for.
type streamKinds struct {
	stateful  []string // have a stateful input, which knows where its topics end
	followers []string // have none: what they read may be the rows of the others
	polling   []string // those of the followers that read them from Postgres
	written   bool     // one of all writes rows to Postgres
}

// kindsOf sorts stream configs.
func kindsOf(files []string) (k streamKinds, err error) {
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return k, err
		}
		stateful, polls := false, false
		b := service.NewStreamBuilder()
		b.DisableLinting() // Benthos does, when it runs them
		if err := b.SetYAML(string(text)); err != nil {
			return k, fmt.Errorf("%s: %w", f, err)
		}
		err = b.WalkComponents(func(w *service.WalkedComponent) error {
			switch w.ComponentType {
			case "output":
				k.written = k.written || w.Name == outputToPostgres
			case "input":
				stateful = stateful || w.Name == inputOnKafka || w.Name == inputOnDisk
				polls = polls || w.Name == inputOnPostgres
			}
			return nil
		})
		if err != nil {
			return k, fmt.Errorf("%s: %w", f, err)
		}
		if stateful {
			k.stateful = append(k.stateful, f)
			continue
		}
		k.followers = append(k.followers, f)
		if polls {
			k.polling = append(k.polling, f)
		}
	}
	return k, nil
}

// runFollowers runs streams to their end, one after the other. In a bounded run that is
// behind the streams whose rows they follow: then they see all of them, as final.
func runFollowers(ctx context.Context, files []string, log io.Writer) error {
	for _, f := range files {
		if err := runStream(ctx, f, nil, log, nil); err != nil {
			return fmt.Errorf("stream %s: %w", f, err)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}
