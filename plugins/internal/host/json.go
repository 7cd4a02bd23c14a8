package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// decodesRaw is implemented by operators that take undecoded records.
type decodesRaw interface{ DecodesRaw() }

// WithDecoder puts a decoder of JSON before stages whose first one needs decoded
// events. So records of JSON go straight into any operator, while Avro is decoded
// by avro_decode and anything else by a processor of Benthos.
func WithDecoder(stages []task.Stage) []task.Stage {
	if len(stages) == 0 {
		return stages
	}
	switch stages[0].Op.(type) {
	case decodesRaw, task.Foreign:
		return stages
	}
	return append([]task.Stage{{Label: "json", Op: &jsonDecode{schemas: event.Schemas{}}}}, stages...)
}

// jsonDecode makes rows of records that hold a JSON object.
type jsonDecode struct {
	task.Stateless
	schemas event.Schemas
}

func (d *jsonDecode) Bind(in task.Shape) (task.Shape, error) {
	return task.Shape{Delay: in.Delay, Reach: in.Reach}, nil
}

func (d *jsonDecode) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		r := rows[i]
		if r.Schema == nil {
			if err := d.decode(&r); err != nil {
				out.Reject(&r, task.Invalid, err.Error())
				continue
			}
		}
		out.Pass(&r)
	}
}

func (d *jsonDecode) decode(r *event.Row) error {
	if r.Source == nil {
		return errors.New("no undecoded record")
	}
	dec := json.NewDecoder(bytes.NewReader(r.Source.Value))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF || m == nil {
		return errors.New("not a JSON object alone")
	}
	r.Schema, r.Values = d.schemas.FromMap(r.Source.Topic, m)
	return nil
}
