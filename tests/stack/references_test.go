package stack

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"
)

// Each file in configs/ is used: the binary carries it, or a container mounts it and reads
// it there. Nothing in compose/ is left over either.
func TestEveryFileIsUsed(t *testing.T) {
	used := map[string]bool{"configs/configs.go": true, "compose/compose.yaml": true}
	for _, m := range regexp.MustCompile(`(?m)^\s*//go:embed (.+)$`).FindAllStringSubmatch(read(t, "configs", "configs.go"), -1) {
		for _, pattern := range strings.Fields(m[1]) {
			use(t, used, "configs/"+pattern)
		}
	}
	// What is in folders that are read whole, and what other files name.
	for service, files := range map[string][]string{
		"grafana":    {"configs/grafana/provisioning/datasources/*.yaml", "configs/grafana/provisioning/dashboards/*.yaml", "configs/grafana/dashboards/*.json"},
		"prometheus": {"configs/prometheus/prometheus.yml"},
	} {
		for _, f := range files {
			use(t, used, f)
			if !mounted(t, service, f) {
				t.Errorf("%s does not see %s", service, f)
			}
		}
	}
	var config struct {
		Rules []string `yaml:"rule_files"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "configs", "prometheus", "prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	for _, f := range config.Rules {
		use(t, used, "configs/prometheus/"+f)
		use(t, used, "configs/prometheus/"+strings.TrimSuffix(f, ".yaml")+"_test.yaml") // TestRules runs them
	}
	p := project(t)
	for name := range p.Services {
		for _, v := range p.Services[name].Volumes {
			if info, err := os.Stat(v.Source); v.Type == types.VolumeTypeBind && err == nil && !info.IsDir() {
				file, err := filepath.Rel(at(t), v.Source)
				if err != nil {
					t.Fatal(err)
				}
				use(t, used, filepath.ToSlash(file))
			}
		}
	}
	// .env is each machine's own, and TestVariablesHaveTheirDefaults reads its example.
	used["compose/.env"], used["compose/.env.example"] = true, true
	for _, dir := range []string{"configs", "compose"} {
		err := filepath.WalkDir(at(t, dir), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(at(t), file)
			if err == nil && !used[filepath.ToSlash(name)] {
				t.Errorf("nothing uses %s", name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// use marks the files of a pattern, of which there has to be one.
func use(t *testing.T, used map[string]bool, pattern string) {
	t.Helper()
	files, err := fs.Glob(os.DirFS(at(t)), pattern)
	if err != nil || len(files) == 0 {
		t.Errorf("there is no %s (%v)", pattern, err)
	}
	for _, f := range files {
		used[f] = true
	}
}

// mounted tells whether a service has a file, or the folder of it, in its containers.
func mounted(t *testing.T, service, file string) bool {
	for _, v := range project(t).Services[service].Volumes {
		if v.Type == types.VolumeTypeBind && (v.Source == at(t, file) || strings.HasPrefix(at(t, file), v.Source+"/")) {
			return true
		}
	}
	return false
}

// Grafana finds its files where it looks for them, and has all the variables that they name.
func TestGrafanaFindsItsFiles(t *testing.T) {
	s := project(t).Services["grafana"]
	inside := map[string]string{}
	for _, v := range s.Volumes {
		inside[v.Target] = v.Source
	}
	if inside["/etc/grafana/provisioning"] != at(t, "configs", "grafana", "provisioning") {
		t.Errorf("it reads its provisioning from %v", inside)
	}
	var boards struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	set := variables(&s)
	names := regexp.MustCompile(`\$\{?([A-Z_]+)\}?`)
	for _, kind := range []string{"datasources", "dashboards"} {
		dir := path.Join("configs", "grafana", "provisioning", kind)
		files, err := fs.Glob(os.DirFS(at(t)), dir+"/*.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text := read(t, f)
			for _, m := range names.FindAllStringSubmatch(text, -1) {
				if set[m[1]] == "" {
					t.Errorf("%s asks for %s, of %v", f, m[1], slices.Sorted(maps.Keys(set)))
				}
			}
			if kind != "dashboards" {
				continue
			}
			if err := yaml.Unmarshal([]byte(text), &boards); err != nil || len(boards.Providers) == 0 {
				t.Fatal(f, err)
			}
			for _, p := range boards.Providers {
				if inside[p.Options.Path] != at(t, "configs", "grafana", "dashboards") {
					t.Errorf("%s looks for boards in %s", f, p.Options.Path)
				}
			}
		}
	}
}

// Prometheus finds the files that its config names, and Alertmanager its own.
func TestConfigsAreWhereTheyAreLookedFor(t *testing.T) {
	for service, file := range map[string]string{"prometheus": "prometheus.yml", "alertmanager": "alertmanager.yml"} {
		s := project(t).Services[service]
		var looked string
		for _, arg := range s.Command {
			if rest, ok := strings.CutPrefix(arg, "--config.file="); ok {
				looked = rest
			}
		}
		found := false
		for _, v := range s.Volumes {
			whole := v.Source == at(t, "configs", "prometheus", file) && v.Target == looked
			folder := v.Source == at(t, "configs", "prometheus") && v.Target+"/"+file == looked
			found = found || whole || folder
		}
		if !found {
			t.Errorf("%s looks for its config at %s", service, looked)
		}
	}
}
