package pgupsert

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// errNoOrigin tells a user what the ledger needs.
var errNoOrigin = errors.New("the message does not come from a stateful input: it has no " + host.MetaStream + ", " + host.MetaTask +
	", " + host.MetaGeneration + " and " + host.MetaSeq + "; set ledger: false to write other messages")

// split sorts the rows of a batch by origin, in the order of the batch. Messages
// without an origin, where a ledger needs it, come back as lost, by index. The rows
// are those of the filler.
func split(batch service.MessageBatch, p *plan, rows *filler) (groups []*group, lost []int) {
	byOrigin := map[origin]*group{}
	for i, msg := range batch {
		var from origin
		var seq int64
		if p.ledger {
			var ok bool
			if from, seq, ok = originOf(msg); !ok {
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
		if b, ok := host.BundleOf(msg); ok {
			rows.unpack(g, i, b)
			continue
		}
		r := rows.next(len(batch) - i)
		r.index, r.seq = i, seq
		v, err := msg.AsStructured()
		if err == nil {
			err = rows.fill(r, v)
		}
		g.add(r, err)
	}
	return groups, lost
}

// unpack adds the rows of a bundle, the i-th message of the batch, to its group.
func (f *filler) unpack(g *group, i int, b *host.Bundle) {
	l := f.plan.layoutOf(b.Schema)
	g.rows = slices.Grow(g.rows, len(b.Rows))
	for k := range b.Rows {
		r := f.next(len(b.Rows) - k)
		r.index, r.at, r.first = i, k, b.Rows[k].First
		if f.plan.ledger {
			r.seq = b.Seqs[k]
		}
		g.add(r, f.fillFrom(r, &b.Rows[k], l))
	}
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

// letterOf describes the refusal of a row. One that carries its record's place in
// Kafka is found under it; a row of a window has no such place and is found under
// the table's name, its task and its seq; without a ledger, a hash of the row stands
// in for the offset, so that writing it again makes no second one.
func (w *writer) letterOf(from origin, msg *service.Message, r refusal) letter {
	content, err := contentOf(msg, r.row)
	l := letter{
		stream: from.stream, topic: w.cfg.table.String(),
		partition: int64(from.task), offset: r.row.seq,
		detail:  sayable(w.cfg.table.String() + ": " + describe(r.cause)),
		payload: payloadOf(msg, content, err),
		task:    cell{null: true}, seq: cell{null: true},
	}
	if w.cfg.ledger {
		l.task = cell{text: strconv.FormatInt(int64(from.task), 10)}
		l.seq = cell{text: strconv.FormatInt(r.row.seq, 10)}
	} else {
		l.stream, l.offset = w.streamName, hashOf(l.payload)
	}
	topic, partition, offset, ok := sourceOf(msg, r.row)
	if _, known := msg.MetaGet(host.MetaTopic); !known && !ok && w.cfg.deadLetters != nil && *w.cfg.deadLetters == w.cfg.table {
		topic, partition, offset, ok = placeOf(content) // a dead letter that is refused keeps the place that it tells of
	}
	if ok {
		l.topic, l.partition, l.offset = sayable(topic), partition, offset
	}
	return l
}

// contentOf is the structured value of a row, as a message of its own would hold it.
func contentOf(msg *service.Message, r *row) (any, error) {
	if b, ok := host.BundleOf(msg); ok {
		return b.Rows[r.at].Map(), nil
	}
	return msg.AsStructured()
}

// sourceOf is the place in Kafka of the record that a row stands for.
func sourceOf(msg *service.Message, r *row) (topic string, partition, offset int64, ok bool) {
	if b, ok := host.BundleOf(msg); ok {
		s := b.Rows[r.at].Source
		if s == nil {
			return "", 0, 0, false
		}
		return s.Topic, int64(s.Partition), s.Offset, true
	}
	topic, ok = msg.MetaGet(host.MetaTopic)
	partition, okPartition := metaInt(msg, host.MetaPartition)
	offset, okOffset := metaInt(msg, host.MetaOffset)
	return topic, partition, offset, ok && okPartition && okOffset
}

// placeOf is the place in Kafka that the fields of a dead letter tell of.
func placeOf(content any) (topic string, partition, offset int64, ok bool) {
	fields, _ := content.(map[string]any)
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

// payloadOf is the text of a row; err is why its message has no structured value.
func payloadOf(msg *service.Message, content any, err error) string {
	if err != nil {
		b, _ := msg.AsBytes()
		return sayable(string(b))
	}
	if s, err := jsonText(content); err == nil {
		return sayable(s)
	}
	return sayable(fmt.Sprint(content))
}
