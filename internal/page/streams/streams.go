// Package streams answers the operator's view of the live page: how the tasks of all streams
// stand, in all processes, and what was refused. Kafka tells who has a task and what it has
// read, Postgres what it has committed and told of itself.
package streams

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/survey"
	"github.com/tidemark-streams/tidemark/plugins/figures"
)

// Database lets somebody read as of one moment. Its errors are for the user, in one line.
type Database interface {
	Read(ctx context.Context, do func(*sql.Tx) error) error
}

// Streams is the source of the operator's view. It may be used by many goroutines; they
// take turns.
type Streams struct {
	db     Database
	groups []string

	lock    chan struct{} // holds a token while nobody is at work; guards the rest
	brokers brokers
	letters letters
	rates   map[taskName]*rate
}

type taskName struct {
	stream string
	task   int32
}

// New makes one that reads from db and asks the brokers of kafka, which is nil for none. It
// shows the streams with these consumer groups and all that Postgres knows of.
func New(db Database, kafka *kgo.Client, groups []string) *Streams {
	s := &Streams{
		db: db, groups: groups, lock: make(chan struct{}, 1),
		brokers: brokers{client: kafka, now: time.Now}, letters: letters{now: time.Now}, rates: map[taskName]*rate{},
	}
	s.lock <- struct{}{}
	return s
}

// Snapshot returns a *Snapshot; the query is of no meaning. Kafka that does not answer is no
// error.
func (s *Streams) Snapshot(ctx context.Context, _ url.Values) (any, error) {
	select {
	case <-s.lock:
		defer func() { s.lock <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	v := &Snapshot{Streams: []Stream{}}
	var entries []entry
	err := s.db.Read(ctx, func(tx *sql.Tx) (err error) {
		if err = tx.QueryRowContext(ctx, "select now()").Scan(&v.AsOf); err != nil {
			return err
		}
		if entries, err = readLedger(ctx, tx); err != nil {
			return err
		}
		v.DeadLetters, err = s.letters.read(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	v.AsOf = v.AsOf.UTC()
	names := slices.Clone(s.groups)
	known := map[string]map[int32]*entry{}
	for i := range entries {
		e := &entries[i]
		if known[e.stream] == nil {
			known[e.stream] = map[int32]*entry{}
			names = append(names, e.stream)
		}
		known[e.stream][e.task] = e
	}
	slices.Sort(names)
	names = slices.Compact(names)
	asked, trouble := s.brokers.ask(ctx, names)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	v.Kafka = Kafka{Reachable: trouble == "", Error: trouble}
	s.measure(entries)
	for _, name := range names {
		v.Streams = append(v.Streams, s.stream(name, known[name], asked[name], v.AsOf))
	}
	return v, nil
}

// measure notes what tasks have read, and forgets those that are gone.
func (s *Streams) measure(entries []entry) {
	rates := make(map[taskName]*rate, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.figures == nil {
			continue
		}
		name := taskName{e.stream, e.task}
		r := s.rates[name]
		if r == nil {
			r = &rate{}
		}
		r.see(count{e.told, e.read()})
		rates[name] = r
	}
	s.rates = rates
}

// stream puts together what Postgres has of a stream and what Kafka says of it.
func (s *Streams) stream(name string, known map[int32]*entry, asked survey.Stream, now time.Time) Stream {
	v := Stream{Stream: name, Tasks: []Task{}, Account: []Line{}}
	onKafka := map[int32]*survey.Task{}
	numbers := map[int32]bool{}
	for i := range asked.Tasks {
		t := &asked.Tasks[i]
		onKafka[t.Task], numbers[t.Task] = t, true
	}
	for n := range known {
		numbers[n] = true
	}
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		t := taskOf(n, known[n], onKafka[n])
		if r := s.rates[taskName{name, n}]; r != nil {
			t.Throughput = tenths(r.perSecond(now))
		}
		v.add(t)
		if e := known[n]; e != nil && e.figures != nil {
			v.account(e.figures.Account)
		}
	}
	v.close()
	return v
}

// close ends the additions.
func (v *Stream) close() {
	v.Throughput = tenths(v.Throughput)
	place := map[string]int{} // of operators, as the tasks have them
	for i := range v.Account {
		l := &v.Account[i]
		l.Balanced = l.In == l.Passed+l.Held+l.Duplicate+l.Late+l.Orphan+l.Invalid+l.Future
		if _, ok := place[l.Operator]; !ok {
			place[l.Operator] = len(place)
		}
	}
	slices.SortFunc(v.Account, func(a, b Line) int {
		return cmp.Or(cmp.Compare(place[a.Operator], place[b.Operator]), strings.Compare(a.Topic, b.Topic))
	})
}

// tenths leaves a throughput the digits that say something.
func tenths(x float64) float64 { return math.Round(10*x) / 10 }

// add adds a task to the figures of its stream. It has ended when all tasks have that have
// seen a record.
func (v *Stream) add(t Task) {
	switch {
	case t.Watermark != nil:
		v.Ended = false
		if v.Watermark == nil || t.Watermark.Before(*v.Watermark) {
			v.Watermark = t.Watermark
		}
	case t.Ended && v.Watermark == nil:
		v.Ended = true
	}
	v.Lag = plus(v.Lag, t.Lag)
	v.Throughput += t.Throughput
	v.Rows += t.Seq
	v.Tasks = append(v.Tasks, t)
}

// plus adds two numbers of which any may not be known.
func plus(a, b *int64) *int64 {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return new(*a + *b)
}

// account adds a task's account, in the order of its operators.
func (v *Stream) account(lines []figures.Line) {
	for _, l := range lines {
		i := slices.IndexFunc(v.Account, func(have Line) bool { return have.Operator == l.Operator && have.Topic == l.Topic })
		if i < 0 {
			i = len(v.Account)
			v.Account = append(v.Account, Line{Operator: l.Operator, Topic: l.Topic})
		}
		n := &v.Account[i]
		n.In += l.In
		n.Passed += l.Passed
		n.Held += l.Held
		n.Duplicate += l.Duplicate
		n.Late += l.Late
		n.Orphan += l.Orphan
		n.Invalid += l.Invalid
		n.Future += l.Future
	}
}
