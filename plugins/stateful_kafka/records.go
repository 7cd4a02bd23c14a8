package statefulkafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// records lends the Kafka clients of all sources the records of their fetches, which
// live until rows are made of them. Keys and values lie elsewhere and stay.
type records struct{}

var recordPool sync.Pool

// GetRecords lends room for n records.
func (records) GetRecords(n int) []kgo.Record {
	if lent, ok := recordPool.Get().(*[]kgo.Record); ok && cap(*lent) >= n {
		return (*lent)[:0]
	}
	return make([]kgo.Record, 0, n)
}

// PutRecords takes them back when all are recycled.
func (records) PutRecords(rs []kgo.Record) {
	rs = rs[:0]
	recordPool.Put(&rs)
}
