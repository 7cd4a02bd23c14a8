package repartition

import (
	"container/heap"

	"github.com/twmb/franz-go/pkg/kgo"
)

// head is the next record of an old partition.
type head struct {
	*kgo.Record
	part int
}

// heads are ordered by event time; of the same time, by partition. Records of one
// partition stay in its order, so only their heads are compared, as a task does that
// merges its sources.
type heads []head

func (h heads) Len() int { return len(h) }

func (h heads) Less(i, j int) bool {
	if c := h[i].Timestamp.Compare(h[j].Timestamp); c != 0 {
		return c < 0
	}
	return h[i].part < h[j].part
}

func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *heads) Push(x any) { *h = append(*h, x.(head)) }

// Pop implements heap.Interface.
func (h *heads) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = head{}
	*h = (*h)[:last]
	return x
}

func (h *heads) add(part int, r *kgo.Record) { heap.Push(h, head{r, part}) }
func (h *heads) take() head                  { return heap.Pop(h).(head) }
