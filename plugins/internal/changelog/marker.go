// Package changelog keeps the state of tasks in a compacted Kafka topic, one
// partition a task, written in transactions.
package changelog

import (
	"encoding/binary"
	"fmt"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// Marker is what a commit says beside the state that it changes. It is the last
// record of every commit.
type Marker struct {
	// Generation counts the runs of the task.
	Generation int64
	// Seq is the task's last emission that the commit covers.
	Seq int64
	// Checkpoint is where the task stands, in the task's own form; empty for a task
	// that has begun and committed nothing yet.
	Checkpoint []byte
}

// Append appends the marker in its stored form: the format version in a byte,
// generation and seq as unsigned varints, then the checkpoint.
func (m *Marker) Append(b []byte) []byte {
	b = append(b, state.FormatVersion)
	b = binary.AppendUvarint(b, uint64(m.Generation))
	b = binary.AppendUvarint(b, uint64(m.Seq))
	return append(b, m.Checkpoint...)
}

// ReadMarker reads what Append wrote.
func ReadMarker(b []byte) (*Marker, error) {
	if len(b) == 0 || b[0] != state.FormatVersion {
		return nil, fmt.Errorf("changelog: written in another format than version %d", state.FormatVersion)
	}
	r := event.NewReader(b[1:])
	m := &Marker{Generation: int64(r.Uvarint()), Seq: int64(r.Uvarint())}
	m.Checkpoint = append(m.Checkpoint, r.Bytes(r.Len())...)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("changelog: marker: %w", err)
	}
	return m, nil
}
