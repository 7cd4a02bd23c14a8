package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/bench/workload"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// BenchmarkLatency measures, at steady rates, from the sending of an event to the
// moment when a reader of Postgres sees the row that follows from it.
func BenchmarkLatency(b *testing.B) {
	for _, rate := range []int{5_000, 20_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			for range b.N {
				latencies := measureLatency(b, rate)
				slices.Sort(latencies)
				at := func(q float64) float64 {
					return float64(latencies[int(q*float64(len(latencies)-1))].Microseconds()) / 1000
				}
				b.ReportMetric(0, "ns/op") // a run's own time says nothing
				b.ReportMetric(at(.5), "ms-p50")
				b.ReportMetric(at(.99), "ms-p99")
			}
		})
	}
}

const (
	warmUp   = 5 * time.Second
	measured = 15 * time.Second
	probing  = 20 // probes in a second
)

func measureLatency(b *testing.B, rate int) []time.Duration {
	b.Helper()
	d := &drains{B: b, kafka: kit.Kafka(b)}
	d.kafka.Reset(b, partitions, workload.Topics...)
	pg := kit.Postgres(b)
	c := d.command(pg, rate)
	d.exec(pg, "create index on payment_totals (payment_type) where payment_type like 'probe%'")
	prober, err := workload.NewProber(filepath.Join(kit.Root(b), "configs", "avro"))
	if err != nil {
		b.Fatal(err)
	}
	engine := kit.Start(b, c)
	seen := &sightings{sent: map[string]time.Time{}}
	watched := make(chan error, 1)
	go func() { watched <- seen.watch(b, pg) }()

	p := newProducer(b, d.kafka, 0)
	sent, began := 0, time.Now()
	total := int(float64(rate) * (warmUp + measured).Seconds())
	makeWorkload(b, 1_000_000, func(r workload.Record) {
		if sent == total {
			return
		}
		p.send(r)
		sent++
		due := began.Add(time.Duration(float64(sent) / float64(rate) * float64(time.Second)))
		if sent%(rate/500) == 0 {
			time.Sleep(time.Until(due))
		}
		if sent%(rate/probing) == 0 && time.Since(began) > warmUp {
			kind := fmt.Sprintf("probe %d", sent)
			seen.note(kind)
			p.send(prober.Payment(r.Time, kind))
		}
	})
	p.finish()
	seen.end()
	if err := <-watched; err != nil {
		b.Fatal(err)
	}
	engine.Signal(b, os.Interrupt)
	engine.Wait(b, patience)
	return seen.latencies
}

// sightings follow the probes from their sending to their rows.
type sightings struct {
	mu        sync.Mutex
	sent      map[string]time.Time // those not seen yet
	latencies []time.Duration
	ended     bool // no more will be sent
}

func (s *sightings) note(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[kind] = time.Now()
}

func (s *sightings) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// see tells whether everything was seen that ever will be sent.
func (s *sightings) see(kinds []string) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range kinds {
		if at, ok := s.sent[k]; ok {
			s.latencies = append(s.latencies, now.Sub(at))
			delete(s.sent, k)
		}
	}
	return s.ended && len(s.sent) == 0
}

// watch asks for the rows of probes every other millisecond.
func (s *sightings) watch(tb testing.TB, pg *kit.Database) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		rows, err := pg.DB.QueryContext(tb.Context(), "select payment_type from payment_totals where payment_type like 'probe%'")
		if err != nil {
			return err
		}
		var kinds []string
		for rows.Next() {
			var kind string
			if err := rows.Scan(&kind); err != nil {
				return err
			}
			kinds = append(kinds, kind)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if s.see(kinds) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("probes without rows after %v: %d", patience, len(s.sent))
		}
	}
}
