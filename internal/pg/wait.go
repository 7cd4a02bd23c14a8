package pg

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
	logEvery   = 30 * time.Second
)

// Wait is Open for a server that may be away: it retries with growing pauses
// until the server answers, ctx ends or the error is Permanent. log, which may be
// nil, gets a line for the first failure, at most one every 30 s after that, and
// one when the server is there at last.
func Wait(ctx context.Context, dsn string, log func(string)) (*sql.DB, error) {
	var db *sql.DB
	err := retry(ctx, log, func() (err error) {
		db, err = Open(ctx, dsn)
		return err
	})
	return db, err
}

// retry calls attempt until it succeeds, fails for good or ctx ends; then the
// error is the last one that attempt gave.
func retry(ctx context.Context, log func(string), attempt func() error) error {
	if log == nil {
		log = func(string) {}
	}
	start := time.Now()
	var logged time.Time
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := attempt()
		if err == nil {
			if !logged.IsZero() {
				log(fmt.Sprintf("Postgres answers after %s", time.Since(start).Round(time.Second)))
			}
			return nil
		}
		if Permanent(err) || ctx.Err() != nil {
			return err
		}
		if logged.IsZero() || time.Since(logged) >= logEvery {
			logged = time.Now()
			log(err.Error() + "; trying again")
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}
