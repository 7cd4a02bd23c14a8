package avroencode

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/registry"
)

// registered gives encoders the ids of their schemas, which a registry tells before the
// first message.
type registered struct {
	registry *registry.Registry
	fail     func(error)
	subject  string
	register bool
	subjects []registry.Subject
	plain    map[string]*Encoder

	turn   chan struct{} // holds a token while somebody asks
	framed atomic.Pointer[map[string]*Encoder]
}

func newRegistered(conf *service.ParsedConfig, res *service.Resources, where registry.Config) (r *registered, err error) {
	r = &registered{fail: host.HubOf(res).Fail, plain: map[string]*Encoder{}, turn: make(chan struct{}, 1)}
	if r.registry, err = registry.Of(res, where); err != nil {
		return nil, err
	}
	block := registry.Block(conf)
	if r.subject, err = block.FieldString(fieldSubject); err != nil {
		return nil, err
	}
	r.register, err = block.FieldBool(fieldRegister)
	return r, err
}

// add names a topic with its schema, and the encoder that lacks the id only.
func (r *registered) add(topic string, s *avro.Schema, plain *Encoder) {
	r.plain[topic] = plain
	r.subjects = append(r.subjects, registry.Subject{Topic: topic, Name: strings.ReplaceAll(r.subject, "{topic}", topic), Schema: s.JSON})
	slices.SortFunc(r.subjects, func(a, b registry.Subject) int { return strings.Compare(a.Topic, b.Topic) })
}

// encoder is that of a topic, nil where it has none. It waits for the registry. Where that
// refuses a schema the stream ends, and until it has, everybody waits: messages that failed
// would be taken for bad ones, and put elsewhere.
func (r *registered) encoder(ctx context.Context, topic string) (*Encoder, error) {
	if framed := r.framed.Load(); framed != nil {
		return (*framed)[topic], nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if framed := r.framed.Load(); framed != nil {
		return (*framed)[topic], nil
	}
	ids, err := r.registry.Register(ctx, r.subjects, r.register)
	if err != nil {
		if ctx.Err() == nil {
			r.fail(err)
			<-ctx.Done()
		}
		return nil, ctx.Err()
	}
	framed := map[string]*Encoder{}
	for i, s := range r.subjects {
		f, err := avro.ParseFraming(avro.FramingConfluent, ids[i])
		if err != nil {
			return nil, err
		}
		framed[s.Topic] = r.plain[s.Topic].Framed(f)
	}
	r.framed.Store(&framed)
	return framed[topic], nil
}
