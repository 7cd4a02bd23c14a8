package kafkaevents

import (
	"net"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

// patience is how long the broker may be silent before a first line is logged,
// and reportEvery the time between lines after it.
const (
	patience    = 5 * time.Second
	reportEvery = 30 * time.Second
)

// outage reports the broker's silence: one line after a while, one in
// reportEvery, one when it is over, however many writes wait. As a hook of the
// client it remembers why the last connection failed.
type outage struct {
	log     *service.Logger
	now     func() time.Time
	brokers string

	mu      sync.Mutex
	lastErr error
	waiting int       // writes that wait for the broker
	since   time.Time // of the first of them, or of the last that was answered
	nextLog time.Time
	logged  bool
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (o *outage) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastErr = err
}

// begin notes a write that waits from now on.
func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting++; o.waiting == 1 {
		o.since = o.now()
		o.nextLog = o.since.Add(patience)
	}
}

// end notes that a write waits no more; answered tells that the broker took it.
func (o *outage) end(answered bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting--
	if !answered {
		return
	}
	now := o.now()
	if o.logged {
		o.log.With("brokers", o.brokers, "duration", now.Sub(o.since).Round(time.Second)).Info("Kafka takes records again")
	}
	o.logged, o.since, o.nextLog = false, now, now.Add(patience)
}

// tick logs when a line is due.
func (o *outage) tick() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if o.waiting == 0 || now.Before(o.nextLog) {
		return
	}
	o.logged, o.nextLog = true, now.Add(reportEvery)
	log := o.log.With("brokers", o.brokers, "duration", now.Sub(o.since).Round(time.Second))
	if o.lastErr != nil {
		log = log.With("error", o.lastErr)
	}
	log.Warn("Kafka takes no records: they wait, nothing is lost")
}
