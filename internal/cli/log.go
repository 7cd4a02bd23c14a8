package cli

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins"
)

// logFormatEnv and logLevelEnv are how configs/tidemark.yaml has Benthos log. What the
// commands log themselves goes by them too.
const (
	logFormatEnv = "TIDEMARK_LOG_FORMAT"
	logLevelEnv  = "TIDEMARK_LOG_LEVEL"
)

// jsonLogs tells whether every line on standard error is to be a JSON object.
func jsonLogs() bool { return os.Getenv(logFormatEnv) == "json" }

// logHandler writes lines that look like those of Benthos.
func logHandler(w io.Writer, level slog.Leveler) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.LevelKey && len(groups) == 0 {
			name := strings.ToLower(a.Value.String())
			if name == "warn" {
				name = "warning"
			}
			a.Value = slog.StringValue(name)
		}
		return a
	}}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if jsonLogs() {
		handler = slog.NewJSONHandler(w, options)
	}
	return handler.WithAttrs([]slog.Attr{slog.String("@service", "tidemark")})
}

// logLevel is the level below which nothing is logged by commands that print
// their own account.
func logLevel() slog.Level {
	level := slog.LevelWarn
	if text := os.Getenv(logLevelEnv); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return slog.LevelWarn
		}
	}
	return level
}

// logAccounts logs what became of every event at every operator, where a table would not
// be a log.
func logAccounts(w io.Writer, summaries map[string]plugins.Summary) {
	log := slog.New(logHandler(w, slog.LevelInfo))
	for _, s := range summaries {
		for _, l := range s.Lines {
			of := log.With("stream", s.Stream, "operator", l.Operator, "topic", l.Topic)
			for i, outcome := range plugins.Outcomes() {
				of = of.With(outcome, l.Counts[i])
			}
			of.Info("Account of events")
		}
	}
}

// failed tells why the process ends.
func failed(w io.Writer, err error) {
	w = withoutSecrets(w)
	if jsonLogs() {
		slog.New(logHandler(w, slog.LevelError)).With("error", err.Error()).Error("Tidemark ends")
		return
	}
	_, _ = io.WriteString(w, "tidemark: "+err.Error()+"\n")
}
