package task_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

func TestCheckpointsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &task.Checkpoint{Position: task.Position{
			Watermark: event.Time(rapid.Int64().Draw(t, "watermark")), SeenRecord: rapid.Bool().Draw(t, "seen"),
			Sources: []task.SourcePosition{},
		}, Lines: []task.Line{}, From: event.MinTime}
		if rapid.Bool().Draw(t, "replayed") {
			want.From = event.Time(rapid.Int64().Draw(t, "from"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "sources") {
			want.Position.Sources = append(want.Position.Sources, task.SourcePosition{
				Topic: rapid.String().Draw(t, "topic"), Partition: rapid.Int32Range(0, 1000).Draw(t, "partition"),
				Offset: rapid.Int64().Draw(t, "offset"), Seen: event.Time(rapid.Int64().Draw(t, "largest")),
			})
		}
		for range rapid.IntRange(0, 3).Draw(t, "lines") {
			l := task.Line{Operator: rapid.String().Draw(t, "operator"), Topic: rapid.String().Draw(t, "of")}
			for i := range l.Counts {
				l.Counts[i] = rapid.Int64().Draw(t, "count")
			}
			want.Lines = append(want.Lines, l)
		}
		got, err := task.ReadCheckpoint(want.Append(nil))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
		cut := want.Append(nil)
		if _, err := task.ReadCheckpoint(cut[:len(cut)-1]); err == nil {
			t.Fatal("a cut checkpoint is read")
		}
	})
}
