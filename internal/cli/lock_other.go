//go:build !unix

package cli

import "errors"

// lockFolder is refused where folders cannot be locked.
func lockFolder(string) (func() error, error) {
	return nil, errors.New("keeping a demo needs a Unix system")
}

// errLocked tells that another process has the lock.
var errLocked = errors.New("locked by another process")

// lockFile takes no lock where files cannot be locked.
func lockFile(string) (func() error, error) { return func() error { return nil }, nil }
