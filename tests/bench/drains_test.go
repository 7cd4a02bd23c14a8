package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/bench/workload"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	defaultPartitions = 3
	stream            = "order_totals"
	consumerGroup     = "tidemark-order-totals"
	// readiness is what Tidemark logs when a task begins to read.
	readiness = "Task is running"
)

// drains are runs of engines over one backlog.
type drains struct {
	*testing.B
	kafka       *kit.Broker
	floorBinary string
	events      int
	oracle      *workload.Oracle
	runs        int    // of Tidemark, so far
	group       string // consumer group of the last of them, which names its rows
}

func newDrains(b *testing.B) *drains {
	b.Helper()
	d := &drains{B: b, kafka: kit.Kafka(b)}
	_ = kit.Binary(b) // built before the clock starts, and no child of ours meanwhile
	d.floorBinary = filepath.Join(b.TempDir(), "floor")
	build := exec.Command("go", "build", "-o", d.floorBinary, "./tests/bench/floor")
	build.Dir = kit.Root(b)
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building the floor: %v\n%s", err, out)
	}
	return d
}

// load fills the topics.
func (d *drains) load(c workload.Config, partitions int32) {
	d.Helper()
	d.kafka.Reset(d, partitions, workload.Topics...)
	p := newProducer(d, d.kafka, 20*time.Millisecond)
	defer p.client.Close() // its buffers, before the next workload
	d.events = c.Events
	d.oracle = makeWorkload(d, c, p.send)
	p.finish()
}

// floor is one run of the floor.
func (d *drains) floor() report.Drain {
	d.Helper()
	pg := d.database()
	f := d.measure(report.Floor, "ready", kit.Command{Path: d.floorBinary, Args: []string{d.kafka.Addr(), pg.DSN}}, pg)
	d.check(pg, report.Floor)
	return f
}

// tidemark is one run of Tidemark, in a consumer group of its own.
func (d *drains) tidemark() report.Drain {
	d.Helper()
	pg := d.database()
	c := d.command(pg, "--stop-at-end")
	var profile func()
	c.Dir, profile = d.profiled(d.runs)
	f := d.measure(report.Tidemark, readiness, c, pg)
	profile()
	d.check(pg, report.Tidemark)
	return f
}

// command runs the stream into new tables of a database, with a state folder and a
// consumer group of its own.
func (d *drains) command(pg *kit.Database, flags ...string) kit.Command {
	d.Helper()
	d.runs++
	kit.MustRun(d, kit.Command{Args: []string{"db", "migrate"}, Env: []string{"POSTGRES_DSN=" + pg.DSN}}, patience)
	d.exec(pg, d.read("streams", "examples", stream+".sql"))
	d.group = fmt.Sprintf("%s-%d", consumerGroup, d.runs)
	streams := d.TempDir()
	text := strings.Replace(d.read("streams", "examples", stream+".yaml"), "consumer_group: "+consumerGroup, "consumer_group: "+d.group, 1)
	if !strings.Contains(text, d.group) {
		d.Fatal("the stream has another consumer_group")
	}
	if err := os.WriteFile(filepath.Join(streams, stream+".yaml"), []byte(text), 0o644); err != nil {
		d.Fatal(err)
	}
	return kit.Command{
		Args: append([]string{"consume", "--no-console", "--streams", streams}, flags...),
		Env:  []string{"KAFKA_BROKERS=" + d.kafka.Addr(), "POSTGRES_DSN=" + pg.DSN, "TIDEMARK_STATE_DIR=" + d.TempDir()},
	}
}

// measure runs an engine to its end. It begins to read when it writes the word ready.
// Its work is done with the last row; what it does from there to its end, such as to
// commit and to leave its group, is in the time from start to end only.
func (d *drains) measure(engine, ready string, c kit.Command, pg *kit.Database) report.Drain {
	d.Helper()
	cpu, busy, began := childrenCPU(d), machineCPU(), time.Now()
	p := kit.Start(d, c)
	var reading time.Time
	for reading.IsZero() && p.Running() {
		if strings.Contains(p.Output(), ready) {
			reading = time.Now()
		}
		time.Sleep(2 * time.Millisecond)
	}
	r := p.Wait(d, patience)
	ended := time.Now()
	if r.Code != 0 || reading.IsZero() {
		d.Fatalf("%s: exit code %d, ready: %v\n%s", engine, r.Code, !reading.IsZero(), r.Output())
	}
	f := report.Drain{
		Engine: engine, Events: d.events, Records: d.oracle.Records, PeakRSS: r.PeakRSS,
		Wall: ended.Sub(began).Seconds(), CPU: childrenCPU(d) - cpu,
	}
	if now := machineCPU(); now > 0 {
		f.Others = now - busy - f.CPU
	}
	f.Drain = lastRow(d, pg, resultTables[engine]...).Sub(reading).Seconds()
	if f.Drain <= 0 || f.Drain > f.Wall {
		d.Fatalf("%s: the last row came %.3f s after the first read, in a run of %.3f s: the clocks disagree", engine, f.Drain, f.Wall)
	}
	return f
}

func (d *drains) read(path ...string) string {
	d.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{kit.Root(d)}, path...)...))
	if err != nil {
		d.Fatal(err)
	}
	return string(text)
}

// makeWorkload makes the workload and hands its records to send.
func makeWorkload(tb testing.TB, c workload.Config, send func(workload.Record)) *workload.Oracle {
	tb.Helper()
	c.Seed, c.Schemas = 1, schemas(tb)
	o, err := workload.Make(c, send)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

func schemas(tb testing.TB) string { return filepath.Join(kit.Root(tb), "configs", "avro") }
