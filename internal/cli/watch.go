package cli

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// lookEvery is the time between two looks at the watched files.
const lookEvery = 200 * time.Millisecond

// watches tells whether Benthos watches the files that the arguments name.
func watches(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return slices.Contains([]string{"-w", "--w", "-watcher", "--watcher"}, a) })
}

// freeReplaced makes Benthos notice files that are replaced, as most editors save them.
// It hears of the end of the old file, which comes when nobody has that open any more,
// and leaves those that it has read for the collector to close. So where another file
// has come into the place of one, the collector runs.
func freeReplaced(ctx context.Context, args []string) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for before := lookAt(args); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := lookAt(args)
		for path, old := range before {
			if found := now[path]; found == nil || !os.SameFile(old, found) {
				runtime.GC()
				break
			}
		}
		before = now
	}
}

// lookAt finds the files that arguments name: themselves, by a pattern, or by a folder.
func lookAt(args []string) map[string]fs.FileInfo {
	found := map[string]fs.FileInfo{}
	add := func(path string) {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			found[path] = info
		} // one that is gone is not found
	}
	for _, a := range args {
		paths, err := filepath.Glob(a)
		if err != nil {
			continue // no pattern, and so no path of ours
		}
		for _, path := range paths {
			_ = filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
				if err == nil {
					add(p)
				}
				return nil
			})
		}
	}
	return found
}
