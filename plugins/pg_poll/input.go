package pgpoll

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"github.com/lib/pq"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/postgres"
)

func init() {
	service.MustRegisterBatchInput("pg_poll", spec(), func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		c, err := parseConfig(conf)
		if err != nil {
			return nil, err
		}
		hub := host.HubOf(res)
		hub.Open() // a reload is a new beginning
		return service.AutoRetryNacksBatchedToggled(conf, newInput(c, hub, res.Logger()))
	})
}

// input polls.
type input struct {
	config config
	hub    *host.Hub
	log    *service.Logger

	// turn is held by Connect, ReadBatch and Close, and guards what follows.
	turn   sync.Mutex
	db     *sql.DB
	conn   *sql.Conn // nil while there is none; the lock is its session's
	mine   bool      // the lock is held, or none is needed
	begun  time.Time // of the last poll
	hurry  bool      // the next one does not wait for its time
	done   chan struct{}
	outage host.Outage

	// alive ends when the input closes, and with it every wait.
	alive context.Context
	stop  context.CancelFunc
}

func newInput(c config, hub *host.Hub, log *service.Logger) *input {
	in := &input{config: c, hub: hub, log: log}
	in.alive, in.stop = context.WithCancel(context.Background())
	return in
}

// Connect takes the connection. Benthos logs every error that it is given and comes back
// at once; so one is returned only now and then, and tried again in between.
func (in *input) Connect(ctx context.Context) error {
	ctx, leave := in.join(ctx)
	defer leave()
	for {
		err := in.open(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case postgres.Hopeless(err):
			return in.fail(err)
		case in.outage.News():
			return fmt.Errorf("Postgres at %s: %s", postgres.Address(in.config.server), postgres.Describe(err)) //nolint:staticcheck // a name
		}
		in.outage.Pause(ctx)
	}
}

func (in *input) open(ctx context.Context) (err error) {
	if in.db == nil {
		connector, err := pq.NewConnectorConfig(in.config.server)
		if err != nil {
			return err
		}
		in.db = sql.OpenDB(connector)
	}
	in.drop()
	if in.conn, err = in.db.Conn(ctx); err != nil {
		return err
	}
	if _, err = in.conn.ExecContext(ctx, "set timezone to 'UTC'"); err != nil {
		in.drop()
		return err
	}
	in.mine = in.config.exclusive == ""
	return nil
}

// drop ends the session, and with it the lock: back in the pool it would keep it.
func (in *input) drop() {
	if in.conn == nil {
		return
	}
	_ = in.conn.Raw(func(any) error { return driver.ErrBadConn }) // the error is the request to end it
	in.conn = nil
}

// fail stops the stream for good.
func (in *input) fail(err error) error {
	in.hub.Fail(fmt.Errorf("pg_poll: %s", postgres.Describe(err)))
	return service.ErrEndOfInput
}

// ReadBatch waits until the next poll is due, and polls until there are rows.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	ctx, leave := in.join(ctx)
	defer leave()
	for {
		if err := in.due(ctx); err != nil {
			return nil, nil, err
		}
		in.begun = time.Now()
		batch, err := in.poll(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case postgres.Hopeless(err):
			return nil, nil, in.fail(err)
		default:
			return nil, nil, in.away(ctx, err)
		}
		in.outage = host.Outage{}
		if len(batch) > 0 {
			in.hurry = in.config.stopAtEnd
			done := make(chan struct{})
			in.done = done
			return batch, func(context.Context, error) error { close(done); return nil }, nil
		}
		if in.config.stopAtEnd { // nothing is left, or it is another's who polls
			return nil, nil, service.ErrEndOfInput
		}
	}
}

// due returns when the messages of the last poll are acknowledged and the next may begin.
func (in *input) due(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if in.conn == nil {
		return service.ErrNotConnected
	}
	if in.done != nil {
		select {
		case <-in.done:
			in.done = nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if in.hurry {
		in.hurry = false
		return nil
	}
	timer := time.NewTimer(time.Until(in.begun.Add(in.config.interval)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll asks once; nothing while another input has the lock.
func (in *input) poll(ctx context.Context) (service.MessageBatch, error) {
	if !in.mine {
		if err := in.conn.QueryRowContext(ctx, lockQuery, in.config.exclusive).Scan(&in.mine); err != nil || !in.mine {
			return nil, err
		}
	}
	rows, err := in.conn.QueryContext(ctx, asJSON(in.config.query))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var batch service.MessageBatch
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		batch = append(batch, service.NewMessage(text))
	}
	return batch, rows.Err()
}

// away says that a poll failed and asks for another connection after a pause.
func (in *input) away(ctx context.Context, err error) error {
	in.drop()
	if in.outage.News() {
		in.log.With("error", postgres.Describe(err)).Warn("Postgres does not answer the query, trying again until it does")
	}
	in.outage.Pause(ctx)
	return service.ErrNotConnected
}

// join takes the turn. It ends ctx when the input closes.
func (in *input) join(ctx context.Context) (_ context.Context, leave func()) {
	in.turn.Lock()
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(in.alive, cancel)
	return ctx, func() { unhook(); cancel(); in.turn.Unlock() }
}

// Close ends all waits and the session.
func (in *input) Close(context.Context) error {
	in.stop()
	in.turn.Lock()
	defer in.turn.Unlock()
	in.drop()
	if in.db == nil {
		return nil
	}
	return in.db.Close()
}
