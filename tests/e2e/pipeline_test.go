package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// patience bounds everything that a test waits for. It says that something hangs,
// not how fast it ought to be.
const patience = 3 * time.Minute

// pipeline is a broker with empty topics, a migrated database and the commands
// that work on them.
type pipeline struct {
	testing.TB
	kafka    *kit.Broker
	pg       *kit.Database
	stateDir string
	env      []string
}

// newPipeline sets up topics with the given number of partitions.
func newPipeline(t testing.TB, partitions int) *pipeline {
	t.Helper()
	p := &pipeline{TB: t, kafka: kit.Kafka(t), pg: kit.Postgres(t), stateDir: t.TempDir()}
	p.env = []string{"KAFKA_BROKERS=" + p.kafka.Addr(), "POSTGRES_DSN=" + p.pg.DSN, "TIDEMARK_STATE_DIR=" + p.stateDir}
	p.kafka.Reset(t, 0)
	p.run("topics", "create", "--partitions", strconv.Itoa(partitions))
	p.run("db", "migrate")
	return p
}

// command is the binary with args, told where the servers are.
func (p *pipeline) command(args ...string) kit.Command {
	return kit.Command{Args: args, Env: p.env}
}

// start starts a command in the background.
func (p *pipeline) start(args ...string) *kit.Process {
	p.Helper()
	return kit.Start(p, p.command(args...))
}

// run runs a command that has to succeed.
func (p *pipeline) run(args ...string) kit.Result {
	p.Helper()
	return p.succeeds(p.start(args...))
}

// succeeds waits for a command that has to end with success.
func (p *pipeline) succeeds(process *kit.Process) kit.Result {
	p.Helper()
	r := process.Wait(p, patience)
	if r.Code != 0 {
		p.Fatalf("exit code %d", r.Code)
	}
	return r
}

// produce replays a dataset; without a --speed among args, as fast as it can.
func (p *pipeline) produce(dir string, args ...string) kit.Result {
	p.Helper()
	return p.run(produceArgs(dir, args...)...)
}

func produceArgs(dir string, args ...string) []string {
	all := []string{"produce", "--dataset-dir", dir}
	if !strings.Contains(strings.Join(args, " "), "--speed") {
		all = append(all, "--speed", "max")
	}
	return append(all, args...)
}

// consume reads everything that the topics hold and emits it as final.
func (p *pipeline) consume() kit.Result {
	p.Helper()
	return p.run("consume", "--stop-at-end")
}

// interrupt ends a command that runs until it is told to, the polite way.
func (p *pipeline) interrupt(process *kit.Process) kit.Result {
	p.Helper()
	process.Signal(p, syscall.SIGTERM)
	return p.succeeds(process)
}

// rows are what the views show.
func (p *pipeline) rows() golden.Tables {
	p.Helper()
	got, err := golden.Load(p.Context(), p.pg.DB)
	if err != nil {
		p.Fatal(err)
	}
	return got
}

// expect holds every row of the views against the oracle's.
func (p *pipeline) expect(want golden.Tables) {
	p.Helper()
	p.same(golden.Diff(want, p.rows()))
}

// expectLive does the same while the streams run: what waits for the end of a
// window is left out.
func (p *pipeline) expectLive(want golden.Tables) {
	p.Helper()
	kit.Eventually(p, patience, func() (bool, string) {
		diff := golden.Diff(live(want), live(p.rows()))
		return len(diff) == 0, summary(diff)
	})
}

func (p *pipeline) same(diff []string) {
	p.Helper()
	if len(diff) > 0 {
		p.Error(summary(diff))
	}
}

// summary is the head of a list of differences.
func summary(diff []string) string {
	const most = 12
	more := ""
	if len(diff) > most {
		more = fmt.Sprintf("\nand %d more", len(diff)-most)
		diff = diff[:most]
	}
	return strings.Join(diff, "\n") + more
}

// pendingColumns depend on how far event time has come, and not only on what was read.
var pendingColumns = map[string]bool{
	"is_final": true, "dropped_orders": true, "pending_orders": true, "unique_customers_affected": true,
	"drop_rate": true, "alert_triggered": true, "sample_order_ids": true,
}

// live returns tables without the values that become known only when time has passed.
func live(tables golden.Tables) golden.Tables {
	masked := golden.Tables{}
	for _, view := range golden.Views() {
		for _, row := range tables[view.Name] {
			row = append(golden.Row(nil), row...)
			for i, column := range view.Columns {
				if pendingColumns[column.Name] {
					row[i] = ""
				}
			}
			masked[view.Name] = append(masked[view.Name], row)
		}
	}
	return masked
}

// await waits until a query that counts something answers at least n.
func (p *pipeline) await(n int64, query string, args ...any) {
	p.Helper()
	kit.Eventually(p, patience, func() (bool, string) {
		var got int64
		if err := p.pg.DB.QueryRowContext(p.Context(), query, args...).Scan(&got); err != nil {
			return false, err.Error()
		}
		return got >= n, fmt.Sprintf("%s: %d, want %d", query, got, n)
	})
}

// counted is the query for the orders that the funnel has counted.
const counted = "select coalesce(sum(total_orders), 0) from real_time_funnel"
