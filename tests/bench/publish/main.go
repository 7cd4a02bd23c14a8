// Command publish puts what the benchmarks have measured into the docs: tables into
// performance.md, and charts beside it.
//
//	go run ./tests/bench/publish docs
//
// It reads performance-bench.json and performance-scaling.json in that folder, which
// the benchmarks write where TIDEMARK_BENCH_JSON tells them to.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: publish FOLDER")
		os.Exit(2)
	}
	files, err := publish(os.Args[1])
	if err == nil {
		err = write(os.Args[1], files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

const page = "performance.md"

// publish makes the files of a folder, by their names.
func publish(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, page))
	if err != nil {
		return nil, err
	}
	bench, err := report.Read(filepath.Join(dir, "performance-bench.json"))
	if err != nil {
		return nil, err
	}
	scaling, err := report.Read(filepath.Join(dir, "performance-scaling.json"))
	if err != nil {
		return nil, err
	}
	filled := string(text)
	for name, block := range map[string]string{
		"goals": goals(bench), "throughput": throughput(bench), "latency": latency(bench), "restarts": restarts(bench),
		"scaling": table(scaling),
	} {
		if filled, err = fill(filled, name, block); err != nil {
			return nil, err
		}
	}
	files := map[string]string{page: filled}
	for _, c := range charts(scaling.Scaling) {
		files[c.file] = c.svg()
	}
	return files, nil
}

func write(dir string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
