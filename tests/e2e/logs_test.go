package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// lines are what a process has logged as JSON; a line that is none is an error.
func logLines(t testing.TB, stderr string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(stderr) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("no JSON object: %s", line)
			continue
		}
		if l["level"] == nil || l["msg"] == nil || l["time"] == nil {
			t.Errorf("no level, message or time: %s", line)
		}
		all = append(all, l)
	}
	return all
}

// taskLives are the steps that lines tell of each task, by stream and task.
func taskLives(lines []map[string]any) map[string][]string {
	lives := map[string][]string{}
	for _, l := range lines {
		if step, ok := strings.CutPrefix(fmt.Sprint(l["msg"]), "Task "); ok {
			of := fmt.Sprintf("%v/%v", l["stream"], l["task"])
			lives[of] = append(lives[of], step)
		}
	}
	return lives
}

var (
	stepsToRun = []string{"created", "fenced its former owner", "restored its state", "began its generation", "is running"}
	bounded    = slices.Concat(stepsToRun, []string{"finished its input", "closed"})
)

// jsonLog is a pipeline whose logs are JSON. One line tells the address for HTTP, which is
// another where somebody else has the usual port.
func jsonLog(t testing.TB, partitions int) *pipeline {
	p := newPipeline(t, partitions)
	p.env = append(p.env, "TIDEMARK_LOG_FORMAT=json", "TIDEMARK_HTTP_ADDRESS=127.0.0.1:0")
	return p
}

// How much is logged does not depend on how much is read: no line is of a record, a
// window or a commit. Of every task each step of its life is logged once.
func TestLogsAreBounded(t *testing.T) {
	counts := map[string]map[string]int{}
	for _, limit := range []int{500, 8000} {
		p := jsonLog(t, 3)
		p.produce(dataset(t), "--limit", strconv.Itoa(limit))
		counts[strconv.Itoa(limit)] = map[string]int{}
		all := logLines(t, p.consume().Stderr)
		for of, steps := range taskLives(all) {
			if !slices.Equal(steps, bounded) {
				t.Errorf("%d orders, task %s: %q, want %q", limit, of, steps, bounded)
			}
		}
		for _, l := range all {
			// How many alerts there are depends on the data: each is logged, as it is news.
			if _, alert := l["alert_id"]; !alert {
				counts[strconv.Itoa(limit)][fmt.Sprint(l["msg"])]++
			}
		}
		if n := len(taskLives(all)); n < 3*4 {
			t.Errorf("%d tasks have logged", n)
		}
	}
	if !maps.Equal(counts["500"], counts["8000"]) {
		t.Errorf("500 orders: %v\n8000 orders: %v", counts["500"], counts["8000"])
	}
}

// A reader can follow each task through a kill with a lost disk and through rebalances.
func TestLogsOfLives(t *testing.T) {
	p := jsonLog(t, 3)
	folder := kit.StreamFolder(t, "gmv")
	consumer := func(dir string) *kit.Process {
		c := p.command("consume", "--no-console", "--streams", folder)
		c.Env = append(slices.Clone(c.Env), "TIDEMARK_STATE_DIR="+dir)
		return kit.Start(p, c)
	}
	steps := func(process *kit.Process, task string) []string {
		return taskLives(logLines(t, process.Output()))["tidemark-gmv/"+task]
	}
	runs := func(process *kit.Process, n int) {
		p.Helper()
		kit.Eventually(p, patience, func() (bool, string) {
			got := strings.Count(process.Output(), `"Task is running"`)
			return got >= n, fmt.Sprintf("%d tasks run, want %d", got, n)
		})
	}
	p.produce(dataset(t), "--limit", "500")
	first := consumer(t.TempDir())
	runs(first, 3)
	p.await(1, "select count(*) from gmv_windows")
	p.await(3, "select count(*) from tidemark_tasks where stream = 'tidemark-gmv' and committed_seq > 0")
	first.Signal(p, syscall.SIGKILL)
	first.Wait(p, patience)

	second := consumer(t.TempDir()) // its state comes from the changelog
	runs(second, 3)
	third := consumer(t.TempDir())
	runs(third, 1)
	moved := ""
	for _, task := range []string{"0", "1", "2"} {
		if len(steps(third, task)) > 0 {
			moved = task
		}
	}
	p.interrupt(third)
	runs(second, 4)
	p.interrupt(second)

	end := []string{"is closing", "made its last commit", "closed"}
	for _, task := range []string{"0", "1", "2"} {
		if got := steps(first, task); !slices.Equal(got, stepsToRun) {
			t.Errorf("killed: task %s: %q", task, got)
		}
		want := slices.Concat(stepsToRun, end)
		if task == moved {
			if got := steps(third, task); !slices.Equal(got, want) {
				t.Errorf("came and went: task %s: %q, want %q", task, got, want)
			}
			want = slices.Concat(want, want)
		}
		if got := steps(second, task); !slices.Equal(got, want) {
			t.Errorf("stayed: task %s: %q, want %q", task, got, want)
		}
	}
	restored := int64(0)
	for _, l := range logLines(t, second.Output()) {
		if l["msg"] == "Task restored its state" {
			restored += number(t, fmt.Sprint(l["records"]))
		}
	}
	if restored == 0 {
		t.Error("no record of the changelog was restored")
	}
}
