package pgupsert

import (
	"strings"
	"testing"
)

// windows is a table like those that the streams write.
func windows() *tableInfo {
	t := &tableInfo{
		name: tableName{name: "windows"}, oid: 1,
		order:  []string{"stream", "task", "at", "total", "note", "photo", "seen", "seq"},
		unique: [][]string{{"stream", "task", "at"}, {"note"}},
	}
	t.columns = map[string]columnInfo{
		"stream": {"text", true}, "task": {"integer", true}, "at": {"timestamp with time zone", true},
		"total": {"bigint", true}, "note": {"text", false}, "photo": {"bytea", false},
		"seen": {"timestamp with time zone", false}, "seq": {"bigint", false},
	}
	return t
}

func windowsConfig() config {
	return config{
		table: tableName{name: "windows"}, key: []string{"at"}, columns: []string{"total", "at"},
		taskKey: true, ledger: true, timestamp: "seen", maxInFlight: 1,
	}
}

func TestPlan(t *testing.T) {
	p, err := planOf(windowsConfig(), windows(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.rows.consts) != 2 || len(p.rows.cols) != 3 || p.rows.cols[2].name != "seq" || len(p.types) != 2 || p.keys[0] != 1 || len(p.ours) != 1 {
		t.Errorf("plan %+v", p)
	}
}

func TestPlanFindsWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		name   string
		config func(*config)
		table  func(*tableInfo)
		want   string
	}{
		{"missing column", func(c *config) { c.columns = append(c.columns, "totel") }, nil,
			`table windows has no column "totel"; it has stream, task, at,`},
		{"unsupported type", func(c *config) { c.columns = append(c.columns, "photo") }, nil, `"photo" is of type bytea`},
		{"wrong key", func(c *config) { c.key = []string{"total"} }, nil,
			"no primary key or unique index on exactly (stream, task, total); it has (stream, task, at), (note)"},
		{"task not in the key", func(c *config) { c.taskKey = false }, nil, "exactly (stream, at)"},
		{"no key at all", nil, func(t *tableInfo) { t.unique = nil }, "it has none"},
		{"column that must be filled", func(c *config) { c.columns = []string{"at"} }, nil, `"total" must not be null and has no default`},
		{"no seq", nil, func(t *tableInfo) { delete(t.columns, "seq") }, `no column "seq"`},
		{"no seq, the way out", nil, func(t *tableInfo) { delete(t.columns, "seq") }, "set ledger: false"},
		{"narrow seq", nil, func(t *tableInfo) { t.columns["seq"] = columnInfo{"integer", false} }, `"seq" is of type integer and must be bigint`},
		{"stamp of another type", func(c *config) { c.timestamp = "note" }, nil, `"note" is of type text and must be timestamp with time zone`},
	} {
		cfg, table := windowsConfig(), windows()
		if c.config != nil {
			c.config(&cfg)
		}
		if c.table != nil {
			c.table(table)
		}
		_, err := planOf(cfg, table, nil, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		} else if judge(err) != fatal {
			t.Errorf("%s: a retry cannot mend it", c.name)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := windowsConfig().validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*config)
		want   string
	}{
		{func(c *config) { c.columns = nil }, "columns: is empty"},
		{func(c *config) { c.key = nil }, "key: is empty"},
		{func(c *config) { c.columns = []string{"at", "at"} }, `columns: "at" stands there twice`},
		{func(c *config) { c.columns = []string{"at", ""} }, "columns: a name is empty"},
		{func(c *config) { c.key = []string{"other"} }, `key: "other" is not among the columns`},
		{func(c *config) { c.key = []string{"stream", "at"} }, "key: stream and task are added"},
		{func(c *config) { c.columns = []string{"at", "seq"} }, `columns: "seq" is written by the output itself`},
		{func(c *config) { c.timestamp = "at" }, "timestamp_column:"},
		{func(c *config) { c.timestamp = "task" }, "timestamp_column:"},
		{func(c *config) { c.ledger, c.taskKey = false, false }, "task_key:"},
		{func(c *config) { c.maxInFlight = 0 }, "max_in_flight:"},
	} {
		cfg := windowsConfig()
		c.change(&cfg)
		if err := cfg.validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
