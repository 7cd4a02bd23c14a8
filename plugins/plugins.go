// Package plugins adds every component of Tidemark to Benthos.
package plugins

import (
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"

	_ "github.com/tidemark-streams/tidemark/plugins/avro_decode"
	_ "github.com/tidemark-streams/tidemark/plugins/avro_encode"
	_ "github.com/tidemark-streams/tidemark/plugins/dedup"
	_ "github.com/tidemark-streams/tidemark/plugins/fan_out"
	_ "github.com/tidemark-streams/tidemark/plugins/forecast"
	_ "github.com/tidemark-streams/tidemark/plugins/join"
	_ "github.com/tidemark-streams/tidemark/plugins/kafka_events"
	_ "github.com/tidemark-streams/tidemark/plugins/olist_csv"
	_ "github.com/tidemark-streams/tidemark/plugins/pg_poll"
	_ "github.com/tidemark-streams/tidemark/plugins/pg_upsert"
	_ "github.com/tidemark-streams/tidemark/plugins/stateful"
	_ "github.com/tidemark-streams/tidemark/plugins/stateful_kafka"
	_ "github.com/tidemark-streams/tidemark/plugins/window"
)

// What the command line sees of running streams.
type (
	// Monitor is told when streams of the process fail or finish.
	Monitor = host.Monitor
	// Failure is a stream that stopped for good.
	Failure = host.Failure
	// Summary is the closing account of a bounded run.
	Summary = host.Summary
	// AccountLine is the account of one operator for one topic.
	AccountLine = task.Line
)

// MonitorOf returns the monitor of the process that res belongs to.
func MonitorOf(res *service.Resources) *Monitor { return host.MonitorOf(res) }

// LockState takes the folder of a stream of the input stateful, in which nothing may be
// changed without, until it is closed.
func LockState(dir string) (io.Closer, error) { return state.LockFolder(vfs.Default, dir) }

// Outcomes names what may become of an event, in the order of AccountLine.Counts.
func Outcomes() []string { return task.Outcomes() }
