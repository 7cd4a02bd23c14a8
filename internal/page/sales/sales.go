// Package sales answers the analyst's view of the live page: funnel, GMV, drop-off and
// payments of a range of time, from the tables that the streams write.
package sales

import (
	"context"
	"database/sql"
	"net/url"
	"time"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

const (
	// viewAge is for how long what was read serves queries.
	viewAge = 900 * time.Millisecond
	// Where a refresh takes long, it serves for viewShare times that, at most for oldestView.
	viewShare  = 5
	oldestView = 30 * time.Second
)

// Sales is the source of the analyst's view. Hours are kept in memory, minutes are read
// when they are asked for and kept until others are; all queries of the same second are
// answered as of one moment.
type Sales struct {
	db    *pg.Reader
	age   time.Duration
	share time.Duration

	lock    chan struct{} // holds a token while nobody is at work; guards the rest
	past    *rollup
	minutes minutes // as of past, or outdated where they say so
	view    *view
}

// New makes one that reads from db.
func New(db *pg.Reader) *Sales {
	s := &Sales{db: db, age: viewAge, share: viewShare, lock: make(chan struct{}, 1)}
	s.lock <- struct{}{}
	return s
}

// view is the data as of one moment. Its transaction stays open for queries of minutes.
type view struct {
	tx       *sql.Tx
	end      context.CancelFunc // of the transaction
	at       time.Time
	rollup   *rollup
	minutes  *minutes
	serves   time.Duration
	alerts   []Alert
	open     int64 // alerts
	forecast *forecast
}

func (v *view) close() {
	_ = v.tx.Rollback() // it has only read
	v.end()
}

// Canonical implements page.Canonical.
func (s *Sales) Canonical(values url.Values) (url.Values, error) {
	q, err := parse(values)
	if err != nil {
		return nil, err
	}
	return q.values(), nil
}

// Snapshot implements page.Source; it returns a *Snapshot.
func (s *Sales) Snapshot(ctx context.Context, values url.Values) (any, error) {
	q, err := parse(values)
	if err != nil {
		return nil, err
	}
	select {
	case <-s.lock:
		defer func() { s.lock <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.view != nil && time.Since(s.view.at) >= s.view.serves {
		s.leave()
	}
	if s.view == nil {
		if s.view, err = s.look(ctx); err != nil {
			return nil, s.db.Line(err)
		}
		// An open transaction keeps Postgres from cleaning up: it ends with the view,
		// also when nobody asks again.
		v := s.view
		time.AfterFunc(v.serves, func() {
			<-s.lock
			if s.view == v {
				s.leave()
			}
			s.lock <- struct{}{}
		})
	}
	snapshot, err := s.view.answer(ctx, q)
	if err != nil {
		s.leave() // a transaction with an error answers nothing more
		return nil, s.db.Line(err)
	}
	return snapshot, nil
}

func (s *Sales) leave() {
	s.view.close()
	s.view = nil
}

// look begins a view.
func (s *Sales) look(ctx context.Context) (_ *view, err error) {
	// The transaction outlives the query that begins it.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	defer stop()
	v := &view{at: time.Now(), end: end}
	if v.tx, err = s.db.Begin(alive); err != nil {
		end()
		return nil, err
	}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	var all bool
	if v.rollup, all, err = s.past.refresh(ctx, v.tx, v.at); err != nil {
		return nil, err
	}
	if v.alerts, v.open, err = openAlerts(ctx, v.tx); err != nil {
		return nil, err
	}
	if v.forecast, err = newestForecast(ctx, v.tx); err != nil {
		return nil, err
	}
	s.past, v.serves, v.minutes = v.rollup, s.age, &s.minutes
	s.minutes.outdated(v.rollup)
	if !all { // which is seldom
		v.serves = max(s.age, min(oldestView, s.share*time.Since(v.at)))
	}
	return v, nil
}
