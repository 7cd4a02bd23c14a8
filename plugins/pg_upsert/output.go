package pgupsert

import (
	"context"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

func init() {
	service.MustRegisterBatchOutput("pg_upsert", spec(), newFromConfig)
}

func newFromConfig(conf *service.ParsedConfig, res *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
	cfg, err := parseConfig(conf)
	if err != nil {
		return nil, service.BatchPolicy{}, 0, err
	}
	policy, err := conf.FieldBatchPolicy(fieldBatching)
	if err == nil {
		err = checkBatching(policy)
	}
	if err != nil {
		return nil, service.BatchPolicy{}, 0, err
	}
	return newOutput(cfg, res), policy, cfg.maxInFlight, nil
}

// output is the Benthos face of a writer.
type output struct {
	*writer
	hub      *host.Hub
	reported time.Time // when Connect last returned an error
	failures int       // attempts to connect since then
}

func newOutput(cfg config, res *service.Resources) *output {
	return &output{writer: newWriter(cfg, res), hub: host.HubOf(res)}
}

// Connect opens the database and checks the tables. Benthos logs every error that
// it returns and comes back at once; so while the database cannot be reached, it
// returns one only every logEvery and tries in between. An error that no retry
// can mend stops the stream.
func (o *output) Connect(ctx context.Context) error {
	ctx, done := o.join(ctx)
	defer done()
	for {
		err := o.open(ctx)
		if err == nil && o.cfg.ledger {
			err = o.hub.Attach(ctx, o)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := pause(o.failures)
		o.failures++
		if judge(err) == fatal {
			o.hub.Fail(err)
			wait = logEvery
		} else if now := o.retry.now(); !o.reported.IsZero() && now.Sub(o.reported) < logEvery {
			if err := o.retry.sleep(ctx, wait); err != nil {
				return err
			}
			continue
		}
		o.reported = o.retry.now()
		return service.NewErrBackOff(err, wait)
	}
}

// Begin is the writer's. An error that no retry can mend stops the stream.
func (o *output) Begin(ctx context.Context, run host.TaskRun) error {
	err := o.writer.Begin(ctx, run)
	if err != nil && judge(err) == fatal {
		o.hub.Fail(err)
	}
	return err
}

// WriteBatch writes every message of the batch or says which it did not.
func (o *output) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	ctx, done := o.join(ctx)
	defer done()
	rows := o.plan.filler()
	defer o.plan.spare.Put(rows)
	defer rows.reset()
	groups, lost := split(batch, o.plan, rows)
	failed := map[int]error{}
	for _, i := range lost {
		failed[i] = errNoOrigin
	}
	for _, g := range groups {
		refused, err := o.write(ctx, batch, g)
		for _, r := range refused {
			failed[r.row.index] = told{o.cfg.table.String() + ": " + describe(r.cause), r.cause}
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err = told{o.cfg.table.String() + ": " + describe(err), err}
		if judge(err) == fatal {
			o.hub.Fail(err)
		}
		for _, r := range g.rows {
			failed[r.index] = err
		}
		for _, r := range g.refused {
			failed[r.row.index] = err
		}
	}
	return partial(batch, failed)
}

// partial is the error of a batch of which some messages failed.
func partial(batch service.MessageBatch, failed map[int]error) error {
	var all *service.BatchError
	for i := range batch {
		err := failed[i]
		if err == nil {
			continue
		}
		if len(batch) == 1 {
			return err
		}
		if all == nil {
			all = service.NewBatchError(batch, err)
		}
		_ = all.Failed(i, err)
	}
	if all == nil {
		return nil
	}
	return all
}

// Close ends all waits and the connections.
func (o *output) Close(context.Context) error {
	o.hub.Detach(o)
	o.stop()
	return o.close()
}
