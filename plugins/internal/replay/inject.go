package replay

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

const (
	// DuplicateWithin bounds how long after the original a duplicate is sent, in event time.
	DuplicateWithin = event.Minute
	// LateAtLeast and LateAtMost bound how long after its event time a late record
	// is sent, in event time; sooner only where the replay ends before.
	LateAtLeast = 30 * event.Minute
	LateAtMost  = event.Hour
)

// Injection says what to disturb. The zero value disturbs nothing.
type Injection struct {
	// Duplicates is the share of records that are sent twice, 0 to 1.
	Duplicates float64
	// Disorder bounds by how much event time a record may be overtaken by later ones.
	Disorder event.Duration
	// Late is the share of records that are sent much later than Disorder allows, 0 to 1.
	Late float64
	// Seed makes another choice of records. The same seed makes the same one.
	Seed uint64
}

// Send is one sending of a record.
type Send struct {
	// At is when the record is due, in event time. Sends are ordered by it.
	At event.Time
	// Index is the record's place in event-time order.
	Index int32
	// Kind tells an ordinary sending from an injected one.
	Kind SendKind
}

// SendKind tells why a record is sent when it is.
type SendKind uint8

// The kinds of sending.
const (
	Ordinary  SendKind = iota // as scheduled, give or take the disorder
	Duplicate                 // a second time
	Late                      // long after its time
)

// Counts is what an injection did.
type Counts struct {
	Duplicates int // records sent a second time
	Disordered int // records sent after one with a later event time, within the bound
	Late       int // records held back for long
}

// Inject schedules the records whose event times are given in order. Only the
// order of sending changes; the event times stay.
//
// Every record is held back by a delay, and sends are ordered by time + delay.
// For ordinary records the delay is at most in.Disorder, so whatever is sent
// before a record of time t has a time of at most t + in.Disorder: a watermark
// that trails the largest time seen by in.Disorder never passes an ordinary
// record, duplicates and late records around it or not.
func Inject(times []event.Time, in Injection) ([]Send, Counts) {
	// One source of chance per kind: turning one on leaves the others' choices alone.
	dup, dis, late := rand.New(rand.NewPCG(in.Seed, 1)), rand.New(rand.NewPCG(in.Seed, 2)), rand.New(rand.NewPCG(in.Seed, 3))
	sends := make([]Send, 0, len(times)+int(float64(len(times))*min(in.Duplicates, 1)*1.1))
	var n Counts
	for i, t := range times {
		s := Send{At: t, Index: int32(i)}
		if in.Disorder > 0 {
			s.At = t.Add(event.Duration(dis.Int64N(int64(in.Disorder) + 1)))
		}
		if in.Late > 0 && late.Float64() < in.Late {
			s.Kind, s.At = Late, t.Add(LateAtLeast+event.Duration(late.Int64N(int64(LateAtMost-LateAtLeast)+1)))
			n.Late++
		}
		sends = append(sends, s)
		if in.Duplicates > 0 && dup.Float64() < in.Duplicates {
			s.Kind, s.At = Duplicate, s.At.Add(1+event.Duration(dup.Int64N(int64(DuplicateWithin))))
			sends = append(sends, s)
			n.Duplicates++
		}
	}
	slices.SortStableFunc(sends, func(a, b Send) int { return cmp.Compare(a.At, b.At) })
	if in.Disorder > 0 {
		n.Disordered = disordered(times, sends)
	}
	return sends, n
}

func disordered(times []event.Time, sends []Send) (n int) {
	seen := event.MinTime
	for _, s := range sends {
		t := times[s.Index]
		if s.Kind == Ordinary && t < seen {
			n++
		}
		seen = max(seen, t)
	}
	return n
}
