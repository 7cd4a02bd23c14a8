package kit

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Alertmanager is a real Alertmanager on loopback that notifies a webhook of every
// alert by itself. Its methods are not for concurrent use.
type Alertmanager struct {
	URL string

	path, dir string
	process   *Process
}

// StartAlertmanager starts one that ends with the test. Receiver is the address of the
// webhook to notify.
func StartAlertmanager(t testing.TB, receiver string) *Alertmanager {
	t.Helper()
	return AlertmanagerOf(t, fmt.Sprintf(alertmanagerConfig, receiver))
}

// AlertmanagerOf starts one with a config of the test's own.
func AlertmanagerOf(t testing.TB, config string) *Alertmanager {
	t.Helper()
	path, err := exec.LookPath("prometheus-alertmanager") // Debian's name
	if err != nil {
		path, err = exec.LookPath("alertmanager")
	}
	if err != nil {
		Missing(t, "no Alertmanager: %v (Debian: apt-get install prometheus-alertmanager)", err)
	}
	a := &Alertmanager{URL: "http://" + FreeAddress(t), path: path, dir: t.TempDir()}
	if err := os.WriteFile(a.config(), []byte(config), 0o600); err != nil {
		t.Fatal("kit:", err)
	}
	a.Start(t)
	return a
}

// Start starts it on its data, and returns when it answers.
func (a *Alertmanager) Start(t testing.TB) {
	t.Helper()
	a.process = Start(t, Command{Path: a.path, Dir: a.dir, Args: []string{
		"--config.file=" + a.config(), "--storage.path=" + filepath.Join(a.dir, "data"),
		"--web.listen-address=" + a.URL[len("http://"):],
		"--cluster.listen-address=", // alone: it gossips with nobody
	}})
	Eventually(t, serverPatience, func() (bool, string) {
		resp, err := http.Get(a.URL + "/-/ready")
		if err != nil {
			return false, err.Error()
		}
		_ = resp.Body.Close() // nothing of it is read
		return resp.StatusCode == http.StatusOK, resp.Status
	})
}

// Stop ends it politely (SIGTERM). Alerts it forgets; it keeps a log of notifications.
func (a *Alertmanager) Stop(t testing.TB) {
	t.Helper()
	a.process.Signal(t, syscall.SIGTERM)
	a.process.Wait(t, serverPatience)
}

func (a *Alertmanager) config() string { return filepath.Join(a.dir, "alertmanager.yml") }

// alertmanagerConfig takes the receiver's address.
const alertmanagerConfig = `
route:
  receiver: test
  group_by: [ '...' ]
  group_wait: 100ms
  group_interval: 500ms
  repeat_interval: 24h
receivers:
  - name: test
    webhook_configs:
      - url: %q
        send_resolved: true
`
