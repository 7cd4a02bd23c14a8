// Command docgen writes a page per component of Tidemark, from its Benthos spec:
//
//	go run ./internal/docgen docs/components
//
// It must not import stock Benthos components: every component that is
// registered here is taken for one of ours.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/redpanda-data/benthos/v4/public/service"

	_ "github.com/tidemark-streams/tidemark/plugins"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: docgen FOLDER") }
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(flag.Arg(0), service.GlobalEnvironment()); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

// write makes dir hold the pages of env's components and no other page.
func write(dir string, env *service.Environment) error {
	pages, err := render(env)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, keep := pages[filepath.Base(path)]; !keep {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
