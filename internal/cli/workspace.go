package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/configs"
	"github.com/tidemark-streams/tidemark/streams"
)

// enterWorkspace makes sure that the working directory holds the shipped streams
// and configs. Where it does not, the copies inside the binary are written to a
// temporary folder and the process moves there; what the user gave for the path
// flags is made absolute before. Leave moves back and removes the copies.
func enterWorkspace(c *ucli.Context, pathFlags ...string) (leave func(), err error) {
	if isWorkspace() {
		return func() {}, nil
	}
	for _, name := range pathFlags {
		if !c.IsSet(name) {
			continue
		}
		abs, err := filepath.Abs(c.String(name))
		if err != nil {
			return nil, err
		}
		if err := c.Set(name, abs); err != nil {
			return nil, err
		}
	}
	home, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tidemark-")
	if err != nil {
		return nil, err
	}
	leave = func() {
		_ = os.Chdir(home) // the folder may be gone; nothing follows that needs it
		_ = os.RemoveAll(dir)
	}
	for _, shipped := range []struct {
		folder string
		files  fs.FS
	}{{"streams", streams.Files}, {"configs", configs.Avro}, {"configs", configs.Service}} {
		if err := os.CopyFS(filepath.Join(dir, shipped.folder), shipped.files); err != nil {
			leave()
			return nil, fmt.Errorf("write the shipped streams: %w", err)
		}
	}
	if err := os.Chdir(dir); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// isWorkspace tells whether the working directory has streams and configs of its own.
func isWorkspace() bool { return isDir("streams") && isDir("configs") }

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
