package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const patience = 10 * time.Minute

// site is a broker with empty topics, a migrated database and a state folder.
type site struct {
	*testing.B
	kafka *kit.Broker
	pg    *kit.Database
	state string
	env   []string
}

func newSite(b *testing.B) *site {
	s := &site{B: b, kafka: kit.Kafka(b), pg: kit.Postgres(b), state: b.TempDir()}
	s.env = []string{"KAFKA_BROKERS=" + s.kafka.Addr(), "POSTGRES_DSN=" + s.pg.DSN, "TIDEMARK_STATE_DIR=" + s.state}
	s.kafka.Reset(b, 0)
	s.run("topics", "create", "--partitions", "3")
	s.run("db", "migrate")
	describe(b, s.pg)
	return s
}

func (s *site) start(args ...string) *kit.Process {
	s.Helper()
	return kit.Start(s, kit.Command{Args: args, Env: s.env})
}

func (s *site) run(args ...string) {
	s.Helper()
	if r := s.start(args...).Wait(s, patience); r.Code != 0 {
		s.Fatalf("%v: exit code %d", args, r.Code)
	}
}

func (s *site) kill(p *kit.Process) {
	s.Helper()
	p.Signal(s, syscall.SIGKILL)
	p.Wait(s, patience)
}

// await waits until the windows have come so many minutes further.
func (s *site) await(minutes int64) {
	s.Helper()
	rows := s.progress()
	from := rows.newest()
	kit.Eventually(s, patience, func() (bool, string) {
		n := rows.newest()
		return from > 0 && n-from >= minutes || from == 0 && n > 0, fmt.Sprintf("the last window is that of minute %d", n)
	})
}

func (s *site) progress() progress { return progress{s, s.pg, "funnel_windows", "tidemark-funnel"} }

// BenchmarkRestart kills the consumer while orders come in, starts it again, and
// measures from the start of the process to the first new row: with its local
// store, and with the state in the changelog only.
func BenchmarkRestart(b *testing.B) {
	const orders, kills, day = 30_000, 5, 1440
	s := newSite(b)
	dir := filepath.Join(b.TempDir(), "dataset")
	s.run("generate", "--orders", fmt.Sprint(orders), "--seed", "1", "--out", dir)
	for range b.N {
		// Two years in about two minutes.
		producer := s.start("produce", "--dataset-dir", dir, "--speed", "500000")
		consume := kit.Command{Args: []string{"consume", "--no-console"}, Env: s.env}
		consumer := kit.Start(s, consume)
		s.await(0)
		measure := func(prepare func()) float64 {
			var times []float64
			for range kills {
				s.await(7 * day)
				s.kill(consumer)
				prepare()
				var took time.Duration
				consumer, took = s.progress().restart(consume)
				times = append(times, 1000*took.Seconds())
			}
			if !producer.Running() {
				b.Fatal("the producer was done before the last restart")
			}
			return report.Median(times)
		}
		measured.Restart = &report.Restart{
			WithStore: measure(func() {}),
			FromChangelog: measure(func() {
				// The instance id stays: the machine is the same, its disk was lost.
				stores, err := filepath.Glob(filepath.Join(s.state, "*", "[0-9]*"))
				if err != nil || len(stores) == 0 {
					b.Fatal(stores, err)
				}
				for _, dir := range stores {
					if err := os.RemoveAll(dir); err != nil {
						b.Fatal(err)
					}
				}
			}),
		}
		b.ReportMetric(measured.Restart.WithStore, "ms/restart-with-store")
		b.ReportMetric(measured.Restart.FromChangelog, "ms/restart-from-changelog")
		s.kill(producer)
		s.kill(consumer)
	}
}

// restored is what a task logs when its state is there.
var restored = regexp.MustCompile(`restored in ([0-9.]+m?s)`)

// BenchmarkRestoreMillion restores a million keys from the changelog alone: the
// funnel's orders, of which none is ever forgotten.
func BenchmarkRestoreMillion(b *testing.B) {
	const orders = 460_000
	s := newSite(b)
	text, err := os.ReadFile(filepath.Join(kit.Root(b), "streams", "analytics", "funnel.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	stream := strings.ReplaceAll(string(text), "within: 7d", "within: 3650d")
	streams := b.TempDir()
	if err := os.WriteFile(filepath.Join(streams, "funnel.yaml"), []byte(stream), 0o644); err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.TempDir(), "dataset")
	s.run("generate", "--orders", fmt.Sprint(orders), "--seed", "1", "--out", dir)
	s.run("produce", "--dataset-dir", dir, "--speed", "max")
	s.run("consume", "--no-console", "--stop-at-end", "--streams", streams)
	var took time.Duration
	for range b.N {
		if err := os.RemoveAll(s.state); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		began := time.Now()
		consumer := s.start("consume", "--no-console", "--streams", streams)
		for len(restored.FindAllString(consumer.Output(), -1)) < defaultPartitions {
			if !consumer.Running() {
				b.Fatal("it ended before every task was restored")
			}
			time.Sleep(glance)
		}
		took = time.Since(began)
		b.StopTimer()
		s.kill(consumer)
	}
	var keys int64
	admin := kadm.NewClient(s.kafka.Client(b))
	starts, err1 := admin.ListStartOffsets(b.Context(), "tidemark-funnel-changelog")
	ends, err2 := admin.ListEndOffsets(b.Context(), "tidemark-funnel-changelog")
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	ends.Each(func(o kadm.ListedOffset) {
		start, _ := starts.Lookup(o.Topic, o.Partition)
		keys += o.Offset - start.Offset
	})
	measured.Restore = &report.Restore{Records: keys, Seconds: took.Seconds()}
	b.ReportMetric(float64(keys), "changelog-records")
}
