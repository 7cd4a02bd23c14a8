package pgupsert

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// errNoOrigin tells a user what the ledger needs.
var errNoOrigin = errors.New("the message does not come from a stateful input: it has no " + host.MetaStream + ", " + host.MetaTask +
	", " + host.MetaGeneration + " and " + host.MetaSeq + "; set ledger: false to write other messages")

// split sorts the messages of a batch by origin, in the order of the batch.
// Messages without one, where a ledger needs it, come back as lost, by index.
func split(batch service.MessageBatch, p *plan) (groups []*group, lost []int) {
	byOrigin := map[origin]*group{}
	for i, msg := range batch {
		r := &row{index: i}
		var from origin
		if p.ledger {
			var ok bool
			if from, r.seq, ok = originOf(msg); !ok {
				lost = append(lost, i)
				continue
			}
		}
		g := byOrigin[from]
		if g == nil {
			g = &group{origin: from}
			byOrigin[from] = g
			groups = append(groups, g)
		}
		v, err := msg.AsStructured()
		if err == nil {
			err = p.fill(r, v)
		}
		if err != nil {
			g.refused = append(g.refused, refusal{r, err})
			continue
		}
		g.rows = append(g.rows, r)
	}
	return groups, lost
}

func originOf(msg *service.Message) (from origin, seq int64, ok bool) {
	stream, okStream := msg.MetaGetMut(host.MetaStream)
	task, okTask := metaInt(msg, host.MetaTask)
	generation, okGeneration := metaInt(msg, host.MetaGeneration)
	seq, okSeq := metaInt(msg, host.MetaSeq)
	from.stream, ok = stream.(string)
	from.task, from.generation = int32(task), generation
	return from, seq, ok && okStream && okTask && okGeneration && okSeq
}

func metaInt(msg *service.Message, key string) (int64, bool) {
	v, ok := msg.MetaGetMut(key)
	if !ok {
		return 0, false
	}
	s, ok := number(v)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// letterOf describes the refusal of a message. A message that carries its record's
// place in Kafka is found under it; a row of a window has no such place and is
// found under the table's name, its task and its seq; without a ledger, a hash of
// the row stands in for the offset, so that writing it again makes no second one.
func (w *writer) letterOf(from origin, msg *service.Message, r refusal) letter {
	l := letter{
		stream: from.stream, topic: w.cfg.table.String(),
		partition: int64(from.task), offset: r.row.seq,
		detail:  sayable(w.cfg.table.String() + ": " + describe(r.cause)),
		payload: payloadOf(msg),
		task:    cell{null: true}, seq: cell{null: true},
	}
	if w.cfg.ledger {
		l.task = cell{text: strconv.FormatInt(int64(from.task), 10)}
		l.seq = cell{text: strconv.FormatInt(r.row.seq, 10)}
	} else {
		l.stream, l.offset = w.streamName, hashOf(l.payload)
	}
	topic, ok := msg.MetaGet(host.MetaTopic)
	partition, okPartition := metaInt(msg, host.MetaPartition)
	offset, okOffset := metaInt(msg, host.MetaOffset)
	if w.cfg.deadLetters != nil && *w.cfg.deadLetters == w.cfg.table && !ok {
		// A dead letter that is refused keeps the place that it tells of.
		topic, partition, offset, ok = placeOf(msg)
		okPartition, okOffset = ok, ok
	}
	if ok && okPartition && okOffset {
		l.topic, l.partition, l.offset = sayable(topic), partition, offset
	}
	return l
}

func placeOf(msg *service.Message) (topic string, partition, offset int64, ok bool) {
	v, _ := msg.AsStructured()
	fields, _ := v.(map[string]any)
	topic, okTopic := fields["topic"].(string)
	p, errP := convert(typeInteger, fields["partition"])
	o, errO := convert(typeBigint, fields["offset"])
	if !okTopic || errP != nil || errO != nil || p.null || o.null {
		return "", 0, 0, false
	}
	partition, _ = strconv.ParseInt(p.text, 10, 64)
	offset, _ = strconv.ParseInt(o.text, 10, 64)
	return topic, partition, offset, true
}

func payloadOf(msg *service.Message) string {
	if v, err := msg.AsStructured(); err == nil {
		if s, err := jsonText(v); err == nil {
			return sayable(s)
		}
		return sayable(fmt.Sprint(v))
	}
	b, _ := msg.AsBytes()
	return sayable(string(b))
}
