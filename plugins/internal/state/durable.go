package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// OtherIdentityError says that a durable store holds the state of something else, which
// is left as it is.
type OtherIdentityError struct{ Have string }

func (e *OtherIdentityError) Error() string { return fmt.Sprintf("holds the state of %q", e.Have) }

// OpenDurable opens or makes a store that is no copy of anything: it alone has the state
// of its task. So it is never emptied: where it belongs to another identity the error is an
// OtherIdentityError, and what Commit was given is on the disk when it returns. Other
// errors are those of OpenLocal, but the folder is all that there is.
func (c *Cache) OpenDurable(fs vfs.FS, dir, identity string) (*Local, error) {
	if err := makeFolder(fs, dir); err != nil {
		return nil, fmt.Errorf("local store %s: %w", dir, err)
	}
	return c.open(fs, dir, func(l *Local) error { return l.claim(identity) })
}

// claim gives a new store its identity, and checks that of another one.
func (l *Local) claim(identity string) error {
	want := append([]byte{FormatVersion}, identity...)
	have, err := l.get(keyIdentity)
	switch {
	case err != nil || bytes.Equal(have, want):
		return err
	case have == nil:
		return errors.Join(l.db.Set(keyIdentity, want, pebble.NoSync), l.flush())
	case have[0] != FormatVersion:
		return fmt.Errorf("written in format %d, this is format %d", have[0], FormatVersion)
	}
	return &OtherIdentityError{string(have[1:])}
}

// Commit makes all changes since the last one and the marker durable, together or not at
// all. It is for a store that was opened by OpenDurable. After an error nothing is known:
// the store is to be closed and opened anew.
//
// The changes are one batch, and a flush brings it into a file and that into the manifest,
// each synced: the batch is in the store when the manifest names its file. A log of
// Pebble's would take one sync less, but what it meets on a bad disk it panics with, which
// would end the other tasks too.
func (l *Local) Commit(marker []byte) (err error) {
	b := l.db.NewBatch()
	defer func() { err = errors.Join(err, b.Close()) }()
	for key, value := range l.Changes() {
		if err := set(b, key, value); err != nil {
			return err
		}
	}
	if err := l.Err(); err != nil { // what was read to make the changes of is not what was stored
		return err
	}
	if err := l.load(b, marker); err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	l.uncommitted, l.handed, l.drops = false, 0, nil
	for _, s := range l.tables {
		s.table.Committed()
		s.table.Shelved()
	}
	return nil
}

// LockFolder makes a folder if there is none and locks it for the stores below it, until it
// is closed. Where another process, or this one, has it, the error is ErrLocked.
func LockFolder(fs vfs.FS, dir string) (io.Closer, error) {
	var lock io.Closer
	err := makeFolder(fs, dir)
	if err == nil {
		lock, err = lockFolder(fs, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	return lock, nil
}

// makeFolder makes a folder, and those above it that are missing, so that it is there after
// a crash of the machine too: what is synced in a folder is lost with the folder's name.
func makeFolder(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := makeFolder(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	in, err := fs.OpenDir(parent)
	if err != nil {
		return err
	}
	return errors.Join(in.Sync(), in.Close())
}
