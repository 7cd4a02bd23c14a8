package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// old is when rows were written last that nobody has written since the test marked them.
const old = "2000-01-01"

// marked tables are those of windows.
var windowTables = []string{"funnel_windows", "drop_off_windows", "gmv_windows", "payment_windows"}

func (p *pipeline) exec(query string, args ...any) {
	p.Helper()
	if _, err := p.pg.DB.ExecContext(p.Context(), query, args...); err != nil {
		p.Fatalf("%s: %v", query, err)
	}
}

func (p *pipeline) count(query string, args ...any) (n int64) {
	p.Helper()
	if err := p.pg.DB.QueryRowContext(p.Context(), query, args...).Scan(&n); err != nil {
		p.Fatalf("%s: %v", query, err)
	}
	return n
}

// TestReplayFromTime: rows from a time on are spoilt, and computed anew; those before it
// are not even written. What is computed anew is right from its first row on: events from
// before the time are read for it.
func TestReplayFromTime(t *testing.T) {
	dir := dataset(t)
	p := newPipeline(t, 3)
	want := wanted(t, dir, 0)
	p.produce(dir)
	p.consume()
	p.expect(want)
	const from = "2018-03-15T12:30:00Z"
	for _, table := range windowTables {
		p.exec("update " + table + " set processed_at = '" + old + "'")
		p.exec("delete from "+table+" where window_end > $1 and extract(minute from window_start)::int % 2 = 0", from)
		p.exec("insert into "+table+" select (r).* from (select jsonb_populate_record(x, '{\"window_start\": \"2018-06-01T00:00:30Z\", \"seq\": 1}') as r from "+table+" as x where window_end > $1 limit 1) as spoilt", from)
	}
	p.exec("update funnel_windows set total_orders = 1000 where window_end > $1", from)

	p.run("replay", "--from", from, "--yes")
	for _, table := range windowTables {
		if n := p.count("select count(*) from "+table+" where window_end > $1", from); n > 0 {
			t.Errorf("%s still has %d of the rows that are to be computed anew", table, n)
		}
	}
	p.consume()
	p.expect(want)
	for _, table := range windowTables {
		if n := p.count("select count(*) from "+table+" where (processed_at = '"+old+"') <> (window_end <= $1)", from); n > 0 {
			t.Errorf("%s: %d rows of before the time were written, or of behind it were not", table, n)
		}
	}
}

// TestReplayOfOpenWindows: the time lies where windows are still open, and others have
// been ordered before and not been computed: what is missing is computed too. Data is in
// motion, and commands are killed at random moments and repeated.
func TestReplayOfOpenWindows(t *testing.T) {
	dir := dataset(t)
	p := newPipeline(t, 3)
	want := wanted(t, dir, 0)
	producer := p.start(produceArgs(dir, "--speed", "1000000", "--max-gap", "3ms")...)
	for i, goal := range []int64{500, 1500, 3000, 4500} {
		consumer := p.start("consume")
		p.await(goal, counted)
		consumer.Signal(t, []os.Signal{syscall.SIGKILL, syscall.SIGTERM}[i%2])
		consumer.Wait(t, patience)
		var newest time.Time
		if err := p.pg.DB.QueryRowContext(t.Context(), "select max(window_start) from funnel_windows").Scan(&newest); err != nil {
			t.Fatal(err)
		}
		for k, back := range []time.Duration{20 * 24 * time.Hour, 2 * 24 * time.Hour, time.Hour} {
			args := []string{"replay", "--from", newest.Add(-back).UTC().Format(time.RFC3339), "--yes"}
			if k < 2 {
				p.killed(time.Duration(rand.IntN(3000))*time.Millisecond, args...)
				continue
			}
			p.run(args...)
		}
	}
	consumer := p.start("consume")
	p.succeeds(producer)
	p.expectLive(want)
	p.interrupt(consumer)
	p.consume()
	p.expect(want)
}

// killed runs a command and kills it after a while, if it is not done by then.
func (p *pipeline) killed(after time.Duration, args ...string) {
	p.Helper()
	c := p.start(args...)
	<-time.After(after)
	c.Signal(p, syscall.SIGKILL)
	c.Wait(p, patience)
}

// TestReplayBeside: a stream is computed under another group while the views show the old
// rows and nothing twice; what differs is told; then it takes the old one's place. All is
// killed and repeated meanwhile. Who starts the old group again is refused.
func TestReplayBeside(t *testing.T) {
	const group, stream = "tidemark-funnel.2", "streams/analytics/funnel.yaml"
	dir := dataset(t)
	p := newPipeline(t, 3)
	want := wanted(t, dir, 0)
	p.produce(dir)
	p.consume()
	p.expect(want)
	beside := []string{"replay", "--as", group, "--file", stream}
	for _, after := range []time.Duration{700 * time.Millisecond, 2 * time.Second} {
		p.killed(after, beside...)
		p.expect(want)
	}
	p.exec("update funnel_windows set total_orders = total_orders + 1 where ctid in (select ctid from funnel_windows limit 1)")
	out := p.run(beside...).Stdout
	for _, line := range []string{"funnel_windows: 8,096 final rows are the same, 1 are only in the old, 1 only in the new", "drop_off_windows: ", "0 are only in the old, 0 only in the new"} {
		if !strings.Contains(out, line) {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
	// Where the old stream has not come to an end, only what is final in it is compared.
	p.exec("update tidemark_tasks set watermark = '2018-06-01' where stream = 'tidemark-funnel'")
	final := p.count("select count(*) from funnel_windows where closes_at <= '2018-06-01'")
	if line := fmt.Sprintf("funnel_windows: %s final rows are the same", humanize.Comma(final-1)); !strings.Contains(p.run(beside...).Stdout, line) {
		t.Errorf("no %q", line)
	}
	p.killed(time.Duration(rand.IntN(1500))*time.Millisecond, append(beside, "--switch", "--yes")...)
	p.run(append(beside, "--switch", "--yes")...)
	p.expect(want)

	folder := t.TempDir()
	text, err := os.ReadFile(filepath.Join(kit.Root(t), stream))
	if err != nil {
		t.Fatal(err)
	}
	run := func(group string) *kit.Process {
		changed := strings.Replace(string(text), "consumer_group: tidemark-funnel\n", "consumer_group: "+group+"\n", 1)
		if err := os.WriteFile(filepath.Join(folder, "funnel.yaml"), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		return p.start("consume", "--stop-at-end", "--streams", folder)
	}
	p.succeeds(run(group))
	p.expect(want)
	r := run("tidemark-funnel").Wait(t, patience)
	if r.Code == 0 || !strings.Contains(r.Output(), "tidemark replay --as tidemark-funnel") {
		t.Errorf("the old group goes on beside the new one: exit code %d", r.Code)
	}
	p.expect(want)
}

// TestOffsetsSetByHand: Kafka's own tool sets the offsets of a stopped stream back to the
// start. The stream refuses and names the command, which does it right.
func TestOffsetsSetByHand(t *testing.T) {
	const orders, group = 500, "tidemark-funnel"
	dir := dataset(t)
	p := newPipeline(t, 3)
	want := wanted(t, dir, orders)
	p.produce(dir, "--limit", "500")
	p.consume()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	offsets := kadm.Offsets{}
	for _, topic := range []string{"olist.orders", "olist.order_items", "olist.payments"} {
		for partition := range int32(3) {
			offsets.AddOffset(topic, partition, 0, -1)
		}
	}
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), group, offsets); err != nil {
		t.Fatal(err)
	}
	r := p.start("consume", "--stop-at-end").Wait(t, patience)
	const command = "tidemark replay --from earliest --consumer-group " + group
	if r.Code == 0 || !strings.Contains(r.Output(), command) {
		t.Fatalf("exit code %d, and no word of %s", r.Code, command)
	}
	p.run(append(strings.Fields(command)[1:], "--yes")...)
	p.consume()
	p.expect(want)
}

// TestTruncatedTables: rows deleted under a stream come back as far as their windows are
// open; the others do not, and a line says so and names the command that computes them.
func TestTruncatedTables(t *testing.T) {
	dir := dataset(t)
	p := newPipeline(t, 3)
	p.produce(dir, "--limit", "2000")
	p.consume()
	before := p.count("select count(*) from funnel_windows")
	p.run("db", "truncate", "--yes")
	out := p.consume().Output()
	if !mentions(out, "The ledger knows nothing of a task that has state", "table=tidemark_tasks", "stream=tidemark-funnel", "task=0") || !strings.Contains(out, "`tidemark replay`") {
		t.Error("nobody says that rows do not come again")
	}
	if n := p.count("select count(*) from funnel_windows"); n == 0 || n >= before {
		t.Errorf("%d of %d windows have come again: want those that were open", n, before)
	}
	p.run("replay", "--yes")
	p.consume()
	p.expect(wanted(t, dir, 2000))
}
