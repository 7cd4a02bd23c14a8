package stateful

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redpanda-data/benthos/v4/public/bloblang"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// extractor makes arrivals of messages: it finds their key, topic and event time.
type extractor struct {
	name  string
	tasks int
	// The rest may be nil: then the metadata of Kafka inputs decide.
	key, time *bloblang.Executor
	topic     *service.InterpolatedString
	rows      *host.Rows
}

// taskOf is the task of a key. What is stored rests on it: it never changes.
func taskOf(key string, tasks int) int { return int(xxhash.Sum64String(key) % uint64(tasks)) }

// arrival makes a row of a message and says whose it is. A message of which no event can
// be made is an arrival too, an invalid one, so that it is accounted for and acknowledged
// like the others.
func (x *extractor) arrival(m *service.Message) (a task.Arrival, to int) {
	from := &event.Source{Topic: x.name}
	at, err := event.MinTime, m.GetError()
	if err == nil {
		err = x.locate(m, from)
	}
	if err == nil {
		at, err = x.eventTime(m)
	}
	to = taskOf(string(from.Key), x.tasks)
	from.Partition = int32(to)
	r, unreadable := x.rows.FromInput(m, at, from)
	if err == nil {
		err = unreadable
	}
	a = task.Arrival{Row: r, Seen: event.MinTime}
	if err != nil {
		a.Row.Time, a.Invalid = event.MinTime, err.Error()
	}
	return a, to
}

// locate finds topic and key of a message.
func (x *extractor) locate(m *service.Message, from *event.Source) error {
	if x.topic != nil {
		topic, err := x.topic.TryString(m)
		if err != nil {
			return fmt.Errorf("%s: %w", fieldTopic, err)
		}
		from.Topic = topic
	} else if topic, ok := m.MetaGet(host.MetaTopic); ok {
		from.Topic = topic
	}
	if x.key == nil {
		if key, ok := m.MetaGet(host.MetaKey); ok {
			from.Key = []byte(key)
		} else if x.tasks > 1 {
			return fmt.Errorf("%s: there is no metadata %s", fieldKey, host.MetaKey)
		}
		return nil
	}
	v, err := query(x.key, m)
	if err == nil && v == nil {
		err = errors.New("is null")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", fieldKey, err)
	}
	from.Key = []byte(event.ValueOf(v).Key())
	return nil
}

// eventTime finds the event time of a message.
func (x *extractor) eventTime(m *service.Message) (event.Time, error) {
	var v any
	var err error
	what := fieldEventTime
	if x.time != nil {
		v, err = query(x.time, m)
	} else {
		what += ": metadata " + host.MetaTimestamp
		v, _ = m.MetaGetMut(host.MetaTimestamp)
	}
	if err == nil {
		var at event.Time
		if at, err = instant(v); err == nil {
			return at, nil
		}
	}
	return 0, fmt.Errorf("%s: %w", what, err)
}

// query is what a mapping makes of a message: nil where it assigns nothing to root, and
// where it assigns null, from which Benthos does not tell the text null.
func query(mapping *bloblang.Executor, m *service.Message) (any, error) {
	result, err := service.NewMessage(nil).BloblangMutateFrom(mapping, m)
	switch {
	case err != nil:
		return nil, err
	case result == nil:
		return nil, bloblang.ErrRootDeleted
	case result.HasStructured():
		return result.AsStructured()
	case result.HasBytes(): // texts are kept as such
		text, err := result.AsBytes()
		if string(text) != "null" {
			return string(text), err
		}
	}
	return nil, nil
}

// instant reads a time: milliseconds since 1970 as a number or its digits, RFC 3339 or a
// timestamp of Bloblang.
func instant(v any) (event.Time, error) {
	value := event.ValueOf(v)
	var at event.Time
	switch value.Kind() {
	case event.Null:
		return 0, errors.New("is missing")
	case event.Int, event.Timestamp:
		at = event.Time(value.Int())
	case event.Decimal, event.Float:
		ms, _ := value.Float()
		if at = event.Time(ms); float64(at) != ms {
			return 0, fmt.Errorf("%v is no whole number of milliseconds", v)
		}
	case event.String:
		if ms, err := strconv.ParseInt(value.Str(), 10, 64); err == nil {
			at = event.Time(ms)
			break
		}
		t, err := time.Parse(time.RFC3339Nano, value.Str())
		if err != nil {
			return 0, fmt.Errorf("%q is neither RFC 3339 nor a number of milliseconds", value.Str())
		}
		at = event.TimeOf(t)
	default:
		return 0, fmt.Errorf("%v is no time", v)
	}
	if year := at.UTC().Year(); year < 1 || year > 9999 {
		return 0, fmt.Errorf("%v lies outside the years 1 to 9999", v)
	}
	return at, nil
}
