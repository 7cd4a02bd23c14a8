// Package sales answers the analyst's view of the live page: funnel, GMV, drop-off and
// payments of a range of time, from the tables that the streams write.
package sales

import (
	"context"
	"errors"
	"net/url"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

// Sales is the source of the analyst's view.
type Sales struct{ db *pg.Reader }

// New makes one that reads from db.
func New(db *pg.Reader) *Sales { return &Sales{db: db} }

// Snapshot implements page.Source.
func (s *Sales) Snapshot(context.Context, url.Values) (any, error) { return nil, errors.ErrUnsupported }
