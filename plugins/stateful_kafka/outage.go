package statefulkafka

import (
	"context"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// outage is a time in which Kafka cannot be reached.
type outage struct{ host.Outage }

// bridge calls attempt until it succeeds, with growing pauses. Benthos logs every
// error that it is given and comes back at once, so one is returned only every
// host.LogEvery; and at once when it is one that no retry can mend.
func (o *outage) bridge(ctx context.Context, attempt func() error) error {
	for {
		err := attempt()
		if err == nil || host.Refused(err) {
			*o = outage{}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if o.News() {
			return err
		}
		o.Pause(ctx)
	}
}
