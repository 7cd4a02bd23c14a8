package kit

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// serverPatience bounds how long a server may take to start or to stop. It is
// far above what either needs, for machines that are busy with other things.
const serverPatience = 2 * time.Minute

// Broker is a one-node Apache Kafka in KRaft mode on loopback, shared by the
// tests of a binary. Its methods are not for concurrent use.
type Broker struct {
	dir  string // config, data and log
	jars string
	port int

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

var broker struct {
	sync.Mutex
	*Broker
}

// Kafka returns the shared broker, running and with whatever topics earlier
// tests have left; see Reset.
func Kafka(t testing.TB) *Broker {
	t.Helper()
	broker.Lock()
	defer broker.Unlock()
	if broker.Broker == nil {
		b := &Broker{dir: Scratch(t), jars: kafkaJars(t)}
		if err := b.format(); err != nil {
			t.Fatal("kit: formatting Kafka's log folder:", err)
		}
		broker.Broker = b
		atEnd(b.kill)
	}
	if !broker.running() {
		broker.Start(t)
	}
	return broker.Broker
}

// Addr is the bootstrap address, host:port. It stays the same over restarts.
func (b *Broker) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

// Start starts the broker on its old data and port, and returns when it answers.
func (b *Broker) Start(t testing.TB) {
	t.Helper()
	logFile, err := os.OpenFile(filepath.Join(b.dir, "kafka.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal("kit:", err)
	}
	defer logFile.Close()
	// A small heap and the first compiler only: it starts fast and leaves the
	// machine to the tests.
	cmd := b.java("-Xmx512m", "-XX:+UseSerialGC", "kafka.Kafka", b.config())
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := spawn(cmd); err != nil {
		t.Fatal("kit: starting Kafka:", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(exited)
	}()
	b.cmd, b.exited = cmd, exited
	if err := b.awaitAnswer(); err != nil {
		b.kill()
		t.Fatalf("kit: Kafka did not start: %v\n%s", err, tail(logFile.Name()))
	}
}

// Stop ends the broker as a restart by its operator would (SIGTERM); data and
// port stay for Start.
func (b *Broker) Stop(t testing.TB) {
	t.Helper()
	if !b.running() {
		return
	}
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal("kit: stopping Kafka:", err)
	}
	select {
	case <-b.exited:
	case <-time.After(serverPatience):
		b.kill()
		t.Fatal("kit: Kafka did not stop")
	}
}

// Pause freezes the broker: its connections stay open and nothing answers.
func (b *Broker) Pause(t testing.TB) { b.signal(t, syscall.SIGSTOP) }

// Resume ends Pause.
func (b *Broker) Resume(t testing.TB) { b.signal(t, syscall.SIGCONT) }

// Outage stops the broker for d, then starts it again.
func (b *Broker) Outage(t testing.TB, d time.Duration) {
	t.Helper()
	b.Stop(t)
	<-time.After(d)
	b.Start(t)
}

func (b *Broker) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := b.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("kit: %v to Kafka: %v", sig, err)
	}
}

func (b *Broker) running() bool {
	if b.cmd == nil {
		return false
	}
	select {
	case <-b.exited:
		return false
	default:
		return true
	}
}

func (b *Broker) kill() {
	if b.running() {
		_ = b.cmd.Process.Kill() // it may have ended by itself
		<-b.exited
	}
}

func (b *Broker) config() string { return filepath.Join(b.dir, "kafka.properties") }

func (b *Broker) java(args ...string) *exec.Cmd {
	args = append([]string{
		"-cp", filepath.Join(b.jars, "*"), "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
	}, args...)
	return exec.Command("java", args...)
}

// format writes the config and an empty log folder with a new cluster id.
func (b *Broker) format() error {
	var err error
	if b.port, err = freePort(); err != nil {
		return err
	}
	controller := b.port
	for controller == b.port { // nothing uses it yet, so it may be found once more
		if controller, err = freePort(); err != nil {
			return err
		}
	}
	conf := fmt.Sprintf(kafkaConfig, controller, b.Addr(), controller, b.Addr(), filepath.Join(b.dir, "data"))
	if err := os.WriteFile(b.config(), []byte(conf), 0o644); err != nil {
		return err
	}
	// The id's first character must not look like an option; "T" is as good as any.
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	cluster := "T" + base64.RawURLEncoding.EncodeToString(id)[1:]
	out, err := b.java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", b.config()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// awaitAnswer returns when the broker serves a metadata request.
func (b *Broker) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	exited := b.exited // by the next start it is another one
	go func() {
		select {
		case <-exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// kafkaConfig takes the controller's port, the broker's address, both again, and the log folder.
// Record timestamps are event times, long past or made up: no retention and no
// bound on them may get in the way.
const kafkaConfig = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%d
listeners=PLAINTEXT://%s,CONTROLLER://127.0.0.1:%d
advertised.listeners=PLAINTEXT://%s
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=%s
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.message.timestamp.before.max.ms=9223372036854775807
log.message.timestamp.after.max.ms=9223372036854775807
`

// tail is the end of a log file, for a failed test's message.
func tail(path string) string {
	const keep = 4096
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-keep):])
}
