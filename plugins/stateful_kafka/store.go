package statefulkafka

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// localStore is the folder of a task's state while the task has it.
type localStore struct {
	*state.Local
	fs  vfs.FS
	dir string
}

// mostFolders is how many processes of one machine may hold folders of the same task:
// its owner, and others that were paused while they owned it.
const mostFolders = 16

// openStore opens the local store of a task, a copy of what identity names. Each
// process that holds a folder of the task has another one. A store that is broken is
// made anew: it is only a copy.
func openStore(cache *state.Cache, fs vfs.FS, root, group string, task int32, identity string) (*localStore, error) {
	base := filepath.Join(root, group, strconv.Itoa(int(task)))
	for i := range mostFolders {
		dir := base
		if i > 0 {
			dir = fmt.Sprintf("%s-%d", base, i)
		}
		local, err := cache.Open(fs, dir, identity)
		if err != nil && !errors.Is(err, state.ErrLocked) {
			if err = state.RemoveLocal(fs, dir); err == nil {
				local, err = cache.Open(fs, dir, identity)
			}
		}
		if err == nil {
			return &localStore{local, fs, dir}, nil
		}
		if !errors.Is(err, state.ErrLocked) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("local store %s: %d processes hold folders of this task", base, mostFolders)
}

// close closes the store, and removes it where err says that it cannot be trusted.
func (s *localStore) close(err error) error {
	closed := s.Local.Close()
	if !errors.Is(err, changelog.ErrLocal) && !errors.Is(err, errState) {
		return closed
	}
	return state.RemoveLocal(s.fs, s.dir) // what Close says of a broken store is no news
}

// errState says that operators could not read their state.
var errState = errors.New("local store")
