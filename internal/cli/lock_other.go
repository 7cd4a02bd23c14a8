//go:build !unix

package cli

import "errors"

// lockFolder is refused where folders cannot be locked.
func lockFolder(string) (func() error, error) {
	return nil, errors.New("keeping a demo needs a Unix system")
}
