package grafana

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// datasources is a file of Grafana's provisioning, as far as it is used:
// https://grafana.com/docs/grafana/latest/administration/provisioning/
type datasources struct {
	APIVersion  int `yaml:"apiVersion"`
	Datasources []struct {
		Name           string
		UID            string
		Type           string
		Access         string
		IsDefault      bool `yaml:"isDefault"`
		Editable       bool
		URL            string
		User           string
		SecureJSONData map[string]string `yaml:"secureJsonData"`
		JSONData       map[string]any    `yaml:"jsonData"`
	}
}

// providers is another one.
type providers struct {
	APIVersion int `yaml:"apiVersion"`
	Providers  []struct {
		Name                  string
		Type                  string
		Folder                string
		DisableDeletion       bool `yaml:"disableDeletion"`
		AllowUIUpdates        bool `yaml:"allowUiUpdates"`
		UpdateIntervalSeconds int  `yaml:"updateIntervalSeconds"`
		Options               struct{ Path string }
	}
}

func readProvisioning(t testing.TB, path string, into any) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder(t), "provisioning", path))
	if err != nil {
		t.Fatal(err)
	}
	strict := yaml.NewDecoder(strings.NewReader(string(text)))
	strict.KnownFields(true)
	if err := strict.Decode(into); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// provisioned are the types of the data sources by uid.
func provisioned(t testing.TB) map[string]string {
	t.Helper()
	var file datasources
	readProvisioning(t, "datasources/tidemark.yaml", &file)
	types := map[string]string{}
	for _, d := range file.Datasources {
		types[d.UID] = d.Type
	}
	return types
}

// What the containers of the stack have to give to Grafana, and no more.
func TestProvisioning(t *testing.T) {
	var sources datasources
	text := readProvisioning(t, "datasources/tidemark.yaml", &sources)
	want := map[string]string{"tidemark-postgres": "grafana-postgresql-datasource", "tidemark-prometheus": "prometheus"}
	if got := provisioned(t); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{?(\w+)\}?`).FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	variables := slices.Sorted(maps.Keys(found))
	wanted := []string{"GRAFANA_POSTGRES_PASSWORD", "GRAFANA_POSTGRES_USER", "POSTGRES_DB", "POSTGRES_HOST", "POSTGRES_PORT", "PROMETHEUS_URL"}
	if !slices.Equal(variables, wanted) {
		t.Errorf("variables %v, want %v", variables, wanted)
	}
	var files providers
	readProvisioning(t, "dashboards/tidemark.yaml", &files)
	if sources.APIVersion != 1 || files.APIVersion != 1 || len(files.Providers) != 1 ||
		files.Providers[0].Type != "file" || files.Providers[0].Options.Path != "/var/lib/grafana/dashboards" {
		t.Errorf("%+v", files)
	}
}
