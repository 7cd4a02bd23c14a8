package olistcsv

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// positionVersion changes with the order of sending, which a position counts by.
const positionVersion = 1

// Position is how far a replay has come: what the next run needs to go on there.
type Position struct {
	Version int `json:"version"`
	// Target names where the messages went.
	Target string `json:"target"`
	// Selection has everything that decides which messages are sent in which order:
	// options and a digest of each file.
	Selection map[string]string `json:"selection"`
	// Shift is by how much event times were moved, in milliseconds.
	Shift event.Duration `json:"shift_ms"`
	// Done is how many messages were acknowledged, of Total, in order and without a
	// gap. Rejected rows come first.
	Done  int `json:"done"`
	Total int `json:"total"`
	// Tally is of these messages.
	Tally Tally `json:"tally"`
}

// selection is what decides the messages of a replay and their order.
func selection(o Options, rebase bool, files map[string]string) map[string]string {
	s := map[string]string{
		fieldLimit:    strconv.Itoa(o.Limit),
		fieldTimezone: o.Location.String(),
		fieldRebase:   strconv.FormatBool(rebase),
		fieldValidate: strconv.FormatBool(o.Validate),
	}
	if o.StartFrom != event.MinTime {
		s[fieldStartFrom] = o.StartFrom.String()
	}
	if in := o.Injection; !in.None() {
		s[fieldDuplicates], s[fieldLate] = fmt.Sprint(in.Duplicates), fmt.Sprint(in.Late)
		s[fieldDisorder], s[fieldSeed] = in.Disorder.Text(), strconv.FormatUint(in.Seed, 10)
	}
	maps.Copy(s, files)
	return s
}

// differences tells in a few words what p was made with that is not so in now, empty
// where the two are positions of one sequence.
func (p Position) differences(now Position) string {
	var found []string
	names := maps.Clone(p.Selection)
	maps.Copy(names, now.Selection)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is := p.Selection[name], now.Selection[name]
		switch {
		case was == is:
		case strings.HasSuffix(name, ".csv"):
			found = append(found, name+" is another file")
		default:
			found = append(found, fmt.Sprintf("%s was %s and is %s", name, orNone(was), orNone(is)))
		}
	}
	if len(found) == 0 && (p.Version != now.Version || p.Total != now.Total || p.Done < 0 || p.Done > p.Total) {
		found = append(found, "another version of Tidemark made it")
	}
	return strings.Join(found, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "not given"
	}
	return s
}

// tracker knows up to where all messages are acknowledged, in whatever order the
// acknowledgements come. It is safe for use by several goroutines.
type tracker struct {
	mu    sync.Mutex
	done  int
	tally Tally
	open  []*flight // in order of sending; the first is not acknowledged
}

// flight is one batch on its way.
type flight struct {
	tally Tally
	acked bool
}

// begin notes a batch that is handed out.
func (t *tracker) begin(tally Tally) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &flight{tally: tally}
	t.open = append(t.open, s)
	return s
}

// ack notes that a batch is acknowledged.
func (t *tracker) ack(s *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.acked = true
	for len(t.open) > 0 && t.open[0].acked {
		t.done += t.open[0].tally.DeliveredTotal()
		t.tally.Add(t.open[0].tally)
		t.open[0] = nil
		t.open = t.open[1:]
	}
}

// position is up to where all is acknowledged, and what that was.
func (t *tracker) position() (done int, tally Tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done, t.tally.Clone()
}
