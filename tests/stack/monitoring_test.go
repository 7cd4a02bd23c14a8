package stack

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

const patience = 2 * time.Minute

// prometheusOfTheStack runs Prometheus with the shipped config and rules, at other
// addresses and faster: it asks and judges each second, and waits for no alert.
func prometheusOfTheStack(t *testing.T, consumer, alertmanager string) *kit.Prometheus {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"recording_rules.yaml", "alerting_rules.yaml"} {
		var lines []string
		for line := range strings.Lines(read(t, "configs", "prometheus", file)) {
			if !strings.HasPrefix(strings.TrimSpace(line), "for: ") {
				lines = append(lines, line)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := read(t, "configs", "prometheus", "prometheus.yml")
	for _, change := range [][2]string{
		{"scrape_interval: 15s", "scrape_interval: 1s"},
		{"evaluation_interval: 15s", "evaluation_interval: 1s"},
		{"dns_sd_configs: [ { names: [ consumer ], type: A, port: 4195, refresh_interval: 10s } ]",
			`static_configs: [ { targets: [ "` + consumer + `" ] } ]`},
		{`"host.docker.internal:4195"`, `"` + kit.FreeAddress(t) + `"`}, // nobody is there
		{`"localhost:9090"`, `"` + kit.FreeAddress(t) + `"`},            // nor there: a target that is down
		{"alertmanager:9093", alertmanager},
	} {
		if !strings.Contains(config, change[0]) {
			t.Fatalf("prometheus.yml has no %s", change[0])
		}
		config = strings.ReplaceAll(config, change[0], change[1])
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return kit.PrometheusOf(t, file)
}

// Prometheus with the shipped config sees a consumer that runs, evaluates all rules on its
// figures, and Alertmanager with the shipped config hears of a target that is down.
func TestMonitoring(t *testing.T) {
	broker := kit.Kafka(t)
	broker.Reset(t, 3)
	env := []string{"KAFKA_BROKERS=" + broker.Addr(), "POSTGRES_DSN=" + kit.Postgres(t).DSN, "TIDEMARK_STATE_DIR=" + t.TempDir()}
	address, dataset := kit.FreeAddress(t), t.TempDir()
	for _, args := range [][]string{
		{"topics", "create"}, {"db", "migrate"}, {"generate", "--orders", "100", "--out", dataset},
		{"produce", "--dataset-dir", dataset},
	} {
		kit.MustRun(t, kit.Command{Args: args, Env: env}, time.Minute)
	}
	manager := kit.AlertmanagerOf(t, read(t, "configs", "prometheus", "alertmanager.yml"))
	kit.Start(t, kit.Command{Args: []string{"consume", "--no-console"}, Env: append(env, "TIDEMARK_HTTP_ADDRESS="+address)})
	p := prometheusOfTheStack(t, address, strings.TrimPrefix(manager.URL, "http://"))

	for _, query := range []string{
		`up{job="tidemark"} == 1`,
		`sum(tidemark_events_total{stream="tidemark-gmv",operator="input"}) > 100`,
		`stream:tidemark_tasks:count{stream="tidemark-funnel"} == 3`,
		`stream_task:tidemark_watermark_timestamp_seconds:max{stream="tidemark-funnel",task="2"} > 0`,
		`stream:tidemark_lag_records:sum{stream="tidemark-funnel"} == 0`,
		`stream:tidemark_dead_letters:rate15m{stream="tidemark-funnel"} == 0`,
		`stream:tidemark_events:rate5m{stream="tidemark-funnel"}`,
		`stream:tidemark_row_latency_seconds:p99_5m{stream="tidemark-funnel"}`,
	} {
		kit.Eventually(t, patience, func() (bool, string) {
			var found struct{ Result []any }
			err := p.API(context.Background(), "query", url.Values{"query": {query}}, &found)
			return err == nil && len(found.Result) > 0, "nothing is found by " + query
		})
	}

	var rules struct {
		Groups []struct {
			Rules []struct{ Name, State, Health, LastError string }
		}
	}
	if err := p.API(context.Background(), "rules", nil, &rules); err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			judged++
			if r.Health != "ok" || r.LastError != "" {
				t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
			if r.State == "firing" && r.Name != "TidemarkTargetDown" {
				t.Errorf("%s fires of a pipeline that is well", r.Name)
			}
		}
	}
	if want := len(records(t)) + len(alerts(t)); judged != want {
		t.Errorf("%d rules are evaluated, want %d", judged, want)
	}

	var heard []struct {
		Labels    map[string]string
		Receivers []struct{ Name string }
	}
	kit.Eventually(t, patience, func() (bool, string) {
		resp, err := http.Get(manager.URL + "/api/v2/alerts")
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		err = json.NewDecoder(resp.Body).Decode(&heard)
		return err == nil && len(heard) > 0, "Alertmanager hears nothing"
	})
	if len(heard) != 1 || heard[0].Labels["alertname"] != "TidemarkTargetDown" || heard[0].Labels["job"] != "prometheus" ||
		len(heard[0].Receivers) != 1 || heard[0].Receivers[0].Name != "operators" {
		t.Errorf("Alertmanager hears %v", heard)
	}

	// What the containers are asked by their health checks.
	services := project(t).Services
	for name, url := range map[string][2]string{
		"prometheus": {"http://localhost:9090", p.URL}, "alertmanager": {"http://localhost:9093", manager.URL},
	} {
		check := slices.Clone(services[name].HealthCheck.Test[1:])
		for i := range check {
			check[i] = strings.ReplaceAll(check[i], url[0], url[1])
		}
		kit.MustRun(t, kit.Command{Path: "/usr/bin/env", Args: check}, time.Minute)
	}
}

// Services that tell metrics are asked for them where they are.
func TestScrapeTargets(t *testing.T) {
	var config struct {
		Jobs []struct {
			Name string `yaml:"job_name"`
			DNS  []struct {
				Names []string
				Type  string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "configs", "prometheus", "prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	job := config.Jobs[0]
	consumer := project(t).Services["consumer"]
	if job.Name != "tidemark" || len(job.DNS) != 1 || !slices.Equal(job.DNS[0].Names, []string{"consumer"}) || job.DNS[0].Type != "A" ||
		variables(&consumer)["TIDEMARK_HTTP_ADDRESS"] != "0.0.0.0:4195" || job.DNS[0].Port != 4195 {
		t.Errorf("consumers are looked for by %+v", job)
	}
}
