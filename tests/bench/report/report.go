// Package report holds what the benchmarks measure, says whether it meets the goals,
// and reads and writes it.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// File is everything that one run of the benchmarks has measured.
type File struct {
	Machine    Machine    `json:"machine"`
	Throughput []Drain    `json:"throughput,omitempty"` // the engines in turn
	Large      []Drain    `json:"large,omitempty"`      // the same of ten million events
	Latency    []Latency  `json:"latency,omitempty"`
	Recovery   []Recovery `json:"recovery,omitempty"`
	Restart    *Restart   `json:"restart,omitempty"`
	Reload     *Reload    `json:"reload,omitempty"`
	Restore    *Restore   `json:"restore,omitempty"`
	Goals      []Goal     `json:"goals,omitempty"` // what follows from the above; Write fills it
	Scaling    []Point    `json:"scaling,omitempty"`
	LeftOut    []string   `json:"scaling_left_out,omitempty"` // points for which there was no time
}

// Machine is where it was measured.
type Machine struct {
	Date      string `json:"date"`
	OS        string `json:"os"`
	CPU       string `json:"cpu"`
	CPUs      int    `json:"cpus"`
	MemoryMiB int64  `json:"memory_mib"`
	Go        string `json:"go"`
	Kafka     string `json:"kafka"`
	Postgres  string `json:"postgres"`
}

// The engines of a Drain.
const (
	Floor    = "floor"
	Tidemark = "tidemark"
)

// Drain is one run of an engine over a backlog. Its rows were as they must be.
type Drain struct {
	Engine  string  `json:"engine"`
	Events  int     `json:"events"`               // size of the workload that was asked for
	Records int64   `json:"records"`              // that it came to
	Drain   float64 `json:"seconds_from_reading"` // from the readiness to read to the last row in Postgres
	Wall    float64 `json:"seconds_from_start"`   // from the start of the process to its end
	CPU     float64 `json:"cpu_seconds"`          // of the process, user and system
	PeakRSS int64   `json:"peak_rss_bytes"`
	Others  float64 `json:"other_cpu_seconds"` // of everything else on the machine, servers included; 0 if unknown
}

// Rate is in events per second.
func (d Drain) Rate() float64 { return float64(d.Records) / d.Drain }

// CPUMillion is the CPU time in seconds for a million events.
func (d Drain) CPUMillion() float64 { return d.CPU / float64(d.Records) * 1e6 }

// PeakMiB is the peak of the resident memory.
func (d Drain) PeakMiB() float64 { return float64(d.PeakRSS) / (1 << 20) }

// Latency is one run at a steady rate, from the sending of an event to its row.
type Latency struct {
	Rate    int     `json:"events_per_second"`
	Reached float64 `json:"events_per_second_sent"` // what the producer managed
	Probes  int     `json:"probes"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
	CPU     float64 `json:"cpu_cores"` // used by the engine, over its whole run
	PeakRSS int64   `json:"peak_rss_bytes"`
}

// Recovery is one kill -9 amid a backlog, the restart and the restore.
type Recovery struct {
	Events  int     `json:"events"`
	Killed  float64 `json:"share_at_kill"`       // of the backlog that had its rows
	Seconds float64 `json:"seconds_to_new_rows"` // from the start of the process to the first new row
}

// Restart is the median time from the start of the process to its first new row,
// killed while orders came in live.
type Restart struct {
	WithStore     float64 `json:"ms_with_local_store"`
	FromChangelog float64 `json:"ms_from_changelog"`
}

// Reload is the median time from the reload of a live stream to its first row of a new
// window: by a request to the REST API, by a file that was written in place, and by one
// that was replaced.
type Reload struct {
	Request  float64 `json:"ms_by_request"`
	Written  float64 `json:"ms_by_file_written"`
	Replaced float64 `json:"ms_by_file_replaced"`
}

// Restore is the restore of a large state from the changelog alone.
type Restore struct {
	Records int64   `json:"changelog_records"`
	Seconds float64 `json:"seconds"`
}

// Point is one workload of the scaling benchmark.
type Point struct {
	Name       string   `json:"name"`
	Charts     []string `json:"charts,omitempty"` // that it is part of
	Events     int      `json:"events"`
	Partitions int      `json:"partitions"`
	LiveOrders int64    `json:"live_orders"` // that have to be remembered at a time
	Rows       int64    `json:"rows"`        // that come of it
	Drains     []Drain  `json:"drains"`      // the engines in turn
}

// Of is the runs of an engine.
func Of(engine string, all []Drain) []Drain {
	return slices.DeleteFunc(slices.Clone(all), func(d Drain) bool { return d.Engine != engine })
}

// Ratio is the median of Tidemark's rate over the floor's, each pair of runs one after
// the other, so that what slows the machine slows both. It is 0 without a pair.
func Ratio(all []Drain) float64 {
	floor, tidemark := Of(Floor, all), Of(Tidemark, all)
	var ratios []float64
	for i := range min(len(floor), len(tidemark)) {
		ratios = append(ratios, tidemark[i].Rate()/floor[i].Rate())
	}
	return Median(ratios)
}

// Median is the middle of the values, of an even number the upper one of the two, and
// 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// MedianOf is the median of a figure of runs.
func MedianOf[T any](runs []T, figure func(T) float64) float64 {
	var values []float64
	for _, r := range runs {
		values = append(values, figure(r))
	}
	return Median(values)
}

// Read reads a file of Write's.
func Read(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Write writes everything, with what it says of the goals, as JSON.
func (f *File) Write(path string) error {
	f.Goals = f.judge()
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
