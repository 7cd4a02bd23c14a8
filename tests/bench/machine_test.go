package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// describe notes where it is measured. What the system does not tell stays empty.
func describe(tb testing.TB, pg *kit.Database) {
	tb.Helper()
	if measured.Machine.CPUs > 0 {
		return
	}
	var version string
	if err := pg.DB.QueryRowContext(tb.Context(), "show server_version").Scan(&version); err != nil {
		tb.Fatal(err)
	}
	version, _, _ = strings.Cut(version, " ")
	memory, _ := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	measured.Machine = report.Machine{
		Date: time.Now().UTC().Format(time.DateOnly), OS: runtime.GOOS + "/" + runtime.GOARCH,
		CPU: procField("/proc/cpuinfo", "model name"), CPUs: runtime.NumCPU(), MemoryMiB: memory >> 10,
		Go: runtime.Version(), Kafka: kit.KafkaVersion, Postgres: version,
	}
}

// procField is the first value of a name in a file of lines "name: value".
func procField(file, name string) string {
	text, _ := os.ReadFile(file) // empty elsewhere than on Linux
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
