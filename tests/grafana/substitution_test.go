package grafana

import (
	"strings"
	"testing"
	"time"
)

// look is a board with a variable of each kind, for tests of the substitution.
func look(t testing.TB) *screen {
	t.Helper()
	for _, b := range all(t) {
		if *b.Uid != "tidemark-gmv" {
			continue
		}
		s, err := opened(b, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.from, s.to = time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2018, 1, 3, 0, 0, 0, 0, time.UTC)
		return s
	}
	t.Fatal("no board with a bucket and a state")
	return nil
}

// The examples are those of Grafana's documentation, with our columns.
func TestSubstitution(t *testing.T) {
	for _, c := range []struct {
		text, want string
		state      []string
		bucket     []string
	}{
		{text: "where $__timeFilter(d.at)", want: "where d.at BETWEEN '2018-01-01T00:00:00Z' AND '2018-01-03T00:00:00Z'"},
		{text: "$__timeFrom(), $__timeTo()", want: "'2018-01-01T00:00:00Z', '2018-01-03T00:00:00Z'"},
		{text: "select $__timeGroup(at,'5m') from t group by $__timeGroup(at,'5m')", want: "select floor(extract(epoch from at)/300)*300 from t group by floor(extract(epoch from at)/300)*300"},
		{text: "select $__timeGroup(at,'5m'), x", want: `select floor(extract(epoch from at)/300)*300 AS "time", x`},
		{text: "$__timeGroupAlias(at, $bucket)", want: `floor(extract(epoch from at)/3600)*3600 AS "time"`, bucket: []string{"1h"}},
		{text: "$__timeGroupAlias(at,$bucket,0)", want: `floor(extract(epoch from at)/604800)*604800 AS "time"`, bucket: []string{"1w"}},
		// 2 days in 200 steps are 864 s each.
		{text: "$__timeGroupAlias(at,$bucket)", want: `floor(extract(epoch from at)/900)*900 AS "time"`},
		{text: "$__interval $__interval_ms", want: "2m 120000"},
		{text: "$__timeGroupAlias(at,$__interval)", want: `floor(extract(epoch from at)/120)*120 AS "time"`},
		{text: "x in ($state)", want: "x in (customer_state)"},
		{text: "x in ($state)", want: "x in ('SP')", state: []string{"SP"}},
		{text: "x in (${state})", want: "x in ('O''Neill','RJ')", state: []string{"O'Neill", "RJ"}},
		{text: "x in (${state:sqlstring})", want: "x in ('O''Neill','RJ')", state: []string{"O'Neill", "RJ"}},
		{text: "'${state:csv}' ${state:pipe}", want: "'SP,RJ' SP|RJ", state: []string{"SP", "RJ"}},
		{text: "${state:regex} ${state:singlequote}", want: `(S\.P|RJ) 'S.P','RJ'`, state: []string{"S.P", "RJ"}},
		{text: "'$unknown'", want: "'$unknown'"},
		{text: "$__form(at)", want: "error"},
		{text: "$__timeFilter()", want: "error"},
		{text: "$__timeGroup(at)", want: "error"},
		{text: "$__timeGroup(at, soon)", want: "error"},
		{text: "[[state]]", want: "error"},
		{text: "${state:lucene}", want: "error", state: []string{"SP"}},
	} {
		s := look(t)
		s.chosen["state"], s.chosen["bucket"] = c.state, c.bucket
		got, err := s.sql(c.text)
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s (%v)\nwant %s", c.text, got, err, c.want)
		}
	}
}

// Without a value of its own, All stands for what the variable's query has found.
func TestAllWithoutValue(t *testing.T) {
	s := look(t)
	s.variable("state").AllValue = nil
	s.options["state"] = []string{"RJ", "SP"}
	if got, err := s.sql("x in ($state)"); err != nil || got != "x in ('RJ','SP')" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestPromSubstitution(t *testing.T) {
	for _, c := range []struct {
		text, want string
		state      []string
	}{
		{text: `{a=~"$state"}`, want: `{a=~"tide\\.mark"}`, state: []string{"tide.mark"}},
		{text: `{a=~"$state"}`, want: `{a=~"(a|b)"}`, state: []string{"a", "b"}},
		{text: `{a=~"$state"}`, want: `{a=~"customer_state"}`},
		{text: `rate(x[$__rate_interval])`, want: `rate(x[135s])`}, // 120 s a point, and a scrape
		{text: `increase(x[$__range])`, want: `increase(x[172800s])`},
	} {
		s := look(t)
		s.chosen["state"] = c.state
		if got, err := s.promql(c.text); err != nil || got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.text, got, err, c.want)
		}
	}
}

func TestInstant(t *testing.T) {
	now := time.Date(2018, 3, 8, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"now": "2018-03-08T12:00:00Z", "now-1h": "2018-03-08T11:00:00Z", "now-7d": "2018-03-01T12:00:00Z", "2016-09-01T00:00:00Z": "2016-09-01T00:00:00Z",
	} {
		got, err := instant(text, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if _, err := instant("yesterday", now); err == nil || !strings.Contains(err.Error(), "yesterday") {
		t.Error(err)
	}
}
