package host

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Metadata keys that tell where an event came from, named as other Kafka inputs
// name them, and how it stands in event time.
const (
	MetaTopic     = "kafka_topic"
	MetaPartition = "kafka_partition"
	MetaOffset    = "kafka_offset"
	MetaKey       = "kafka_key"
	MetaTimestamp = "kafka_timestamp_ms" // the event time
	MetaWatermark = "tidemark_watermark" // the task's watermark at the event, ms
	MetaSchema    = "tidemark_schema"    // what the event is
	metaDelay     = "tidemark_delay"     // between operators outside a host only
)

// own tells whether a key of metadata is one that the host sets: a header of a
// record that bears its name must not pass for it.
func own(key string) bool {
	switch key {
	case MetaTopic, MetaPartition, MetaOffset, MetaKey, MetaTimestamp:
		return true
	}
	return strings.HasPrefix(key, "tidemark_")
}

// ToMessage makes a Benthos message of a row. Headers of its record are metadata.
func ToMessage(r *event.Row) *service.Message {
	var m *service.Message
	if r.Schema == nil {
		m = service.NewMessage(r.Source.Value)
	} else {
		m = service.NewMessage(nil)
		m.SetStructuredMut(r.Map())
		m.MetaSetMut(MetaSchema, r.Schema.Name)
	}
	if s := r.Source; s != nil {
		for _, h := range s.Headers {
			if !own(h.Key) {
				m.MetaSetMut(h.Key, string(h.Value))
			}
		}
		m.MetaSetMut(MetaTopic, s.Topic)
		m.MetaSetMut(MetaPartition, int64(s.Partition))
		m.MetaSetMut(MetaOffset, s.Offset)
		if s.Key != nil {
			m.MetaSetMut(MetaKey, string(s.Key))
		}
	}
	m.MetaSetMut(MetaTimestamp, int64(r.Time))
	m.MetaSetMut(MetaWatermark, int64(r.Watermark))
	return m
}

// outgoing makes the message of a row that leaves the last operator.
func outgoing(r *event.Row) *service.Message {
	m := ToMessage(r)
	m.MetaSetMut(MetaKind, KindRow)
	if r.Schema != nil {
		m.MetaSetMut(MetaOperator, r.Schema.Name)
	}
	return m
}

// Rows makes rows of Benthos messages. It belongs to one task.
type Rows struct{ schemas event.Schemas }

// NewRows makes a converter.
func NewRows() *Rows { return &Rows{event.Schemas{}} }

// FromMessage makes a row of a message. Its event time, watermark and source stand
// in the metadata, of which all that is not ours are headers; its fields are those of
// the JSON object that it holds. A message that is no object keeps its bytes and has
// no fields.
func (c *Rows) FromMessage(m *service.Message) (event.Row, error) {
	var r event.Row
	ts, ok, err := metaInt(m, MetaTimestamp)
	if err != nil || !ok {
		return r, fmt.Errorf("no event time: metadata %s is %v", MetaTimestamp, errOr(err, "missing"))
	}
	r.Time, r.Watermark = event.Time(ts), event.MinTime
	if w, ok, err := metaInt(m, MetaWatermark); err == nil && ok {
		r.Watermark = event.Time(w)
	}
	if topic, ok := m.MetaGet(MetaTopic); ok {
		s := &event.Source{Topic: topic}
		p, _, _ := metaInt(m, MetaPartition)
		s.Partition = int32(p)
		s.Offset, _, _ = metaInt(m, MetaOffset)
		if key, ok := m.MetaGet(MetaKey); ok {
			s.Key = []byte(key)
		}
		if s.Headers, err = headers(m); err != nil {
			return r, err
		}
		r.Source = s
	}
	name, _ := m.MetaGet(MetaSchema)
	if v, err := m.AsStructured(); err == nil {
		if object, ok := v.(map[string]any); ok {
			r.Schema, r.Values = c.schemas.FromMap(name, object)
			return r, nil
		}
	}
	if r.Source == nil {
		r.Source = &event.Source{}
	}
	r.Source.Value, err = m.AsBytes()
	return r, err
}

// FromInput makes a row of a message that comes from another input. Its event time is
// told, and its source but for the payload and the headers. The payload is the message as
// it stands: of one that nobody has parsed yet it is bytes, which the first operator
// decodes as it decodes a record.
func (c *Rows) FromInput(m *service.Message, at event.Time, from *event.Source) (r event.Row, err error) {
	r = event.Row{Time: at, Watermark: event.MinTime, Source: from}
	if from.Headers, err = headers(m); err != nil {
		return r, err
	}
	if m.HasStructured() {
		v, err := m.AsStructured()
		if err != nil {
			return r, err
		}
		if object, ok := v.(map[string]any); ok {
			r.Schema, r.Values = c.schemas.FromMap(from.Topic, object)
			return r, nil
		}
	}
	from.Value, err = m.AsBytes()
	return r, err
}

// headers are the metadata that are not ours, by name.
func headers(m *service.Message) (list []event.Header, err error) {
	err = m.MetaWalk(func(key, value string) error {
		if !own(key) {
			list = append(list, event.Header{Key: key, Value: []byte(value)})
		}
		return nil
	})
	slices.SortFunc(list, func(a, b event.Header) int { return strings.Compare(a.Key, b.Key) })
	return list, err
}

func errOr(err error, other string) any {
	if err != nil {
		return err
	}
	return other
}

func metaInt(m *service.Message, key string) (n int64, ok bool, err error) {
	v, ok := m.MetaGetMut(key)
	if !ok {
		return 0, false, nil
	}
	switch t := v.(type) {
	case int64:
		return t, true, nil
	case int:
		return int64(t), true, nil
	case float64:
		return int64(t), true, nil
	case json.Number:
		n, err = t.Int64()
	case string:
		n, err = strconv.ParseInt(t, 10, 64)
	default:
		err = fmt.Errorf("%v is no integer", v)
	}
	return n, true, err
}
