package host

import (
	"bytes"
	"encoding/hex"
	"unicode/utf8"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// DeadLetter makes the message that tells of a rejected event: an object with the
// columns of dead_letter_events. A payload that is no text is given in hexadecimal.
// An event time outside the years 1 to 9999, which neither JSON nor SQL knows, is null.
func DeadLetter(r *task.Reject) *service.Message {
	payload := r.Row.Text()
	text := string(payload)
	if !utf8.Valid(payload) || bytes.IndexByte(payload, 0) >= 0 { // Postgres has no text with a zero byte
		text = `\x` + hex.EncodeToString(payload)
	}
	object := map[string]any{
		"event_time": nil,
		"reason":     r.Reason.String(),
		"detail":     r.Operator + ": " + r.Detail,
		"payload":    text,
		"topic":      "", "partition": int64(-1), "offset": int64(-1),
	}
	if at := r.Row.Time.UTC(); at.Year() >= 1 && at.Year() <= 9999 {
		object["event_time"] = at
	}
	if s := r.Row.Source; s != nil {
		object["topic"], object["partition"], object["offset"] = s.Topic, int64(s.Partition), s.Offset
	}
	m := service.NewMessage(nil)
	m.SetStructuredMut(object)
	m.MetaSetMut(MetaKind, KindDeadLetter)
	m.MetaSetMut(MetaOperator, r.Operator)
	return m
}
