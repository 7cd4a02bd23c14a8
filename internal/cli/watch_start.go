package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/redpanda-data/benthos/v4/public/service"
	ucli "github.com/urfave/cli/v2"
)

// fileWatching puts a watcher of ours in the place of Benthos' own, which waits for
// seconds and stops a stream before it knows whether the next one can be made. Benthos
// tells it of the flags, then of the config and then that streams run, in that order.
type fileWatching struct {
	flags   *ucli.Context // of `streams -w`, else nil
	res     *service.Resources
	streams *streamsREST
	watcher *watcher
}

// flagsParsed is told of the command's flags.
func (f *fileWatching) flagsParsed(c *ucli.Context) error {
	if c.Command.Name == "streams" && c.Bool("watcher") {
		f.flags = c
	}
	return nil
}

// configParsed is told of the config of the process, before any stream's file is read.
func (f *fileWatching) configParsed(conf *service.ParsedConfig) error {
	if f.flags == nil {
		return nil
	}
	log := conf.Resources().Logger()
	address, err := f.apiAddress(conf)
	if err != nil {
		log.With("error", err).Warn("The files of streams are watched by Benthos, which takes seconds")
		return nil
	}
	rest := newStreamsREST(address)
	w := &watcher{
		paths: f.flags.Args().Slice(), chilled: f.flags.Bool("chilled"),
		streams: rest, lint: lintStream, log: log,
	}
	if err := w.begin(); err != nil {
		return err
	}
	if err := f.flags.Set("watcher", "false"); err != nil {
		return err
	}
	f.res, f.streams, f.watcher = conf.Resources(), rest, w
	return nil
}

// streamsRun is told that the streams run.
func (f *fileWatching) streamsRun(ctx context.Context) {
	if f.watcher == nil {
		return
	}
	go func() {
		if err := f.ours(ctx); err != nil {
			if ctx.Err() == nil {
				f.watcher.log.With("error", err).Error("The files of streams are not watched")
			}
			return
		}
		f.watcher.run(ctx)
	}()
}

// apiAddress is where the process serves the REST API of streams mode. The error says
// why the watcher cannot use it.
func (f *fileWatching) apiAddress(conf *service.ParsedConfig) (string, error) {
	var unread error
	set := func(path ...string) bool {
		on, err := conf.FieldBool(path...)
		unread = errors.Join(unread, err)
		return on
	}
	text := func(path ...string) string {
		s, err := conf.FieldString(path...)
		unread = errors.Join(unread, err)
		return s
	}
	address := text("http", "address")
	_, port, err := net.SplitHostPort(address)
	switch {
	case f.flags.Bool("no-api"):
		return "", errors.New("--no-api switches the REST API off")
	case !set("http", "enabled"):
		return "", errors.New("http.enabled switches the REST API off")
	case text("http", "cert_file") != "":
		return "", errors.New("http.cert_file has the REST API speak TLS")
	case set("http", "basic_auth", "enabled"):
		return "", errors.New("http.basic_auth guards the REST API")
	case err != nil:
		return "", fmt.Errorf("http.address: %w", err)
	case port == "0":
		return "", errors.New("http.address leaves the port open")
	case len(f.flags.StringSlice("resources")) > 0:
		return "", errors.New("files of --resources are watched as well")
	}
	if unread != nil {
		return "", unread
	}
	for _, path := range f.flags.Args().Slice() {
		if strings.Contains(path, "**") {
			return "", fmt.Errorf("%s goes through all folders", path)
		}
	}
	for _, outer := range f.flags.Lineage()[1:] { // what was said before the command's name stays said
		if outer.Bool("watcher") || len(outer.StringSlice("resources")) > 0 {
			return "", errors.New("--watcher or --resources stands before the command")
		}
	}
	return address, nil
}

// ours waits until the API is there, and makes sure that it is that of this process:
// Benthos goes on without one when another process has the address.
func (f *fileWatching) ours(ctx context.Context) error {
	id, err := uuid.NewV4()
	if err != nil {
		return err
	}
	mark := "file_watching_" + strings.ReplaceAll(id.String(), "-", "_")
	for retry := firstRetry; ; retry = min(2*retry, lastRetry) {
		err := f.streams.mark(ctx, mark)
		switch {
		case f.res.HasRateLimit(mark):
			return nil
		case err == nil:
			return fmt.Errorf("%s is served by another process", f.streams.base)
		case status(err) != 0:
			return err
		case retry == firstRetry:
			f.watcher.log.With("error", err).Warn("The REST API of this process does not answer, and is tried again")
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lintStream lints a stream's config as Benthos does when it reads the file.
func lintStream(text []byte) ([]service.Lint, error) {
	schema := service.GlobalEnvironment().CoreConfigSchema(Version, "")
	return schema.Field(service.NewAnyListField("tests").Optional()).NewStreamConfigLinter().LintYAML(text)
}
