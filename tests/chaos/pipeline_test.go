package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// patience bounds everything that a test waits for. It says that something hangs,
// not how fast it ought to be.
const patience = 3 * time.Minute

// tick is how often a test that waits looks at the world.
const tick = 50 * time.Millisecond

// pipeline is a broker with empty topics, a migrated database and the processes that
// work on them.
type pipeline struct {
	testing.TB
	kafka   *kit.Broker
	pg      *kit.Database
	admin   *kadm.Client
	dice    *rand.Rand
	binary  string
	dir     string   // for state folders and other files
	streams string   // the folder of the streams that run
	faults  []string // variables that break promises in every consumer

	events    []golden.Event   // that are produced and count, copies left out
	copies    bool             // some are produced twice, soon after each other
	resends   bool             // some may be produced again at any time
	letters   map[origin]int64 // records that count nowhere
	producer  *producer        // nil before there is one
	consumers []*consumer      // in the order of their start
}

// newPipeline sets up topics with the given number of partitions.
func newPipeline(t testing.TB, partitions int) *pipeline {
	t.Helper()
	p := &pipeline{
		TB: t, dice: dice(t), binary: kit.TaggedBinary(t, "chaos"), dir: t.TempDir(),
		kafka: kit.Kafka(t), pg: kit.Postgres(t),
	}
	p.streams = kit.StreamFolder(t, "funnel", "gmv", "payments", "dead_letters")
	t.Cleanup(p.showLogs)
	p.admin = kadm.NewClient(p.kafka.Client(t))
	p.kafka.Reset(t, 0)
	p.run("topics", "create", "--partitions", strconv.Itoa(partitions))
	p.run("db", "migrate")
	return p
}

// quiet starts processes whose output is not shown as a whole when the test fails:
// there are hundreds of them.
type quiet struct{ testing.TB }

func (quiet) Failed() bool { return false }

// start starts a command in the background.
func (p *pipeline) start(env []string, args ...string) *kit.Process {
	p.Helper()
	all := append([]string{
		"KAFKA_BROKERS=" + p.kafka.Addr(), "POSTGRES_DSN=" + p.pg.DSN,
		"TIDEMARK_HTTP_ADDRESS=127.0.0.1:0", // any free port
	}, env...)
	return kit.Start(quiet{p.TB}, kit.Command{Path: p.binary, Args: args, Env: all})
}

// run runs a command that has to succeed.
func (p *pipeline) run(args ...string) kit.Result {
	p.Helper()
	return p.succeeds(p.start(nil, args...))
}

// succeeds waits for a command that has to end with success.
func (p *pipeline) succeeds(process *kit.Process) kit.Result {
	p.Helper()
	r := process.Wait(p, patience)
	if r.Code != 0 {
		p.Fatalf("exit code %d\n%s", r.Code, tail(r.Output()))
	}
	return r
}

// await waits until check holds, while the producer keeps its pace.
func (p *pipeline) await(what string, check func() bool) {
	p.Helper()
	for begun := time.Now(); !check(); p.sleep(tick) {
		if time.Since(begun) > patience {
			p.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// sleep lets the world go on for a while.
func (p *pipeline) sleep(d time.Duration) {
	p.Helper()
	for until := time.Now().Add(d); ; {
		if p.producer != nil {
			p.producer.pace()
		}
		left := time.Until(until)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, tick))
	}
}

// between is a random time.
func (p *pipeline) between(least, most time.Duration) time.Duration {
	return least + time.Duration(p.dice.Int64N(int64(most-least)))
}

// count is the answer of a query that counts something, -1 while there is none.
func (p *pipeline) count(query string, args ...any) (n int64) {
	if err := p.pg.DB.QueryRowContext(p.Context(), query, args...).Scan(&n); err != nil {
		return -1
	}
	return n
}

// consumer is a process that runs the analytics streams.
type consumer struct {
	*kit.Process
	name      string // of its state folder
	began     time.Time
	failpoint string // where it kills itself, empty for nowhere
	gone      bool   // it was told to end, or is known to be dead
}

// stateDir is the folder of local stores that consumers of that name share.
func (p *pipeline) stateDir(name string) string { return filepath.Join(p.dir, name) }

// consume starts a consumer on the state folder of that name.
func (p *pipeline) consume(name string, env ...string) *consumer {
	p.Helper()
	return p.consumeStreams(name, p.streams, env...)
}

// consumeStreams starts a consumer of the streams in a folder.
func (p *pipeline) consumeStreams(name, streams string, env ...string) *consumer {
	p.Helper()
	env = append(append([]string{"TIDEMARK_STATE_DIR=" + p.stateDir(name)}, p.faults...), env...)
	c := &consumer{Process: p.start(env, "consume", "--streams", streams), name: name, began: time.Now()}
	p.consumers = append(p.consumers, c)
	return c
}

// kill is kill -9.
func (p *pipeline) kill(c *consumer) {
	p.Helper()
	c.gone = true
	c.Signal(p, syscall.SIGKILL)
	c.Wait(p, patience)
}

// leave ends a consumer the polite way, which has to succeed.
func (p *pipeline) leave(c *consumer) {
	p.Helper()
	p.ask(c)
	p.succeeds(c.Process)
}

// ask asks a consumer to end. One that has hardly begun would just be killed by it: it
// listens once all streams are made, right after it has logged so.
func (p *pipeline) ask(c *consumer) {
	p.Helper()
	p.says(c, "Input type stateful_kafka is now active")
	p.says(c, "in streams mode, use CTRL+C to close")
	p.sleep(tick)
	c.gone = true
	c.Signal(p, syscall.SIGTERM)
}

// leaveAll ends all consumers that still run.
func (p *pipeline) leaveAll() {
	p.Helper()
	all := p.running()
	for _, c := range all {
		p.ask(c)
	}
	for _, c := range all {
		p.succeeds(c.Process)
	}
}

// running are the consumers that were not told to end.
func (p *pipeline) running() (list []*consumer) {
	for _, c := range p.consumers {
		if !c.gone {
			list = append(list, c)
		}
	}
	return list
}

// alive ends the test if a consumer has ended that nobody killed.
func (p *pipeline) alive() {
	p.Helper()
	for _, c := range p.running() {
		if c.failpoint == "" && !c.Running() {
			p.Fatalf("a consumer has ended by itself\n%s", tail(c.Output()))
		}
	}
}

// says waits until the consumer has logged a text.
func (p *pipeline) says(c *consumer, text string) {
	p.Helper()
	p.await("the log says "+text, func() bool {
		if !c.Running() {
			p.Fatalf("a consumer has ended before its log said %q\n%s", text, tail(c.Output()))
		}
		return strings.Contains(c.Output(), text)
	})
}

// showLogs logs what the last consumers of a failed test had to say. The logs of all
// consumers are kept in the folder that TIDEMARK_CHAOS_LOGS names.
func (p *pipeline) showLogs() {
	if dir := os.Getenv(logsEnv); dir != "" {
		for i, c := range p.consumers {
			name := fmt.Sprintf("%s-%03d-%s.log", strings.ReplaceAll(p.Name(), "/", "_"), i, c.name)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(c.Output()), 0o600); err != nil {
				p.Log(err)
			}
		}
	}
	if !p.Failed() {
		return
	}
	const most = 4
	for _, c := range p.consumers[max(0, len(p.consumers)-most):] {
		p.Logf("log of consumer %s, begun at %s:\n%s", c.name, c.began.Format(time.TimeOnly), tail(c.Output()))
	}
}

// tail is the end of a long output.
func tail(s string) string {
	const keep = 6000
	return s[max(0, len(s)-keep):]
}
