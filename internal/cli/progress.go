package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-isatty"

	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 10 * time.Second
	barWidth  = 30
	clearLine = "\r\x1b[K"
)

// progress shows how far a replay or a copy has come: a bar that moves on a terminal, a
// line now and then elsewhere. Logs are written through it, above the bar.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	shown    bool // a bar stands on the current line
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, terminal: ok && isatty.IsTerminal(f.Fd())}
}

// Write implements io.Writer for logs.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.w.Write(b)
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, clearLine)
		p.shown = false
	}
}

// run shows what state tells, how much of how much is done and the verb for it, until
// ctx ends; then it takes the bar away.
func (p *progress) run(ctx context.Context, state func() (done, total int, verb string)) {
	every := lineEvery
	if p.terminal {
		every = barEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	begun, doing := time.Now(), ""
	for {
		select {
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			p.clear()
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
	p.mu.Lock()
	defer p.mu.Unlock()
	done = min(done, total)
	line := fmt.Sprintf("%s of %s %s, %s/s", humanize.Comma(int64(done)), humanize.Comma(int64(total)), verb, perSecond(done, took))
	if !p.terminal {
		fmt.Fprintln(p.w, line)
		return
	}
	full := barWidth * done / total
	fmt.Fprintf(p.w, "%s[%s%s] %3d %%  %s", clearLine, strings.Repeat("█", full), strings.Repeat("·", barWidth-full), 100*done/total, line)
	p.shown = true
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
