package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/internal/console"
)

// consoleWriter is an output that brings rows to the console. Rows for which that has no
// table are written above, as JSON lines.
type consoleWriter struct {
	rows  *console.Rows
	above io.Writer
}

func (*consoleWriter) Connect(context.Context) error { return nil }

func (*consoleWriter) Close(context.Context) error { return nil }

func (w *consoleWriter) WriteBatch(_ context.Context, batch service.MessageBatch) error {
	for _, m := range batch {
		if kind, _ := m.MetaGet("tidemark_kind"); kind == "dead_letter" {
			w.rows.Letter()
			continue
		}
		if w.rows.Add(partial(m)) {
			continue
		}
		text, err := m.AsBytes()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w.above, "%s\n", text); err != nil {
			return err
		}
	}
	return nil
}

// partial reads a row and what the host says of it.
func partial(m *service.Message) console.Partial {
	meta := func(name string) string {
		value, _ := m.MetaGet(name)
		return value
	}
	p := console.Partial{Stream: meta("tidemark_stream"), Task: meta("tidemark_task"), Operator: meta("tidemark_operator")}
	// Before the first event and behind the last one a watermark is no time.
	if ms, err := strconv.ParseInt(meta("tidemark_watermark"), 10, 64); err == nil && ms > 0 && ms < maxMillis {
		p.Watermark = time.UnixMilli(ms).UTC()
	}
	if row, err := m.AsStructured(); err == nil {
		p.Fields, _ = row.(map[string]any)
	}
	return p
}

var maxMillis = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
