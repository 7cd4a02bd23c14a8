package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins"
	"github.com/tidemark-streams/tidemark/streams"
)

const (
	// gracefulStop is how long a stream may take to deliver what it has begun.
	gracefulStop = 20 * time.Second
	// failedStop is how long a stream may take to stop that delivers no more.
	failedStop = 100 * time.Millisecond
)

// runStream runs one stream of this process, without an HTTP server, until its
// input ends, ctx ends (then it delivers what it has begun) or a part of it gives
// up, which is the error. Env comes before the environment's variables. Logs are
// written to log. Started is told of the resources before anything runs.
func runStream(ctx context.Context, file string, env map[string]string, log io.Writer, started func(*service.Resources)) error {
	text, err := streamText(file)
	if err != nil {
		return err
	}
	var monitor *plugins.Monitor
	failure := func() error {
		if monitor == nil {
			return nil
		}
		if failures, _ := monitor.State(); len(failures) > 0 {
			return failures[0].Err
		}
		return nil
	}
	b := service.NewStreamBuilder()
	b.SetEnvVarLookupFunc(lookup(env))
	// What Benthos logs of a failure that we return as an error would say it twice.
	b.SetLogger(slog.New(untilFailure{logHandler(withoutSecrets(log), logLevel()), failure}))
	if err := b.SetYAML(text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	s, err := b.Build()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	monitor = plugins.MonitorOf(s.Resources())
	if started != nil {
		started(s.Resources())
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.WithoutCancel(ctx)) }()
	for {
		changed := monitor.Changed()
		if err := failure(); err != nil {
			_ = s.StopWithin(failedStop) // it cannot end well: its output has given up
			return err
		}
		select {
		case <-changed:
		case err := <-ended:
			if failed := failure(); failed != nil {
				return failed
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			return nil
		case <-ctx.Done():
			if err := s.StopWithin(gracefulStop); err != nil {
				return fmt.Errorf("%s did not stop in %v: what was not acknowledged yet is not delivered", file, gracefulStop)
			}
			return failure()
		}
	}
}

// streamText reads a stream's config. One of the shipped files that is not on
// disk is read from the copy inside the binary.
func streamText(file string) (string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if name, ok := strings.CutPrefix(filepath.ToSlash(filepath.Clean(file)), "streams/"); ok {
			if shipped, ferr := streams.Files.ReadFile(name); ferr == nil {
				return string(shipped), nil
			}
		}
		return "", fmt.Errorf("there is no stream %s", file)
	}
	return string(text), err
}

// untilFailure logs until there is a failure.
type untilFailure struct {
	slog.Handler
	failure func() error
}

func (h untilFailure) Handle(ctx context.Context, r slog.Record) error {
	if h.failure() != nil {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h untilFailure) WithAttrs(a []slog.Attr) slog.Handler {
	return untilFailure{h.Handler.WithAttrs(a), h.failure}
}

func (h untilFailure) WithGroup(name string) slog.Handler {
	return untilFailure{h.Handler.WithGroup(name), h.failure}
}
