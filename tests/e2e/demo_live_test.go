package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// liveDemo is a demo with its page.
type liveDemo struct {
	t *testing.T
	*kit.Process
	home string
	url  string // of the page
}

// startDemo waits for the address of the page.
func startDemo(t *testing.T, args ...string) *liveDemo {
	t.Helper()
	d := &liveDemo{t: t, home: kit.Scratch(t)}
	d.Process = kit.Start(t, kit.Command{
		Args: append([]string{"demo"}, args...), Dir: d.home, Env: []string{"HOME=" + d.home, "TMPDIR=" + d.home},
	})
	d.url = d.says(`the live page is at (http://\S+)`)[1]
	return d
}

// says waits for what the demo prints, and returns the pattern's groups.
func (d *liveDemo) says(pattern string) []string {
	d.t.Helper()
	var found []string
	kit.Eventually(d.t, patience, func() (bool, string) {
		found = regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(d.Output())
		if found == nil && !d.Running() {
			d.t.Fatalf("the demo has ended and not said %q", pattern)
		}
		return found != nil, "it does not say " + pattern
	})
	return found
}

// number is a figure that the demo prints.
func (d *liveDemo) number(pattern string) float64 {
	d.t.Helper()
	n, err := strconv.ParseFloat(d.says(pattern)[1], 64)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// shopFigures are the figures of the page that the demo prints, too.
type shopFigures struct {
	DataTime string `json:"data_time"`
	Funnel   struct {
		Orders float64 `json:"orders"`
	} `json:"funnel"`
	GMV struct {
		Total json.Number `json:"total"`
		Items float64     `json:"items"`
	} `json:"gmv"`
	Payments struct {
		Count float64 `json:"count"`
	} `json:"payments"`
}

// sales asks the page.
func (d *liveDemo) sales(query string) (s shopFigures, err error) {
	text, err := ask(d.url + "/api/sales?" + query)
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, err
}

func ask(address string) (string, error) {
	resp, err := http.Get(address)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}

// interrupt is Ctrl-C, and what is left then.
func (d *liveDemo) interrupt() kit.Result {
	d.t.Helper()
	d.Signal(d.t, os.Interrupt)
	r := d.Wait(d.t, patience)
	left, err := os.ReadDir(d.home)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, entry := range left {
		if strings.HasPrefix(entry.Name(), "tidemark") {
			d.t.Errorf("%s is left behind", entry.Name())
		}
	}
	if err := syscall.Kill(-d.PID(), 0); err == nil {
		d.t.Error("processes are left behind")
	}
	if dsn := regexp.MustCompile(`embedded Postgres at (\S+)`).FindStringSubmatch(d.Output()); dsn != nil {
		u, err := url.Parse(dsn[1])
		if err != nil {
			d.t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", u.Host); err == nil {
			_ = conn.Close()
			d.t.Error("Postgres is left behind")
		}
	}
	return r
}

// child is the process id of the demo's command of that name.
func (d *liveDemo) child(command string) int {
	d.t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", d.PID()))
	if err != nil || len(lists) == 0 {
		d.t.Skip("this system does not tell the children of a process")
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that has ended
		}
		for _, pid := range strings.Fields(string(text)) {
			args, _ := os.ReadFile("/proc/" + pid + "/cmdline") // empty where it has ended
			if strings.Contains(string(args), "\x00"+command+"\x00") {
				n, err := strconv.Atoi(pid)
				if err != nil {
					d.t.Fatal(err)
				}
				return n
			}
		}
	}
	d.t.Fatalf("there is no process %q", command)
	return 0
}

// history asks for the orders of the demo's tables.
const history = "from=2016-01-01T00:00:00Z&to=2018-08-22T00:00:00Z"

// The page answers before there is anything to see, comes to the figures of the tables, and
// goes on with live orders until the user ends it.
func TestDemoPage(t *testing.T) {
	d := startDemo(t, "--orders", "3000", "--page-address", "127.0.0.1:0")
	if text, err := ask(d.url); err != nil || !strings.Contains(text, "<html") {
		t.Errorf("the page: %v: %.200s", err, text)
	}
	d.says(`done in [\d.]+ s$`)
	orders, items := d.number(`^Funnel\n.*\n.*\n +\d+ +(\d+) `), d.number(`^GMV\n.*\n.*\n +\S+ +\S+ +(\d+) `)
	gmv := d.says(`^GMV\n.*\n.*\n +([\d.]+) `)[1]
	if orders != 3000 {
		t.Errorf("the table has %v orders, want 3000", orders)
	}
	// For a moment the newest rows are gone, as the streams begin anew.
	kit.Eventually(t, patience, func() (bool, string) {
		s, err := d.sales(history)
		return err == nil && s.Funnel.Orders == orders && s.GMV.Items == items && s.GMV.Total.String() == gmv,
			fmt.Sprintf("the page has %+v (%v), the tables %v orders, %v items of %s", s, err, orders, items, gmv)
	})
	kit.Eventually(t, patience, func() (bool, string) {
		s, err := d.sales("range=all")
		return err == nil && s.Funnel.Orders >= orders+3 && s.GMV.Items > items && s.DataTime >= "2018-08-22",
			fmt.Sprintf("the page has %+v (%v), %v orders are history", s, err, orders)
	})
	kit.Eventually(t, patience, func() (bool, string) {
		text, err := ask(d.url + "/api/streams")
		var seen struct {
			Streams []struct {
				Stream string
				Tasks  []struct{ State string }
			}
		}
		running := map[string]int{}
		if err == nil {
			err = json.Unmarshal([]byte(text), &seen)
		}
		for _, s := range seen.Streams {
			for _, task := range s.Tasks {
				if task.State == "running" {
					running[s.Stream]++
				}
			}
		}
		return err == nil && running["tidemark-funnel"] == 3 && running["tidemark-gmv"] == 3,
			fmt.Sprintf("tasks that run: %v (%v), want 3 of each stream", running, err)
	})
	status := kit.MustRun(t, kit.Command{Args: []string{
		"status", "--brokers", d.says(`embedded Kafka broker at (\S+)`)[1], "--dsn", d.says(`embedded Postgres at (\S+)`)[1],
	}, Env: []string{"TIDEMARK_PAGE_ADDRESS=" + strings.TrimPrefix(d.url, "http://")}}, patience)
	for _, want := range []string{`Kafka +\S+ +5 of 5 topics`, `Postgres +\S+ +migrated`, `tidemark-funnel +3 +3 +\d+ +2018-`, `live page +` + d.url + ` +answers`} {
		if !regexp.MustCompile(want).MatchString(status.Stdout) {
			t.Errorf("status does not show %s:\n%s", want, status.Stdout)
		}
	}
	if r := d.interrupt(); r.Code != 0 {
		t.Errorf("exit code %d", r.Code)
	}
}

// A second demo in the same folder goes on where the first has stopped: nothing is sent
// twice or left out.
func TestDemoGoesOn(t *testing.T) {
	keep := filepath.Join(kit.Scratch(t), "kept")
	args := []string{"--orders", "300", "--keep", keep, "--page-address", "127.0.0.1:0"}
	d := startDemo(t, args...)
	generated := d.number(`generated (\d+) orders`)
	d.says(`live orders up to`)
	kit.Eventually(t, patience, func() (bool, string) {
		s, err := d.sales("range=all")
		return err == nil && s.Funnel.Orders > 302, fmt.Sprintf("%+v, %v", s, err)
	})
	if r := d.interrupt(); r.Code != 0 {
		t.Fatalf("exit code %d", r.Code)
	}

	d = startDemo(t, args...)
	before := d.number(`^Funnel\n.*\n.*\n +\d+ +(\d+) `)
	if before <= 302 || before >= generated {
		t.Errorf("the second demo begins with %v of %v orders", before, generated)
	}
	d.says(`the live orders are used up`)
	kit.Eventually(t, patience, func() (bool, string) {
		s, err := d.sales("range=all")
		return err == nil && s.Funnel.Orders == generated, fmt.Sprintf("%+v (%v), want %v orders", s, err, generated)
	})
	if r := d.interrupt(); r.Code != 0 {
		t.Errorf("exit code %d", r.Code)
	}
	if again := regexp.MustCompile(`(?m)^ +tidemark-\S+ +dedup +\S+ +\d+ +\d+ +\d+ +[1-9]`).FindString(d.Output()); again != "" {
		t.Error("it was sent twice:", again)
	}
	if lost := regexp.MustCompile(`(?m)^ +tidemark-gmv +late .*`).FindString(d.Output()); lost != "" {
		t.Error(lost)
	}
}

// The page outlives the streams, and the demo does not hide that they failed.
func TestDemoOutlivesItsStreams(t *testing.T) {
	d := startDemo(t, "--orders", "100", "--page-address", "127.0.0.1:0")
	d.says(`live orders up to`)
	if err := syscall.Kill(d.child("consume"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.says(`^demo: tidemark consume: signal: killed: the figures stand still from here, the page stays until Ctrl-C$`)
	if _, err := d.sales("range=all"); err != nil {
		t.Error(err)
	}
	r := d.interrupt()
	if r.Code != 1 || !strings.HasSuffix(r.Stderr, "demo: tidemark consume: signal: killed\n") {
		t.Errorf("exit code %d, %q", r.Code, r.Stderr)
	}
}

// A port that is taken is an error where it was asked for, and none where it was not.
func TestDemoAtATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := kit.Run(t, kit.Command{Args: []string{"demo", "--page-address", taken.Addr().String()}}, patience)
	if want := "demo: " + taken.Addr().String() + " is taken by another process: choose another one with --page-address\n"; r.Code != 1 || !strings.HasSuffix(r.Stderr, want) {
		t.Errorf("exit code %d, %s", r.Code, r.Stderr)
	}
	if def, err := net.Listen("tcp", "localhost:4040"); err == nil { // else somebody has it anyway
		defer def.Close()
	}
	d := startDemo(t)
	d.says(`localhost:4040 is taken, so the live page gets another port`)
	if _, err := ask(d.url); err != nil {
		t.Error(err)
	}
	if r := d.interrupt(); r.Code != 130 { // before the tables
		t.Errorf("exit code %d", r.Code)
	}
}
