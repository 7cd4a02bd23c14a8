package cli

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestSecretsAreHidden: however Benthos writes an address, no secret of it is left; words
// of the log stay.
func TestSecretsAreHidden(t *testing.T) {
	env := map[string]string{
		webhookEnv:      "http://robot:s3cr%40t-pass@hooks.example:8080/services/T0/s3cret-token?key=q%26a-key-long",
		alertmanagerEnv: "http://localhost:9093",
		dsnEnv:          "postgres://tidemark:tidemark@localhost:5432/tidemark",
		registryEnv:     "http://u:registry-pass@localhost:8081",
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	var out strings.Builder
	w := withoutSecrets(&out)
	for _, line := range []string{
		`level=error msg="Failed to send: http://robot:s3cr%40t-pass@hooks.example:8080/services/T0/s3cret-token?key=q%26a-key-long: Post \"http://robot:***@hooks.example:8080/services/T0/s3cret-token?key=q%26a-key-long\": refused"`,
		`{"msg":"http://hooks.example:8080/services/T0/s3cret-token?key=q&a-key-long","other":"q\u0026a-key-long"}`,
		`password=s3cr@t-pass registry-pass`,
	} {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range []string{"s3cr", "a-key-long", "registry-pass", "/services"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s is left:\n%s", secret, out.String())
		}
	}
	out.Reset()
	const harmless = "level=info msg=\"tidemark at postgres://localhost:5432/tidemark\" alertmanager=http://localhost:9093/api/v2/alerts\n"
	if _, err := io.WriteString(w, harmless); err != nil || out.String() != harmless {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestFilteredFile: lines come out whole, in order, and all of them before flush returns.
func TestFilteredFile(t *testing.T) {
	t.Setenv(webhookEnv, "http://hooks.example/a-secret-token")
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, flush, err := filtered(f)
	if err != nil {
		t.Fatal(err)
	}
	const lines = 20000
	for range lines {
		if _, err := io.WriteString(in, "a line of http://hooks.example/a-secret-token?x=1 and more\n"); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	flush() // harmless
	got, err := os.ReadFile(f.Name())
	if want := strings.Repeat("a line of http://***?x=1 and more\n", lines); err != nil || string(got) != want {
		t.Errorf("%d bytes, want %d: %v, %.200s", len(got), len(want), err, got)
	}
}
