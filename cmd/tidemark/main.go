// Command tidemark is Benthos with event time.
package main

import (
	"context"
	"os"

	"github.com/tidemark-streams/tidemark/internal/cli"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	_ "github.com/tidemark-streams/tidemark/internal/exporter"
	_ "github.com/tidemark-streams/tidemark/plugins"
)

func main() { os.Exit(cli.Main(context.Background(), os.Args)) }
