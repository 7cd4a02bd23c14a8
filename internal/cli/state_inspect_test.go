package cli

import (
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"
)

// inspect is what "state inspect" says of the shop, and its exit code.
func (s *shop) inspect(operator, key string, args ...string) (string, int) {
	s.Helper()
	out, err := s.state(append([]string{"inspect", "--streams", s.folder, "--consumer-group", "shop", "--operator", operator, "--key", key}, args...)...)
	if err == nil {
		return out, 0
	}
	code, ok := err.(ucli.ExitCoder)
	if !ok || strings.Contains(err.Error(), "\n") {
		s.Fatalf("%T %v", err, err)
	}
	return out + err.Error(), code.ExitCode()
}

func TestStateInspect(t *testing.T) {
	s := openShop(t)
	if out, code := s.inspect("orders", "order1"); code != exitTrouble || !strings.Contains(out, "there is no topic shop-changelog") {
		t.Errorf("%d %s", code, out)
	}
	s.trade()
	s.consume()
	// The second order, of two items, is at 12:01. Windows behind the join close within later.
	for _, c := range []struct {
		operator, key string
		want          []string
	}{
		{"orders", "order1", []string{
			"operator orders, key \"order1\":", "watermark 2026-01-05T12:23:00Z", "anchor at 2026-01-05T12:01:00Z, orders/", "joined so far: items 2\n",
			"children join from 2026-01-05T11:01:00Z to 2026-01-12T12:01:00Z", "closed and forgotten when the watermark is later than 2026-01-12T12:01:00Z",
			`fields: `, `order "order1"`, `shop "right"`,
		}},
		{"orders", "lonely", []string{"anchor at 2026-01-05T12:20:00Z", "joined so far: items 0\n"}},
		{"orders", "early", []string{"held: items at 2026-01-05T12:21:00Z, items/", "waits for its anchor, an orphan when the watermark is later than 2026-01-05T13:21:00Z"}},
		{"dedup_1", "i-order3-2", []string{"seen at 2026-01-05T12:05:00Z, forgotten when the watermark is later than 2026-01-12T12:05:00Z"}},
		{"hours", "2026-01-05T12:30:00Z", []string{
			"shop, task 0, ", "shop, task 1, ", "2026-01-05T12:00:00Z to 2026-01-05T13:00:00Z: items ", "; closes when the watermark is at 2026-01-12T13:00:00Z",
		}},
		{"hours", "2026-01-05 12:00:00", []string{"2026-01-05T12:00:00Z to 2026-01-05T13:00:00Z"}},
		{"days", "left", []string{`2026-01-05T00:00:00Z to 2026-01-06T00:00:00Z, shop "left": orders `}},
		{"days", "2026-01-05T00:00:00Z", []string{`shop "left"`, `shop "right"`}},
	} {
		out, code := s.inspect(c.operator, c.key)
		if code != 0 {
			t.Errorf("%s %s: exit code %d: %s", c.operator, c.key, code, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s %s: %q is not in\n%s", c.operator, c.key, want, out)
			}
		}
	}

	for _, c := range []struct{ operator, key string }{
		{"orders", "nonesuch"}, {"orders", ""}, {"dedup_1", "i-order3-9"}, {"hours", "2026-01-05T13:00:00Z"}, {"days", "middle"},
	} {
		out, code := s.inspect(c.operator, c.key)
		if code != exitUnknown || !strings.HasPrefix(out, "Nothing is known of") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s %q: exit code %d: %s", c.operator, c.key, code, out)
		}
	}

	for _, c := range []struct {
		operator, key string
		args          []string
		want          string
	}{
		{"dedup", "x", nil, `the stream has no operator "dedup"; those that remember something: dedup_1, orders, hours, days`},
		{"shops", "x", nil, `operator "shops" remembers nothing; those that remember something: dedup_1, orders, hours, days`},
		{"hours", "left", nil, "hours: windows without group_by are found by a time"},
		{"orders", "order1", []string{"--consumer-group", "other"}, "none has consumer group other; there are shop"},
		{"orders", "order1", []string{"--consumer-group", "shop-console"}, "shop-console has no state: there is no topic shop-console-changelog"}, // of consume --no-postgres
		{"orders", "order1", []string{"--task", "2"}, "shop has tasks 0 to 1, not 2"},
		{"orders", "order1", []string{"--streams", t.TempDir()}, "there is no stream with state"},
	} {
		out, code := s.inspect(c.operator, c.key, c.args...)
		if code != exitTrouble || !strings.Contains(out, c.want) {
			t.Errorf("%s %v: exit code %d: %s, want %s", c.operator, c.args, code, out, c.want)
		}
	}
	if _, err := s.state("inspect", "--consumer-group", "shop", "--operator", "orders"); err == nil || err.Error() != "--key is missing" {
		t.Error(err)
	}
}

// TestStateInspectFindsTheTask: a key of a join is where the partitioner put its records,
// and where it is not there it is looked for everywhere.
func TestStateInspectFindsTheTask(t *testing.T) {
	s := openShop(t)
	s.trade()
	stray := order("stray", "left", 22)
	for p := range 2 { // in both tasks, whatever the partitioner says
		r := *stray
		r.Partition = int32(p)
		s.produceTo(&r)
	}
	s.consume()
	home, _ := s.inspect("orders", "stray")
	if strings.Count(home, "anchor at") != 1 {
		t.Errorf("it looks on: %s", home)
	}
	for p, args := range [][]string{{"--task", "0"}, {"--task", "1"}} {
		out, code := s.inspect("orders", "stray", args...)
		if code != 0 || !strings.Contains(out, []string{"task 0", "task 1"}[p]) {
			t.Errorf("%d %s", code, out)
		}
	}
	in := map[string]int{}
	for _, id := range []string{"order0", "order1", "order2", "order3", "order4", "order5"} {
		out, code := s.inspect("orders", id)
		if code != 0 {
			t.Errorf("%s: %d %s", id, code, out)
		}
		in[strings.SplitN(out, ",", 3)[1]]++
	}
	if len(in) != 2 {
		t.Errorf("a dull test: all are in %v", in)
	}
}
