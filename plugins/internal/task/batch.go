package task

import (
	"slices"
	"sync"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Batch is a run of records of one partition that wait to be merged. Many wait at a
// time, so they are packed: the collector finds nothing to look at in them. Rows are
// made of them when their turn has come.
type Batch struct {
	topic     string
	partition int32
	records   []record
	bytes     []byte // keys and values, one behind the other
	headers   map[int][]event.Header
	arrivals  []Arrival // in place of records: rows that were made already
	arrived   time.Time
}

// Arrive notes when the batch came. The task itself has no use for that.
func (b *Batch) Arrive(at time.Time) {
	if b != nil {
		b.arrived = at
	}
}

// Arrival is a row that its feed has made, and what the feed alone knows of it.
type Arrival struct {
	Row event.Row
	// Seen is the largest event time that the whole input has had so far, where the
	// partition is but a share of it; event.MinTime where it is not.
	Seen event.Time
	// Invalid says why the row is no event. Then it is rejected, and moves nothing.
	Invalid string
}

// record is what is told of one; its key begins at at, and its value follows.
type record struct {
	time   event.Time
	offset int64
	at     uint32
	key    int32 // length, none for null
	value  int32
}

const none = -1

// spare are batches whose records have left their tasks.
var spare sync.Pool

// NewBatch makes a batch with room for so many records with so many bytes in all.
func NewBatch(topic string, partition int32, records, bytes int) *Batch {
	b, _ := spare.Get().(*Batch)
	if b == nil {
		b = &Batch{bytes: []byte{}} // an empty key is not null
	}
	b.topic, b.partition = topic, partition
	b.records, b.bytes = slices.Grow(b.records, records), slices.Grow(b.bytes, bytes)
	return b
}

// free lets the batch be made anew, which overwrites what its rows point to.
func (b *Batch) free() {
	if b.arrivals == nil {
		*b = Batch{records: b.records[:0], bytes: b.bytes[:0]}
		spare.Put(b)
	}
}

// BatchOf makes a batch of rows, which are its own from now on.
func BatchOf(rows ...event.Row) *Batch {
	arrivals := make([]Arrival, len(rows))
	for i, r := range rows {
		arrivals[i] = Arrival{Row: r, Seen: event.MinTime}
	}
	return Arrivals(arrivals)
}

// Arrivals makes a batch of rows that the feed has made. Nothing of them is changed, so
// that the feed may deliver them again to another run.
func Arrivals(arrivals []Arrival) *Batch { return &Batch{arrivals: arrivals} }

// Add appends a record, of which it keeps copies; headers become the batch's.
func (b *Batch) Add(t event.Time, offset int64, key, value []byte, headers []event.Header) {
	if len(headers) > 0 {
		if b.headers == nil {
			b.headers = map[int][]event.Header{}
		}
		b.headers[len(b.records)] = headers
	}
	r := record{time: t, offset: offset, at: uint32(len(b.bytes)), key: none, value: none}
	if key != nil {
		r.key = int32(len(key))
		b.bytes = append(b.bytes, key...)
	}
	if value != nil {
		r.value = int32(len(value))
		b.bytes = append(b.bytes, value...)
	}
	b.records = append(b.records, r)
}

// Len is the number of records; a batch that is nil has none.
func (b *Batch) Len() int {
	if b == nil {
		return 0
	}
	return len(b.records) + len(b.arrivals)
}

func (b *Batch) time(i int) event.Time {
	if b.arrivals != nil {
		return b.arrivals[i].Row.Time
	}
	return b.records[i].time
}

// row makes the row of a record, whose source is put into place; slot is its topic's. Of
// one that was made already the arrival is told.
func (b *Batch) row(i int, place *event.Source, slot uint8) (event.Row, *Arrival) {
	if b.arrivals != nil {
		return b.arrivals[i].Row, &b.arrivals[i]
	}
	r := &b.records[i]
	*place = event.Source{Topic: b.topic, Partition: b.partition, Offset: r.offset, Headers: b.headers[i], Slot: slot}
	at := r.at
	if r.key != none {
		end := at + uint32(r.key)
		place.Key, at = b.bytes[at:end:end], end
	}
	if r.value != none {
		end := at + uint32(r.value)
		place.Value = b.bytes[at:end:end]
	}
	return event.Row{Time: r.time, Source: place}, nil
}
