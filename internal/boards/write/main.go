// Command write writes Tidemark's Grafana dashboards into a folder:
//
//	go run ./internal/boards/write configs/grafana/dashboards
//	go run ./internal/boards/write -from now-7d -to now FOLDER
//
// The second one is for a shop whose orders are of today: -from and -to say what a board
// about sales shows when it is opened.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidemark-streams/tidemark/internal/boards"
)

func main() {
	opened := boards.Olist()
	flag.StringVar(&opened.From, "from", opened.From, "begin of the time range at which boards about sales open")
	flag.StringVar(&opened.To, "to", opened.To, "its end")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: write [-from TIME] [-to TIME] FOLDER")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(flag.Arg(0), opened); err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}

// write makes dir hold the boards and no other JSON.
func write(dir string, opened boards.Range) error {
	all := boards.All(opened)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, keep := all[filepath.Base(path)]; !keep {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, board := range all {
		text, err := boards.JSON(board)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
