package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Prometheus is a real Prometheus on loopback.
type Prometheus struct{ URL string }

// StartPrometheus starts one that ends with the test. It scrapes /metrics of the
// targets, each a host:port, in this interval.
func StartPrometheus(t testing.TB, scrape time.Duration, targets ...string) *Prometheus {
	t.Helper()
	config, err := json.Marshal(map[string]any{ // JSON is YAML
		"global": map[string]any{"scrape_interval": scrape.String(), "scrape_timeout": scrape.String()},
		"scrape_configs": []any{map[string]any{
			"job_name": "tidemark", "static_configs": []any{map[string]any{"targets": targets}},
		}},
	})
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err == nil {
		err = os.WriteFile(file, config, 0o600)
	}
	if err != nil {
		t.Fatal("kit:", err)
	}
	return PrometheusOf(t, file)
}

// PrometheusOf starts one with a config file of the test's own.
func PrometheusOf(t testing.TB, file string) *Prometheus {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		Missing(t, "no Prometheus: %v (Debian: apt-get install prometheus)", err)
	}
	p := &Prometheus{URL: "http://" + FreeAddress(t)}
	Start(t, Command{Path: path, Dir: t.TempDir(), Args: []string{
		"--config.file=" + file, "--storage.tsdb.path=data",
		"--web.listen-address=" + strings.TrimPrefix(p.URL, "http://"), "--log.level=warn",
	}})
	Eventually(t, serverPatience, func() (bool, string) {
		resp, err := http.Get(p.URL + "/-/ready")
		if err != nil {
			return false, err.Error()
		}
		_ = resp.Body.Close() // nothing of it is read
		return resp.StatusCode == http.StatusOK, resp.Status
	})
	return p
}

// API asks an endpoint of Prometheus' HTTP API, such as query_range, and reads the data
// of its answer. What Prometheus says of a wrong question is the error.
func (p *Prometheus) API(ctx context.Context, endpoint string, parameters url.Values, data any) error {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/v1/"+endpoint+"?"+parameters.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("answer of Prometheus, %s: %w", resp.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("refused by Prometheus: %s", answer.Error)
	}
	return nil
}
