package stateful

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// identity is what the state of a stream belongs to. Another number of tasks, or with
// several of them another key, would look for state in tasks that do not have it.
type identity struct {
	Tasks int    `json:"tasks"`
	Key   string `json:"key,omitempty"`
}

func (c *config) identity() string {
	id := identity{Tasks: c.tasks}
	if c.tasks > 1 {
		id.Key = c.keyText
	}
	text, _ := json.Marshal(id) // a number and a text
	return string(text)
}

// folder is where all state of the stream lies, and dir that of a task.
func (c *config) folder() string { return filepath.Join(c.stateDir, c.name) }

func (c *config) dir(task int) string { return filepath.Join(c.folder(), fmt.Sprintf("task-%d", task)) }

const (
	// lockPatience is how long a stream that starts waits for the one before it to close,
	// as in a reload.
	lockPatience = 10 * time.Second
	lockPause    = 50 * time.Millisecond
)

// lock takes the folder of the stream for this input alone.
func (in *input) lock(ctx context.Context) (io.Closer, error) {
	began := time.Now()
	for {
		l, err := state.LockFolder(in.cfg.fs, in.cfg.folder())
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, state.ErrLocked):
			return nil, host.Refuse("%s: %w", fieldStateDir, err)
		case time.Since(began) >= lockPatience:
			return nil, host.Refuse("stream %s runs already: another process, or another stream of this one, has its state in %s", in.cfg.name, in.cfg.folder())
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// positions finds the number of the next arrival of each task, and makes the stores of a
// new stream. It refuses state that does not belong to the config, and state of which a
// part is missing: all folders are made before any task begins.
func (in *input) positions() ([]int64, error) {
	next := make([]int64, in.cfg.tasks)
	var missing []int
	begun := false
	for i := range next {
		if _, err := in.cfg.fs.Stat(in.cfg.dir(i)); errors.Is(err, os.ErrNotExist) {
			missing = append(missing, i)
			continue
		}
		at, err := in.place(in.cfg.dir(i))
		if err != nil {
			return nil, err
		}
		begun = begun || at.marker.Generation > 0
		next[i] = at.next()
	}
	for _, i := range missing {
		if begun {
			return nil, host.Refuse("stream %s: %s, the state of task %d, is gone, while others have theirs: put it back, or `tidemark state reset` drops state and rows of all",
				in.cfg.name, in.cfg.dir(i), i)
		}
		if _, err := in.place(in.cfg.dir(i)); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// place looks up where the last commit of a task stands.
func (in *input) place(dir string) (*place, error) {
	store, err := in.cache.OpenDurable(in.cfg.fs, dir, in.cfg.identity())
	if err != nil {
		return nil, in.unfit(err)
	}
	p, err := readPlace(store)
	if err := errors.Join(err, store.Close()); err != nil {
		return nil, host.Refuse("stream %s: state in %s: %w", in.cfg.name, dir, err)
	}
	return p, nil
}

// unfit says why a store cannot be taken.
func (in *input) unfit(err error) error {
	var other *state.OtherIdentityError
	var was identity
	if !errors.As(err, &other) || json.Unmarshal([]byte(other.Have), &was) != nil {
		return host.Refuse("stream %s: %w", in.cfg.name, err)
	}
	const help = "`tidemark state reset` drops its state and rows, so that it starts anew"
	if was.Tasks != in.cfg.tasks {
		return host.Refuse("%s: the state of stream %s in %s was written with %d tasks, and keys would leave the tasks that hold their state: set it to %d again; %s",
			fieldTasks, in.cfg.name, in.cfg.folder(), was.Tasks, was.Tasks, help)
	}
	return host.Refuse("%s: the state of stream %s in %s was written with the key %q, and events would leave the tasks that hold their state: set it so again; %s",
		fieldKey, in.cfg.name, in.cfg.folder(), was.Key, help)
}

// place is where a run of a task begins.
type place struct {
	marker     changelog.Marker
	checkpoint *task.Checkpoint // of the last commit; nil where there was none
}

func readPlace(store *state.Local) (*place, error) {
	p := &place{}
	stored, err := store.Marker()
	if err != nil || stored == nil {
		return p, err
	}
	m, err := changelog.ReadMarker(stored)
	if err != nil {
		return nil, err
	}
	p.marker = *m
	if len(m.Checkpoint) > 0 {
		p.checkpoint, err = task.ReadCheckpoint(m.Checkpoint)
	}
	return p, err
}

// next is the number of the arrival that is the first behind the commit.
func (p *place) next() int64 {
	if p.checkpoint == nil || len(p.checkpoint.Position.Sources) == 0 {
		return 0
	}
	return p.checkpoint.Position.Sources[0].Offset
}

// neverIdle is a timeout that no partition comes to: a task has but one, and what makes a
// partition idle is the news of another.
const neverIdle = 24 * time.Hour

// memoryOr is the file system of the state: the disk, or memory where no folder is named.
func memoryOr(dir string) vfs.FS {
	if dir == "" {
		return vfs.NewMem()
	}
	return vfs.Default
}
