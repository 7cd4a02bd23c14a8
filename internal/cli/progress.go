package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tidemark-streams/tidemark/internal/console"
	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 10 * time.Second
	barWidth  = 30
)

// progress shows how far a replay or a copy has come: a bar that moves on a terminal, a
// line now and then elsewhere. Logs are written through it, above the bar.
type progress struct{ *console.Screen }

func newProgress(w io.Writer) *progress { return &progress{console.NewScreen(w)} }

// run shows what state tells, how much of how much is done and the verb for it, until
// ctx ends; then it takes the bar away.
func (p *progress) run(ctx context.Context, state func() (done, total int, verb string)) {
	every := lineEvery
	if p.Terminal() {
		every = barEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	begun, doing := time.Now(), ""
	for {
		select {
		case <-ctx.Done():
			p.Draw(nil)
			return
		case <-tick.C:
			done, total, verb := state()
			if doing != "" && verb != doing { // another count, with a pace of its own
				begun = time.Now()
			}
			doing = verb
			p.show(done, total, verb, time.Since(begun))
		}
	}
}

func (p *progress) show(done, total int, verb string, took time.Duration) {
	if total == 0 {
		return
	}
	done = min(done, total)
	line := fmt.Sprintf("%s of %s %s, %s/s", humanize.Comma(int64(done)), humanize.Comma(int64(total)), verb, perSecond(done, took))
	if !p.Terminal() {
		fmt.Fprintln(p, line)
		return
	}
	p.Draw([]console.Line{barLine(done, total, line, p.Size().Width)})
}

// barLine is a bar with what it means beside it.
func barLine(done, total int, meaning string, width int) console.Line {
	full := barWidth * done / total
	bar := strings.Repeat("█", full) + strings.Repeat("·", barWidth-full)
	return console.Text(fmt.Sprintf("[%s] %3d %%  %s", bar, 100*done/total, meaning), width-1)
}

func perSecond(n int, took time.Duration) string {
	return humanize.Comma(int64(float64(n) / max(took.Seconds(), 1e-3)))
}

// producedText is the closing account of a replay.
func producedText(a olistcsv.Account, brokers string, took time.Duration, interrupted bool) string {
	var b strings.Builder
	done := a.DeliveredTotal()
	if interrupted && done < a.Total {
		fmt.Fprintf(&b, "interrupted after %s of %s records\n", humanize.Comma(int64(done)), humanize.Comma(int64(a.Total)))
	}
	fmt.Fprintf(&b, "sent %s records to %s in %v (%s/s)\n", humanize.Comma(int64(done)), brokers, took.Round(10*time.Millisecond), perSecond(done, took))
	for _, topic := range olistTopics() {
		name := strings.TrimSuffix(topic, os.Getenv(suffixEnv)) // by which the events are known
		if n := a.Delivered[name]; n > 0 {
			fmt.Fprintf(&b, "  %-20s %10s\n", topic, humanize.Comma(int64(n)))
		}
	}
	if a.First <= a.Last && done > a.Delivered[olistcsv.TopicDeadLetters] {
		fmt.Fprintf(&b, "selected events from %v to %v\n", a.First, a.Last)
	}
	if in := a.Injected; in.Duplicates+in.Disordered+in.Late > 0 {
		fmt.Fprintf(&b, "injected %s duplicates, %s out of order, %s late\n",
			humanize.Comma(int64(in.Duplicates)), humanize.Comma(int64(in.Disordered)), humanize.Comma(int64(in.Late)))
	}
	fmt.Fprintf(&b, "rejected %s rows\n", humanize.Comma(int64(a.RejectedTotal())))
	for _, rule := range slices.Sorted(maps.Keys(a.Rejected)) {
		fmt.Fprintf(&b, "  %s: %s\n", rule, humanize.Comma(int64(a.Rejected[rule])))
	}
	return b.String()
}
