package state

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrLocked says that another process, or another store of this one, has the folder.
var ErrLocked = errors.New("the folder is in use")

// RemoveLocal removes the folder of a store, which nobody may have open.
func RemoveLocal(fs vfs.FS, dir string) error { return fs.RemoveAll(dir) }

// lockFolder makes a folder if there is none and locks it.
func lockFolder(fs vfs.FS, dir string) (*pebble.Lock, error) {
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory(dir, fs)
	if err != nil && held(err) {
		return nil, fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return lock, err
}

// held tells whether a lock was refused because someone has it. Another process
// shows in the error number; for this one Pebble has an error without a name, where
// all that the file system says names the path.
func held(err error) bool {
	var number syscall.Errno
	var path *fs.PathError
	if errors.As(err, &path) {
		return false
	}
	return !errors.As(err, &number) || number == syscall.EAGAIN || number == syscall.EACCES
}

// trouble keeps the first error that Pebble does not return: of flushes and
// compactions, and where it cannot go on and asks its logger to end the process.
// Pebble goes on then, and whatever becomes of the files: the store is a copy that
// nobody reads any more. Neither a panic would do, which ends the other tasks too,
// nor the end of the goroutine alone, which holds locks.
type trouble struct {
	first atomic.Pointer[error]
	met   chan struct{} // closed with the first error
}

func newTrouble() *trouble { return &trouble{met: make(chan struct{})} }

func (t *trouble) note(err error) {
	if t.first.CompareAndSwap(nil, &err) {
		close(t.met)
	}
}

func (t *trouble) err() error {
	if err := t.first.Load(); err != nil {
		return *err
	}
	return nil
}

func (t *trouble) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { t.note(fmt.Errorf("in the background: %w", err)) },
		DataCorruption:  func(info pebble.DataCorruptionInfo) { t.note(fmt.Errorf("%s: %w", info.Path, info.Details)) },
	}
}

// Infof drops what Pebble logs.
func (t *trouble) Infof(string, ...any) {}

// Errorf drops what Pebble logs: the errors are returned, or come as events.
func (t *trouble) Errorf(string, ...any) {}

// Fatalf keeps the error with which Pebble cannot go on.
func (t *trouble) Fatalf(format string, args ...any) { t.note(fmt.Errorf(format, args...)) }
