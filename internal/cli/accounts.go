package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tidemark-streams/tidemark/plugins"
)

// printAccounts prints what became of every event at every operator; nothing
// where no bounded stream came to its end.
func printAccounts(w io.Writer, summaries map[string]plugins.Summary) error {
	if len(summaries) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "stream\toperator\ttopic\t%s\t\n", strings.Join(plugins.Outcomes(), "\t"))
	for _, id := range slices.Sorted(maps.Keys(summaries)) {
		for _, l := range summaries[id].Lines {
			fmt.Fprintf(t, "%s\t%s\t%s\t", summaries[id].Stream, l.Operator, l.Topic)
			for _, n := range l.Counts {
				fmt.Fprintf(t, "%d\t", n)
			}
			if !l.Counts.Balanced() {
				fmt.Fprint(t, " DOES NOT ADD UP")
			}
			fmt.Fprintln(t)
		}
	}
	return t.Flush()
}
