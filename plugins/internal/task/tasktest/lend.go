package tasktest

import (
	"slices"
	"unsafe"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// lend copies rows into memory that giveBack overwrites, as a task does when it
// reuses its buffers: an operator that keeps borrowed text in its state gives wrong
// answers afterwards.
func lend(rows []event.Row) (lent []event.Row, giveBack func()) {
	size := 0
	for i := range rows {
		for _, v := range rows[i].Values {
			size += len(v.Str())
		}
	}
	buffer := make([]byte, 0, size)
	lent = slices.Clone(rows)
	for i := range lent {
		r := &lent[i]
		r.Values = slices.Clone(r.Values)
		for k, v := range r.Values {
			if v.Str() == "" {
				continue
			}
			at := len(buffer)
			buffer = append(buffer, v.Str()...)
			text := unsafe.String(&buffer[at], len(v.Str()))
			if v.Kind() == event.JSON {
				r.Values[k] = event.JSONOf(text)
			} else {
				r.Values[k] = event.StringOf(text)
			}
		}
		if r.Source != nil {
			s := *r.Source
			r.Source = &s
		}
	}
	return lent, func() {
		for i := range buffer {
			buffer[i] = '#'
		}
		for i := range lent {
			clear(lent[i].Values)
			if s := lent[i].Source; s != nil {
				*s = event.Source{Topic: "given back"}
			}
		}
		clear(lent)
	}
}

// own makes the rows and rejects of sink from the given places on the test's own.
func own(sink *task.Sink, rows, rejects int) {
	for i := range sink.Rows[rows:] {
		ownRow(&sink.Rows[rows+i])
	}
	for i := range sink.Rejects[rejects:] {
		ownRow(&sink.Rejects[rejects+i].Row)
	}
}

func ownRow(r *event.Row) {
	r.Values = slices.Clone(r.Values)
	for i, v := range r.Values {
		r.Values[i] = v.Clone()
	}
	if r.Source != nil {
		s := *r.Source
		r.Source = &s
	}
}
