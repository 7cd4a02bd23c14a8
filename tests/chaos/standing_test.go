package chaos

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// groups are the consumer groups of the shipped streams with the topics they read.
var groups = []struct {
	name   string
	topics []string
}{
	{"tidemark-funnel", []string{orders, items, payments}},
	{"tidemark-gmv", []string{items}},
	{"tidemark-payments", []string{payments}},
	{"tidemark-dead-letters", []string{letters}},
}

// standing is how far the groups have come.
type standing struct {
	committed []int64 // by group, added over its partitions
	lag       int64   // records that are not committed, added over the groups
}

func (s standing) String() string {
	var b strings.Builder
	for i, n := range s.committed {
		fmt.Fprintf(&b, "%s %d, ", strings.TrimPrefix(groups[i].name, "tidemark-"), n)
	}
	fmt.Fprintf(&b, "lag %d", s.lag)
	return b.String()
}

// after says whether a group has committed since an earlier time.
func (s standing) after(earlier standing) bool {
	for i, n := range s.committed {
		if i >= len(earlier.committed) || n > earlier.committed[i] {
			return true
		}
	}
	return false
}

// standing asks the brokers.
func (p *pipeline) standing() standing {
	p.Helper()
	ends := p.ends()
	var s standing
	for _, g := range groups {
		total := int64(0)
		committed := p.committed(g.name)
		for _, topic := range g.topics {
			ends.Each(func(end kadm.ListedOffset) {
				if end.Topic != topic {
					return
				}
				at := int64(0)
				if o, ok := committed.Lookup(topic, end.Partition); ok {
					at = o.At
				}
				total += at
				s.lag += end.Offset - at
			})
		}
		s.committed = append(s.committed, total)
	}
	return s
}

// committed are the committed offsets of a group.
func (p *pipeline) committed(group string) (offsets kadm.Offsets) {
	p.Helper()
	p.asked("the offsets of "+group, func() error {
		found, err := p.admin.FetchOffsets(p.Context(), group)
		if err == nil {
			err = found.Error()
		}
		offsets = found.Offsets()
		return err
	})
	offsets.DeleteFunc(func(o kadm.Offset) bool { return o.At < 0 })
	return offsets
}

func (p *pipeline) ends() (ends kadm.ListedOffsets) {
	p.Helper()
	p.asked("the ends of the topics", func() (err error) {
		if ends, err = p.admin.ListEndOffsets(p.Context(), orders, items, payments, letters); err == nil {
			err = ends.Error()
		}
		return err
	})
	return ends
}

// asked asks the brokers until they answer: just after their start they may have no
// coordinator or leader yet.
func (p *pipeline) asked(what string, ask func() error) {
	p.Helper()
	for begun := time.Now(); ; time.Sleep(tick) {
		err := ask()
		if err == nil {
			return
		}
		if time.Since(begun) > patience {
			p.Fatalf("%s: %v", what, err)
		}
	}
}

// produced is how many records the topics of events hold.
func (p *pipeline) produced() (n int64) {
	p.Helper()
	p.ends().Each(func(o kadm.ListedOffset) {
		if o.Topic != letters {
			n += o.Offset
		}
	})
	return n
}

// caughtUp says whether the groups have committed everything that there is.
func (p *pipeline) caughtUp() bool {
	p.Helper()
	return p.reached(p.ends())
}

// reached says whether the groups have committed everything before these ends.
func (p *pipeline) reached(ends kadm.ListedOffsets) bool {
	p.Helper()
	for _, g := range groups {
		committed := p.committed(g.name)
		for _, topic := range g.topics {
			for partition, end := range ends[topic] {
				if at, ok := committed.Lookup(topic, partition); end.Offset > 0 && (!ok || at.At < end.Offset) {
					return false
				}
			}
		}
	}
	return true
}
