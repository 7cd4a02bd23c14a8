//go:build unix

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder makes sure that no other process works in the folder: neither the
// embedded broker nor Postgres survives a second one on the same files.
func lockFolder(dir string) (unlock func() error, err error) {
	unlock, err = lockFile(filepath.Join(dir, "lock"))
	if errors.Is(err, errLocked) {
		err = fmt.Errorf("%s is in use by another process: %w", dir, err)
	}
	return unlock, err
}

// errLocked tells that another process has the lock.
var errLocked = syscall.EWOULDBLOCK

// lockFile takes the lock of a file, which is made where there is none. The operating
// system frees it when the process ends, in whatever way.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
