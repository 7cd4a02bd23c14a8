package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const (
	// lookEvery is the time between two looks at the watched files.
	lookEvery = 50 * time.Millisecond
	// settling is how long a file has to stand still before it is read: who writes it in
	// pieces, or takes it away to put another there, is done by then.
	settling = 100 * time.Millisecond
	// firstRetry and lastRetry bound the time until a request that was lost is sent again.
	firstRetry, lastRetry = 200 * time.Millisecond, 10 * time.Second
)

// manager is what changes running streams. Errors are refusals, or of lost requests.
type manager interface {
	create(ctx context.Context, id string, text []byte) error
	update(ctx context.Context, id string, text []byte) error
	remove(ctx context.Context, id string) error
}

// watcher keeps the streams of a process like their files. It looks at the files rather
// than waits to be told, which works the same in every file system and however a file
// comes to its place.
//
// A file is read once it has stood still for the settling time, so that whatever is done
// to it after has a later time of modification: no change is missed.
type watcher struct {
	paths   []string // as the arguments name them
	chilled bool     // lint errors are logged, no more
	streams manager
	lint    func(text []byte) ([]service.Lint, error)
	log     *service.Logger

	files     map[string]*watchedFile // by stream id
	complaint string                  // of the last look, which is not repeated
}

// watchedFile is what the watcher knows of one stream's file.
type watchedFile struct {
	seen    streamFile
	path    string // of seen, or where it was last
	pending bool   // something was done to it that is not dealt with
	due     time.Time
	retry   time.Duration // after another loss
	text    []byte        // that was dealt with last, whatever came of it
	runs    []byte        // that the stream was last made of, nil for none
}

// begin takes the streams to be made of their files as these are now. They have not
// settled, so each is looked at once more.
func (w *watcher) begin() error {
	w.files = map[string]*watchedFile{}
	found, err := findStreams(w.paths)
	if err != nil {
		return err
	}
	for id, file := range found {
		text, err := os.ReadFile(file.path)
		if err != nil {
			return err
		}
		w.files[id] = &watchedFile{seen: file, path: file.path, pending: true, text: text, runs: text}
	}
	return nil
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look(ctx, time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// look looks at the files and deals with one that has settled. It deals with no more:
// that may take a while, in which others may be written.
func (w *watcher) look(ctx context.Context, now time.Time) {
	found, err := findStreams(w.paths)
	if err != nil {
		if w.complaint != err.Error() {
			w.complaint = err.Error()
			w.log.With("error", err).Error("Streams are left as they are")
		}
		return
	}
	w.complaint = ""
	for id := range found {
		if w.files[id] == nil {
			w.files[id] = &watchedFile{}
		}
	}
	var next string
	for _, id := range slices.Sorted(maps.Keys(w.files)) {
		f := w.files[id]
		if file := found[id]; !f.seen.same(file) {
			f.seen, f.pending, f.due, f.retry = file, true, now.Add(settling), 0
			if file.info != nil {
				f.path = file.path
			}
		}
		// A file that gets another name stops one stream and begins another on the same
		// state, in this order.
		if f.pending && !now.Before(f.due) && (next == "" || f.gone() && !w.files[next].gone()) {
			next = id
		}
	}
	if next == "" {
		return
	}
	f := w.files[next]
	err = w.deal(ctx, next, f)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		if f.retry == 0 {
			w.of(next, f.path).With("error", err).Warn("What was done to the file is tried again")
		}
		f.retry = min(max(2*f.retry, firstRetry), lastRetry)
		f.due = now.Add(f.retry)
	case f.gone():
		delete(w.files, next)
	default:
		f.pending = false
	}
}

func (f *watchedFile) gone() bool { return f.seen.info == nil }

// deal does with a stream what its file says. The error is of what is worth another try.
func (w *watcher) deal(ctx context.Context, id string, f *watchedFile) error {
	if f.gone() {
		return w.remove(ctx, id, f)
	}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the next look sees that
	}
	if err != nil {
		return err
	}
	if f.text != nil && bytes.Equal(text, f.text) {
		return nil
	}
	if w.sound(id, f.path, text) {
		if err := w.apply(ctx, id, f, text); err != nil {
			return err
		}
	}
	f.text = text
	return nil
}

// of is the log of what befalls a stream by its file.
func (w *watcher) of(id, path string) *service.Logger {
	return w.log.With("stream", id, "file", path)
}

// sound logs what is wrong with a config, and tells whether it may be tried.
func (w *watcher) sound(id, path string, text []byte) bool {
	lints, err := w.lint(text)
	if err != nil {
		w.of(id, path).With("error", err).Error("Stream is left as it is")
		return false
	}
	for _, lint := range lints {
		log := w.of(id, path).With("error", fmt.Sprintf("%s%v", path, lint))
		if w.chilled {
			log.Warn("Stream has a lint error")
		} else {
			log.Error("Stream has a lint error")
		}
	}
	if len(lints) > 0 && !w.chilled {
		w.of(id, path).With("error", "its file has lint errors").Error("Stream is left as it is")
		return false
	}
	return true
}

// apply makes the stream anew of text. Whether its parts can be made shows only in its
// place, after the old one has stopped: they may need resources and ports that the
// process holds. So a config that fails then has the stream made anew of the one before.
func (w *watcher) apply(ctx context.Context, id string, f *watchedFile, text []byte) error {
	err := w.streams.update(ctx, id, text)
	if status(err) == http.StatusNotFound {
		f.runs = nil
		err = w.streams.create(ctx, id, text)
	}
	switch {
	case err == nil:
		f.runs = text
		w.of(id, f.path).Info("Stream runs anew: its file has changed")
		return nil
	case status(err) == 0:
		return err
	case status(err) == http.StatusBadRequest:
		w.of(id, f.path).With("error", err).Error("Stream is left as it is")
		return nil
	case f.runs == nil:
		w.of(id, f.path).With("error", err).Error("Stream does not run")
		return nil
	}
	again := w.streams.create(ctx, id, f.runs)
	switch {
	case again == nil, status(again) == http.StatusBadRequest: // the old one is still there
		w.of(id, f.path).With("error", err).Error("Stream runs as it did before")
	case status(again) == 0:
		return again
	default:
		f.runs = nil
		w.of(id, f.path).With("error", fmt.Sprintf("%v; nor as it did before: %v", err, again)).Error("Stream does not run")
	}
	return nil
}

func (w *watcher) remove(ctx context.Context, id string, f *watchedFile) error {
	err := w.streams.remove(ctx, id)
	switch status(err) {
	case 0:
		if err != nil {
			return err
		}
		w.of(id, f.path).Info("Stream is removed: its file is gone")
	case http.StatusNotFound:
	default:
		w.of(id, f.path).With("error", err).Error("Stream cannot be removed, its file is gone")
	}
	return nil
}

// status is that of a refusal, else 0.
func status(err error) int {
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return refused.status
	}
	return 0
}
