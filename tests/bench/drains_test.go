package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/bench/workload"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	floorEngine    = "floor"
	tidemarkEngine = "tidemark"
	partitions     = 3
	stream         = "order_totals"
)

// drains are runs of engines over one backlog.
type drains struct {
	*testing.B
	kafka       *kit.Broker
	floorBinary string
	oracle      *workload.Oracle
}

func buildFloor(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "floor")
	build := exec.Command("go", "build", "-o", path, "./tests/bench/floor")
	build.Dir = kit.Root(b)
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building the floor: %v\n%s", err, out)
	}
	return path
}

// load fills the topics.
func (d *drains) load(events int) {
	d.Helper()
	d.kafka.Reset(d, partitions, workload.Topics...)
	p := newProducer(d, d.kafka, 20*time.Millisecond)
	began := time.Now()
	d.oracle = makeWorkload(d, events, p.send)
	p.finish()
	d.Logf("%d records made and loaded in %v", d.oracle.Records, time.Since(began).Round(time.Millisecond))
}

// floor is one run of the floor.
func (d *drains) floor() figures {
	d.Helper()
	pg := d.database()
	f := d.measure(floorEngine, "ready", kit.Command{Path: d.floorBinary, Args: []string{d.kafka.Addr(), pg.DSN}})
	d.check(pg, floorEngine)
	return f
}

// tidemark is one run of Tidemark, in a consumer group of its own.
func (d *drains) tidemark(run int) figures {
	d.Helper()
	pg := d.database()
	c := d.command(pg, run, "--stop-at-end")
	var profile func()
	c.Dir, profile = d.profiled(run)
	f := d.measure(tidemarkEngine, "restored in", c)
	profile()
	d.check(pg, tidemarkEngine)
	return f
}

// command runs the stream into new tables of a database, with a state folder and a
// consumer group of its own.
func (d *drains) command(pg *kit.Database, run int, flags ...string) kit.Command {
	d.Helper()
	kit.MustRun(d, kit.Command{Args: []string{"db", "migrate"}, Env: []string{"POSTGRES_DSN=" + pg.DSN}}, patience)
	d.exec(pg, d.read("streams", "examples", stream+".sql"))
	group := fmt.Sprintf("consumer_group: tidemark-order-totals-%d", run)
	streams := d.TempDir()
	text := strings.Replace(d.read("streams", "examples", stream+".yaml"), "consumer_group: tidemark-order-totals", group, 1)
	if !strings.Contains(text, group) {
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
func (d *drains) measure(engine, ready string, c kit.Command) figures {
	d.Helper()
	_ = kit.Binary(d) // built before the clock starts, and no child of ours meanwhile
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
		d.Fatalf("%s: exit code %d\n%s", engine, r.Code, r.Output())
	}
	f := figures{
		Engine: engine, Records: d.oracle.Records, PeakRSS: r.PeakRSS,
		Wall: seconds(ended.Sub(began)), Drain: seconds(ended.Sub(reading)), CPU: childrenCPU(d) - cpu,
	}
	if now := machineCPU(); now > 0 {
		f.Others = now - busy - f.CPU
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
