package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
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

// progressState is how far something has come.
type progressState struct {
	done, total int
	// verb is what is done; another one is another count, with a pace of its own.
	verb string
	// at tells where in the data that is, where known.
	at string
	// left is how long the rest takes at a pace, and whether that is known; nil is the
	// rest divided by the pace.
	left func(now time.Time, perSecond float64) (time.Duration, bool)
	// behind is how late it is; nil is never.
	behind func(now time.Time) time.Duration
}

// run shows what state tells until ctx ends; then it takes the bar away.
func (p *progress) run(ctx context.Context, state func() progressState) {
	tick := time.NewTicker(barEvery)
	defer tick.Stop()
	shown := time.Now()
	pace := newPace(shown, state())
	for {
		select {
		case <-ctx.Done():
			p.Draw(nil)
			return
		case <-tick.C:
			s, now := state(), time.Now()
			pace.add(now, s)
			if p.Terminal() || now.Sub(shown) >= lineEvery {
				shown = now
				p.show(now, s, pace.perSecond())
			}
		}
	}
}

// text is the state in one line, given the pace.
func (s progressState) text(now time.Time, perSecond float64) string {
	parts := []string{fmt.Sprintf("%s of %s %s", humanize.Comma(int64(s.done)), humanize.Comma(int64(s.total)), s.verb)}
	if s.at != "" {
		parts = append(parts, "at "+s.at)
	}
	parts = append(parts, rateText(perSecond)+"/s")
	left, known := time.Duration(float64(s.total-s.done)/max(perSecond, 1e-9)*float64(time.Second)), perSecond > 0
	if s.left != nil {
		left, known = s.left(now, perSecond)
	}
	if known {
		parts = append(parts, left.Round(time.Second).String()+" left")
	}
	if s.behind != nil {
		if behind := s.behind(now); behind >= time.Second {
			parts = append(parts, behind.Round(time.Second).String()+" behind")
		}
	}
	return strings.Join(parts, ", ")
}

func (p *progress) show(now time.Time, s progressState, perSecond float64) {
	if s.total == 0 {
		return
	}
	s.done = min(s.done, s.total)
	text := s.text(now, perSecond)
	if !p.Terminal() {
		fmt.Fprintln(p, text)
		return
	}
	width := p.Size().Width
	line := barText(width, s.done, s.total, fmt.Sprintf("%3d %%  %s", 100*s.done/s.total, text))
	p.Draw([]console.Line{console.Text(line, width-1)})
}

// barText is a line that fits a terminal, with a bar where there is room for one.
// A line that were wrapped could not be taken away again.
func barText(width, done, total int, text string) string {
	bar := min(barWidth, width-len(text)-4)
	if bar < 5 {
		return text[:min(len(text), max(0, width-1))]
	}
	full := bar * done / total
	return fmt.Sprintf("[%s%s] %s", strings.Repeat("█", full), strings.Repeat("·", bar-full), text)
}

// paceOver is how far back the pace looks: what was long ago says nothing about now.
const paceOver = lineEvery

// pace is how many a second were done in the last while.
type pace struct {
	verb    string
	total   int
	samples []sample // the oldest is as old as paceOver, or the first
}

type sample struct {
	at   time.Time
	done int
}

func newPace(now time.Time, s progressState) *pace {
	p := &pace{}
	p.add(now, s)
	return p
}

func (p *pace) add(now time.Time, s progressState) {
	if p.total == 0 || s.verb != p.verb { // before the first, nothing was to be done
		p.samples = p.samples[:0]
	}
	p.verb, p.total = s.verb, s.total
	for len(p.samples) > 1 && now.Sub(p.samples[1].at) >= paceOver {
		p.samples = p.samples[1:]
	}
	p.samples = append(p.samples, sample{now, s.done})
}

func (p *pace) perSecond() float64 {
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	return perSecond(last.done-first.done, last.at.Sub(first.at))
}

// perSecond is 0 where no time has passed.
func perSecond(n int, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}

// rateText is a number a second: a paced replay may send less than one.
func rateText(perSecond float64) string {
	if perSecond > 0 && perSecond < 10 {
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return humanize.Comma(int64(perSecond))
}

// producing is how far a replay has come.
func producing(a olistcsv.Account) progressState {
	s := progressState{done: a.Done(), total: a.Total, verb: "sent", left: a.Left, behind: a.Behind}
	if a.At != olistcsv.NoTime {
		s.at = a.At.String()
	}
	return s
}

// producedText is the closing account of a replay.
func producedText(a olistcsv.Account, brokers string, took time.Duration, resumable bool) string {
	var b strings.Builder
	sent, done, earlier := a.DeliveredTotal(), a.Done(), a.Earlier.DeliveredTotal()
	if done < a.Total {
		fmt.Fprintf(&b, "interrupted after %s of %s records", comma(done), comma(a.Total))
		if resumable {
			b.WriteString(": the same command with --resume goes on there")
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "sent %s records to %s in %v (%s/s)", comma(sent), brokers, took.Round(10*time.Millisecond), rateText(perSecond(sent, took)))
	if earlier > 0 {
		fmt.Fprintf(&b, ", %s with the runs before", comma(done))
	}
	b.WriteByte('\n')
	whole := a.Whole()
	for _, topic := range olistTopics() {
		name := strings.TrimSuffix(topic, os.Getenv(suffixEnv)) // by which the events are known
		if whole.Delivered[name] == 0 {
			continue
		}
		fmt.Fprintf(&b, "  %-20s %10s", topic, comma(a.Delivered[name]))
		if earlier > 0 {
			fmt.Fprintf(&b, " %10s in all", comma(whole.Delivered[name]))
		}
		b.WriteByte('\n')
	}
	if a.Oldest != olistcsv.NoTime {
		fmt.Fprintf(&b, "sent events from %v to %v\n", a.Oldest, a.Newest)
	}
	if a.First != olistcsv.NoTime {
		fmt.Fprintf(&b, "selected events from %v to %v\n", a.First, a.Last)
	}
	if whole.Injected.Total() > 0 {
		fmt.Fprintf(&b, "injected %v", a.Injected)
		if earlier > 0 {
			fmt.Fprintf(&b, "; in all %v", whole.Injected)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "rejected %s rows\n", comma(a.RejectedTotal()))
	for _, rule := range slices.Sorted(maps.Keys(a.Rejected)) {
		fmt.Fprintf(&b, "  %s: %s\n", rule, comma(a.Rejected[rule]))
	}
	return b.String()
}

func comma(n int) string { return humanize.Comma(int64(n)) }
