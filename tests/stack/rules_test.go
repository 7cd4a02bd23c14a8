package stack

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tidemark-streams/tidemark/plugins/prometheus"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// rule is one of a file of rules.
type rule struct {
	Alert, Record, Expr, For string
	Labels, Annotations      map[string]string
}

func rulesOf(t testing.TB, file string) (all []rule) {
	t.Helper()
	var parsed struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(read(t, "configs", "prometheus", file)), &parsed); err != nil {
		t.Fatal(err)
	}
	for _, g := range parsed.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func records(t testing.TB) []rule { return rulesOf(t, "recording_rules.yaml") }
func alerts(t testing.TB) []rule  { return rulesOf(t, "alerting_rules.yaml") }

// tool runs a command in configs/prometheus that has to end well.
func tool(t testing.TB, pkg, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		kit.Missing(t, "no %s (Debian: apt-get install %s)", name, pkg)
	}
	r := kit.Run(t, kit.Command{Path: path, Args: args, Dir: at(t, "configs", "prometheus")}, time.Minute)
	if r.Code != 0 {
		t.Fatalf("%s %s: exit code %d", name, strings.Join(args, " "), r.Code)
	}
	return r.Stdout
}

func TestPrometheusChecksItsConfig(t *testing.T) {
	tool(t, "prometheus", "promtool", "check", "config", "prometheus.yml")
}

// The unit tests of the rules, with promtool.
func TestRules(t *testing.T) {
	tool(t, "prometheus", "promtool", "test", "rules", "recording_rules_test.yaml", "alerting_rules_test.yaml")
}

// Every rule has a test: of an alert, one in which it fires.
func TestEveryRuleHasATest(t *testing.T) {
	text := read(t, "configs", "prometheus", "recording_rules_test.yaml")
	for _, r := range records(t) {
		if !strings.Contains(text, "expr: "+r.Record+"\n") {
			t.Errorf("%s has no test", r.Record)
		}
	}
	var tests struct {
		Tests []struct {
			Rules []struct {
				Alertname string
				Expected  []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "configs", "prometheus", "alerting_rules_test.yaml")), &tests); err != nil {
		t.Fatal(err)
	}
	fires := map[string]bool{}
	for _, test := range tests.Tests {
		for _, r := range test.Rules {
			fires[r.Alertname] = fires[r.Alertname] || len(r.Expected) > 0
		}
	}
	for _, r := range alerts(t) {
		if !fires[r.Alert] {
			t.Errorf("no test lets %s fire", r.Alert)
		}
	}
}

var (
	ownMetric = regexp.MustCompile(`\btidemark_[a-z_]+`)
	recorded  = regexp.MustCompile(`[a-z_]+:tidemark_[a-z_]+:[a-z0-9_]+`)
	quoted    = regexp.MustCompile(`"[^"]*"`)
	label     = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
)

// Rules ask for metrics that docs/prometheus.md lists, for series that are recorded, and
// for nothing else but up; labels that they group by are labels of these.
func TestRulesAskForWhatThereIs(t *testing.T) {
	known, labels := map[string]bool{}, map[string]bool{"le": true, "instance": true, "job": true}
	for _, d := range prometheus.Definitions() {
		known[d.Name] = true
		if d.Kind == prometheus.Histogram {
			known[d.Name+"_bucket"], known[d.Name+"_sum"], known[d.Name+"_count"] = true, true, true
		}
		for _, l := range d.Labels {
			labels[l] = true
		}
	}
	made, used := map[string]bool{}, map[string]bool{}
	for _, r := range records(t) {
		made[r.Record] = true
	}
	for _, r := range slices.Concat(records(t), alerts(t)) {
		name := r.Record + r.Alert
		expr := quoted.ReplaceAllString(r.Expr, "")
		for _, series := range recorded.FindAllString(expr, -1) {
			used[series] = true
			if !made[series] {
				t.Errorf("%s asks for %s, which is not recorded", name, series)
			}
		}
		rest := recorded.ReplaceAllString(expr, "")
		metrics := ownMetric.FindAllString(rest, -1)
		for _, m := range metrics {
			if !known[m] {
				t.Errorf("%s asks for %s, which docs/prometheus.md does not list", name, m)
			}
		}
		if len(metrics) == 0 && rest == expr && !strings.HasPrefix(expr, "up{") {
			t.Errorf("%s asks for nothing that is known: %s", name, r.Expr)
		}
		for _, m := range label.FindAllStringSubmatch(expr, -1) {
			for _, l := range strings.Split(m[1], ", ") {
				if !labels[l] {
					t.Errorf("%s groups by %s, which is no label", name, l)
				}
			}
		}
	}
	for series := range made {
		if !used[series] {
			t.Errorf("%s is recorded for nobody", series)
		}
	}
}

// Every alert tells how bad it is, what it is, and where it is explained; and the page
// explains no alert that there is not.
func TestAlertsAreExplained(t *testing.T) {
	const page = "https://github.com/tidemark-streams/tidemark/blob/main/docs/runbook.md#"
	headings := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^### (Tidemark\w+)$`).FindAllStringSubmatch(read(t, "docs", "runbook.md"), -1) {
		headings[m[1]] = true
	}
	for _, r := range alerts(t) {
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s has severity %q", r.Alert, r.Labels["severity"])
		}
		for _, a := range []string{"summary", "description"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s has no %s", r.Alert, a)
			}
		}
		if r.Annotations["runbook_url"] != page+strings.ToLower(r.Alert) {
			t.Errorf("%s is explained at %q", r.Alert, r.Annotations["runbook_url"])
		}
		if !headings[r.Alert] {
			t.Errorf("docs/runbook.md has no section %s", r.Alert)
		}
		delete(headings, r.Alert)
	}
	for name := range headings {
		t.Errorf("docs/runbook.md explains %s, which is no alert", name)
	}
}

func TestAlertmanagerChecksItsConfig(t *testing.T) {
	tool(t, "prometheus-alertmanager", "amtool", "check-config", "alertmanager.yml")
}

// Alerts of the shop and of the pipeline go to receivers of their own.
func TestRoutes(t *testing.T) {
	route := func(labels ...string) string {
		args := append([]string{"config", "routes", "test", "--config.file=alertmanager.yml"}, labels...)
		return strings.TrimSpace(tool(t, "prometheus-alertmanager", "amtool", args...))
	}
	if got := route("alertname=DropOff", "severity=warning", "kind=anomaly", "order_status=canceled"); got != "shop" {
		t.Errorf("an alert of the drop-off goes to %s", got)
	}
	for _, r := range alerts(t) {
		if got := route("alertname="+r.Alert, "severity="+r.Labels["severity"]); got != "operators" {
			t.Errorf("%s goes to %s", r.Alert, got)
		}
	}
}

// Alerts that others inhibit are those that there are.
func TestInhibitedAlertsExist(t *testing.T) {
	names := map[string]bool{"DropOff": true}
	for _, r := range alerts(t) {
		names[r.Alert] = true
	}
	for _, name := range regexp.MustCompile(`\b(Tidemark|DropOff)\w*`).FindAllString(quotedOnly(read(t, "configs", "prometheus", "alertmanager.yml")), -1) {
		if !names[name] {
			t.Errorf("alertmanager.yml names %s, which is no alert", name)
		}
	}
	if !strings.Contains(read(t, "streams", "analytics", "alerts.yaml"), `"alertname": "DropOff"`) {
		t.Error("streams/analytics/alerts.yaml sends no DropOff")
	}
}

func quotedOnly(text string) string { return strings.Join(quoted.FindAllString(text, -1), " ") }
