package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// Subject is a schema that records of a topic are written with, and the name under which
// the registry keeps the versions of that topic's schema.
type Subject struct {
	Topic, Name, Schema string
}

// Register finds the ids of schemas, in their order. Those that the registry does not have
// yet are registered where register is set. Before the first one is, all are held against
// what the registry demands of the next version of their subject, so that either all
// topics can be written or none is. It waits for a registry that does not answer until ctx
// ends; another error is one that no retry can mend, in one line.
func (r *Registry) Register(ctx context.Context, subjects []Subject, register bool) ([]int, error) {
	ids := make([]int, len(subjects))
	for i, s := range subjects {
		err := r.until(ctx, func() error {
			found, err := r.client.LookupSchema(ctx, s.Name, s.avro())
			if absent(err) {
				if !register {
					return host.Refuse("the schema is not registered, and auto_register is off")
				}
				return r.check(ctx, s)
			}
			ids[i] = found.ID
			return err
		})
		if err != nil {
			return nil, r.toldOf(s, err)
		}
	}
	for i, s := range subjects {
		if ids[i] != 0 {
			continue
		}
		err := r.until(ctx, func() (err error) {
			ids[i], err = r.client.RegisterSchema(ctx, s.Name, s.avro(), -1, -1)
			return err
		})
		if err != nil {
			return nil, r.toldOf(s, err)
		}
	}
	return ids, nil
}

// check asks whether the schema may be the next version of its subject.
func (r *Registry) check(ctx context.Context, s Subject) error {
	var verdict struct {
		Compatible bool     `json:"is_compatible"`
		Messages   []string `json:"messages"` // Confluent's
		Reason     string   `json:"reason"`   // Apicurio's
	}
	path := "/compatibility/subjects/" + url.PathEscape(s.Name) + "/versions/latest"
	err := r.client.Do(sr.WithParams(ctx, sr.Verbose), http.MethodPost, path, s.avro(), &verdict)
	switch {
	case absent(err): // of a new subject everything may be the first version
		return nil
	case err != nil:
		return err
	case verdict.Compatible:
		return nil
	}
	why := verdict.Reason
	if len(verdict.Messages) > 0 {
		why = verdict.Messages[0]
	}
	if why == "" {
		why = "it does not say why"
	}
	return host.Refuse("the schema is not compatible: %s", line(why))
}

func (s Subject) avro() sr.Schema { return sr.Schema{Schema: s.Schema, Type: sr.TypeAvro} }

func (r *Registry) toldOf(s Subject, err error) error {
	if !host.Refused(err) {
		return err
	}
	return fmt.Errorf("topic %s, subject %s: %w", s.Topic, s.Name, r.told(err))
}
