package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemark-streams/tidemark/tests/golden"
)

// origin is a stream and a topic that it reads.
type origin struct{ stream, topic string }

// end reads everything to its end with a last process and returns every difference
// between what there should be and what there is: rows, dead letters, accounts.
func (p *pipeline) end(name string) []string {
	p.Helper()
	env := append([]string{"TIDEMARK_STATE_DIR=" + p.stateDir(name)}, p.faults...)
	r := p.succeeds(p.start(env, "consume", "--stop-at-end", "--streams", p.streams))
	return slices.Concat(p.rowDifferences(), p.letterDifferences(), p.accountErrors(r.Stdout))
}

// expect ends the run: nothing may differ.
func (p *pipeline) expect(name string) {
	p.Helper()
	if diff := p.end(name); len(diff) > 0 {
		p.Error(summary(diff))
	}
}

// summary is the head of a list of differences.
func summary(diff []string) string {
	const most = 12
	more := ""
	if len(diff) > most {
		more = fmt.Sprintf("\nand %d more", len(diff)-most)
		diff = diff[:most]
	}
	return strings.Join(diff, "\n") + more
}

// rowDifferences holds every row of the views against the oracle's.
func (p *pipeline) rowDifferences() []string {
	p.Helper()
	return golden.Diff(golden.Compute(p.events, golden.Defaults()), p.rows())
}

// rows are what the views show.
func (p *pipeline) rows() golden.Tables {
	p.Helper()
	got, err := golden.Load(p.Context(), p.pg.DB)
	if err != nil {
		p.Fatal(err)
	}
	return got
}

// letterDifferences holds the dead letters against the oracle's count of children
// that join no order, and those that the test expects besides. The key of the table
// sees to it that there is one per stream and record. A copy that is produced long
// after its original, as event time goes, is late where it is no longer remembered.
func (p *pipeline) letterDifferences() (diff []string) {
	p.Helper()
	want := maps.Clone(p.letters)
	if want == nil {
		want = map[origin]int64{}
	}
	for kind, n := range golden.Children(p.events, golden.Defaults()) {
		want[origin{groups[0].name, kind.String()}] += n.Outside + n.Orphans
	}
	rows, err := p.pg.DB.QueryContext(p.Context(), "select stream, topic, count(*) from dead_letter_events group by 1, 2")
	if err != nil {
		p.Fatal(err)
	}
	defer rows.Close()
	got := map[origin]int64{}
	for rows.Next() {
		var o origin
		var n int64
		if err := rows.Scan(&o.stream, &o.topic, &n); err != nil {
			p.Fatal(err)
		}
		got[o] = n
		want[o] += 0
	}
	if err := rows.Err(); err != nil {
		p.Fatal(err)
	}
	copies := p.resent()
	for o, n := range want {
		if got[o] < n || got[o] > n+copies[o.topic] {
			diff = append(diff, fmt.Sprintf("dead letters of %s from %s: want %d, got %d", o.stream, o.topic, n, got[o]))
		}
	}
	slices.Sort(diff)
	return diff
}

// resent is how many copies each topic has that the producer made because it had
// lost sight of the broker.
func (p *pipeline) resent() map[string]int64 {
	p.Helper()
	copies := map[string]int64{}
	if p.resends {
		for topic, n := range p.records() {
			copies[topic] = n
		}
		for _, e := range p.events {
			copies[e.Kind.String()]--
		}
	}
	return copies
}

// records is how many records each topic has.
func (p *pipeline) records() map[string]int64 {
	p.Helper()
	records := map[string]int64{}
	p.ends().Each(func(o kadm.ListedOffset) { records[o.Topic] += o.Offset })
	return records
}

// accountErrors reads the table that a bounded run prints at its end, a line per
// stream, operator and topic with the number of events that came in and then one
// number per outcome. No event may be missing at any operator, and every stream has
// read each record of its topics once, whatever befell it on the way.
func (p *pipeline) accountErrors(output string) (diff []string) {
	p.Helper()
	named := []string{"stream", "operator", "topic", "in"}
	read := map[origin]int64{}
	var header []string
	for line := range strings.Lines(output) {
		cells := strings.Fields(line)
		if len(cells) > len(named) && slices.Equal(cells[:len(named)], named) {
			header = cells
			continue
		}
		if header == nil || len(cells) < len(header) {
			continue
		}
		in, outcomes := p.number(cells[3]), int64(0)
		for _, cell := range cells[len(named):len(header)] {
			outcomes += p.number(cell)
		}
		if outcomes != in {
			diff = append(diff, fmt.Sprintf("%d of %d events are accounted for: %s", outcomes, in, strings.TrimSpace(line)))
		}
		if cells[1] == "input" {
			read[origin{cells[0], cells[2]}] += in
		}
	}
	records := p.records()
	for _, g := range groups {
		for _, topic := range g.topics {
			if in := read[origin{g.name, topic}]; in != records[topic] {
				diff = append(diff, fmt.Sprintf("account of %s: %d records of %s read, want %d", g.name, in, topic, records[topic]))
			}
		}
	}
	return append(diff, p.producedErrors(records)...)
}

// producedErrors holds what the topics hold against what the oracle reads from the
// files; of copies there may be any number.
func (p *pipeline) producedErrors(records map[string]int64) (diff []string) {
	want := map[string]int64{}
	for _, e := range p.events {
		want[e.Kind.String()]++
	}
	for o, n := range p.letters {
		want[o.topic] += n
	}
	for topic, n := range want {
		if records[topic] < n || records[topic] > n && !p.copies && !p.resends {
			diff = append(diff, fmt.Sprintf("topic %s has %d records, want %d", topic, records[topic], n))
		}
	}
	return diff
}

func (p *pipeline) number(digits string) int64 {
	p.Helper()
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		p.Fatal(err)
	}
	return n
}
