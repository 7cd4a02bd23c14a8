package task_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// passing lets every record pass.
type passing struct{ task.Stateless }

func (passing) Bind(in task.Shape) (task.Shape, error) { return in, nil }

func (passing) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		out.Pass(&rows[i])
	}
}

// TestRecordsComeOutAsTheyWentIn: null and empty keys and values are told apart, headers
// stay with their record, and what was added may change afterwards.
func TestRecordsComeOutAsTheyWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.OneOf(rapid.Just[[]byte](nil), rapid.SliceOfN(rapid.Byte(), 0, 5))
		chain, _, err := task.NewChain([]task.Stage{{Label: "pass", Op: passing{}}}, task.Shape{})
		if err != nil {
			t.Fatal(err)
		}
		k := task.New(chain, []*task.Source{{Topic: "t", Partition: 3}}, 0)
		var want []string
		var sink task.Sink
		offset := int64(7)
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			b := task.NewBatch("t", 3, 0, 0)
			for range rapid.IntRange(0, 4).Draw(t, "records") {
				key, value := bytes.Draw(t, "key"), bytes.Draw(t, "value")
				var headers []event.Header
				if rapid.Bool().Draw(t, "headers") {
					headers = []event.Header{{Key: fmt.Sprint("h", offset), Value: []byte("v")}}
				}
				b.Add(event.Time(offset), offset, key, value, headers)
				want = append(want, fmt.Sprintf("%d %#v", offset, event.Source{Topic: "t", Partition: 3, Offset: offset,
					Key: append(key[:0:0], key...), Value: append(value[:0:0], value...), Headers: headers, Slot: 1}))
				for i := range key {
					key[i]++
				}
				for i := range value {
					value[i]++
				}
				offset++
			}
			k.Sources[0].Push(b)
			for k.Step(rapid.IntRange(1, 3).Draw(t, "limit"), event.MaxTime, &sink) > 0 {
			}
		}
		if len(sink.Rows) != len(want) {
			t.Fatalf("%d rows of %d records", len(sink.Rows), len(want))
		}
		for i, r := range sink.Rows {
			if got := fmt.Sprintf("%d %#v", int64(r.Time), *r.Source); got != want[i] {
				t.Fatalf("got %s, want %s", got, want[i])
			}
		}
	})
}
