// Command docgen writes a page per component of Tidemark, from its Benthos spec, and
// the page of its metrics:
//
//	go run ./internal/docgen docs/components docs/prometheus.md
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

	"github.com/tidemark-streams/tidemark/plugins/prometheus"

	_ "github.com/tidemark-streams/tidemark/plugins"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: docgen FOLDER METRICS") }
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	err := write(flag.Arg(0), service.GlobalEnvironment())
	if err == nil {
		err = writeMetrics(flag.Arg(1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func writeMetrics(file string) error {
	page, err := prometheus.Page()
	if err != nil {
		return err
	}
	return os.WriteFile(file, page, 0o644)
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
