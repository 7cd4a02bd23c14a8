package replay

import (
	"fmt"
	"math/rand/v2"

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

// None tells that nothing is disturbed.
func (in Injection) None() bool { return in.Duplicates == 0 && in.Disorder == 0 && in.Late == 0 }

// Room is for how many sendings of n records there had better be room.
func (in Injection) Room(n int) int { return n + int(float64(n)*min(1, 1.1*in.Duplicates)) }

// Kind tells why a record is sent when it is.
type Kind uint8

// The kinds of sending.
const (
	Ordinary   Kind = iota // when it is due, and after none with a later event time
	Disordered             // after one with a later event time, within the bound
	Late                   // long after its time
	Duplicate              // a second time
)

// Counts is how much of what was injected.
type Counts struct {
	Duplicates int `json:"duplicates"` // records sent a second time
	Disordered int `json:"disordered"` // records sent after one with a later event time, within the bound
	Late       int `json:"late"`       // records held back for long
}

// String tells the counts in a few words.
func (c Counts) String() string {
	return fmt.Sprintf("%d duplicates, %d out of order, %d late", c.Duplicates, c.Disordered, c.Late)
}

// Count adds one sending.
func (c *Counts) Count(k Kind) {
	switch k {
	case Duplicate:
		c.Duplicates++
	case Disordered:
		c.Disordered++
	case Late:
		c.Late++
	case Ordinary:
	}
}

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	c.Duplicates += o.Duplicates
	c.Disordered += o.Disordered
	c.Late += o.Late
}

// Total is the number of sendings that are not ordinary.
func (c Counts) Total() int { return c.Duplicates + c.Disordered + c.Late }

// Inject disturbs the sending of records. Refs are in order and due at their event
// times, which timeOf tells afterwards too: only the order of sending changes. Refs
// are changed in place; with duplicates among them they are more than before.
//
// Every record is held back by a delay, and sent by time + delay. For ordinary
// records the delay is at most in.Disorder, so whatever is sent before a record of
// time t has a time of at most t + in.Disorder: a watermark that trails the largest
// time seen by in.Disorder never passes an ordinary record, duplicates and late
// records around it or not.
func Inject(refs []Ref, timeOf func(Ref) event.Time, in Injection) []Ref {
	// One source of chance per kind: turning one on leaves the others' choices alone.
	dup, dis, late := rand.New(rand.NewPCG(in.Seed, 1)), rand.New(rand.NewPCG(in.Seed, 2)), rand.New(rand.NewPCG(in.Seed, 3))
	for i := range len(refs) {
		r := &refs[i]
		t := r.At
		if in.Disorder > 0 {
			r.At = t.Add(event.Duration(dis.Int64N(int64(in.Disorder) + 1)))
		}
		if in.Late > 0 && late.Float64() < in.Late {
			r.Kind, r.At = Late, t.Add(LateAtLeast+event.Duration(late.Int64N(int64(LateAtMost-LateAtLeast)+1)))
		}
		if in.Duplicates > 0 && dup.Float64() < in.Duplicates {
			again := *r
			again.Kind, again.At = Duplicate, r.At.Add(1+event.Duration(dup.Int64N(int64(DuplicateWithin))))
			refs = append(refs, again)
		}
	}
	Sort(refs)
	if in.Disorder > 0 {
		markDisordered(refs, timeOf)
	}
	return refs
}

func markDisordered(refs []Ref, timeOf func(Ref) event.Time) {
	seen := event.MinTime
	for i := range refs {
		t := timeOf(refs[i])
		if refs[i].Kind == Ordinary && t < seen {
			refs[i].Kind = Disordered
		}
		seen = max(seen, t)
	}
}
