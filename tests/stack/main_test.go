// Package stack checks what stands around the streams: the compose file, the image, the
// configs of Prometheus, Alertmanager and Grafana. There is no container engine in it:
// what a container would run is run here, with the very files and variables.
package stack

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

// at is the path of a file of the repository.
func at(t testing.TB, path ...string) string {
	return filepath.Join(append([]string{kit.Root(t)}, path...)...)
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(at(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// project is the compose file with every profile, and no variable set but those of a file
// in compose/.
func project(t testing.TB, envFiles ...string) *types.Project {
	t.Helper()
	for i, f := range envFiles {
		envFiles[i] = at(t, "compose", f)
	}
	with := []cli.ProjectOptionsFn{cli.WithProfiles([]string{"*"}), cli.WithConsistency(true), cli.WithResolvedPaths(true)}
	if len(envFiles) > 0 {
		with = append(with, cli.WithEnvFiles(envFiles...), cli.WithDotEnv)
	}
	opts, err := cli.NewProjectOptions([]string{at(t, "compose", "compose.yaml")}, with...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := opts.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// variables are what a service has in its environment.
func variables(s *types.ServiceConfig) map[string]string {
	set := map[string]string{}
	for name, value := range s.Environment {
		if value != nil {
			set[name] = *value
		}
	}
	return set
}
