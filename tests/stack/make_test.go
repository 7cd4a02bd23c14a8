package stack

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// dockerOf runs a target of the Makefile with a docker that is a shell script.
func dockerOf(t *testing.T, script string, target ...string) kit.Result {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return kit.Run(t, kit.Command{
		Path: "make", Args: append([]string{"--silent"}, target...), Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")},
	}, time.Minute)
}

var dockerTargets = []string{"infra-up", "infra-down", "infra-reset", "stack-up", "stack-producer"}

func TestMakeWithoutDocker(t *testing.T) {
	for _, target := range dockerTargets {
		r := dockerOf(t, "exit 127", target)
		if r.Code == 0 || !strings.HasPrefix(r.Stdout, target+" needs Docker with its compose plugin; ") || strings.Count(r.Stdout, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q", target, r.Code, r.Stdout)
		}
	}
}

func TestMakeAsksDocker(t *testing.T) {
	const echo = `[ "$2" = version ] || echo "$@"`
	compose := "compose --file compose/compose.yaml "
	for target, want := range map[string]string{
		"infra-down":     "--profile producer down --remove-orphans",
		"infra-reset":    "--profile producer down --remove-orphans --volumes",
		"stack-up":       "up --detach --wait --build --scale consumer=1",
		"stack-producer": "run --rm producer",
	} {
		if got := strings.TrimSpace(dockerOf(t, echo, target).Stdout); got != compose+want {
			t.Errorf("%s runs docker %s, want %s", target, got, compose+want)
		}
	}
	if got := dockerOf(t, echo, "stack-up", "SCALE=3").Stdout; !strings.Contains(got, "--scale consumer=3") {
		t.Errorf("SCALE=3 runs docker %s", got)
	}
}

// infra-up brings up all but what is Tidemark's own, with what that waits for.
func TestInfraUpIsAllButTheApplication(t *testing.T) {
	const echo = `[ "$2" = version ] || echo "$@"`
	line := dockerOf(t, echo, "infra-up").Stdout
	_, names, found := strings.Cut(strings.TrimSpace(line), "up --detach --wait --build ")
	if !found {
		t.Fatalf("infra-up runs docker %s", line)
	}
	p := project(t)
	started := map[string]bool{}
	if err := p.ForEachService(strings.Fields(names), func(name string, _ *types.ServiceConfig) error {
		started[name] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values([]string{
		"alertmanager", "grafana", "kafka", "kafka-ui", "logins", "migrate", "postgres", "prometheus", "schema-registry", "schema-rules", "topics",
	}))
	if got := slices.Sorted(maps.Keys(started)); !slices.Equal(got, want) {
		t.Errorf("infra-up starts %v, want %v", got, want)
	}
}
