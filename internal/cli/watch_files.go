package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// streamFile is the config of a stream as it lies on disk. Without info it is not there.
type streamFile struct {
	path string
	info fs.FileInfo
}

// same tells whether nothing was done to a file since.
func (f streamFile) same(g streamFile) bool {
	if f.info == nil || g.info == nil {
		return f.info == nil && g.info == nil
	}
	return f.path == g.path && os.SameFile(f.info, g.info) &&
		f.info.Size() == g.info.Size() && f.info.ModTime().Equal(g.info.ModTime())
}

// unitTests is how the name of a stream's unit tests ends: Benthos does not run them.
const unitTests = "_benthos_test"

// findStreams finds the configs that the arguments of `streams` name (files, folders and
// patterns of both), by the id of their stream, as Benthos does. Of two files of one id
// it takes the first.
func findStreams(args []string) (map[string]streamFile, error) {
	found := map[string]streamFile{}
	add := func(id, path string) error {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, taken := found[id]; !taken && !info.IsDir() {
			found[id] = streamFile{path, info}
		}
		return nil
	}
	for _, arg := range args {
		paths, err := filepath.Glob(arg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		for _, path := range paths {
			path = filepath.Clean(path)
			err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
				switch ext := filepath.Ext(file); {
				case errors.Is(err, fs.ErrNotExist):
					return nil // it went while we looked
				case err != nil:
					return err
				case file == path:
					return add(streamID("", file), file) // whatever its name
				case entry.IsDir(), ext != ".yaml" && ext != ".yml":
					return nil
				}
				id := streamID(path, file)
				if strings.HasSuffix(id, unitTests) {
					return nil
				}
				return add(id, file)
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// streamID is the id that Benthos gives to the stream of a file: its path below the
// folder that was named, or its name.
func streamID(folder, file string) string {
	id := filepath.Base(file)
	if folder != "" {
		if below, err := filepath.Rel(folder, file); err == nil {
			id = below
		}
	}
	id = strings.TrimSuffix(strings.TrimSuffix(id, ".yaml"), ".yml")
	return strings.ReplaceAll(id, string(filepath.Separator), "_")
}
