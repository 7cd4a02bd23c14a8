package stack

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// The service schema-rules has a registry demand what its comment says. Whatever was
// registered by then, the producer's schemas are still taken.
func TestSchemaRules(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		kit.Missing(t, "no curl (Debian: apt-get install curl)")
	}
	services := project(t).Services
	consumer := services["consumer"]
	of := variables(&consumer)["SCHEMA_REGISTRY_URL"]
	registry := kit.Apicurio(t)
	command := func(level string) []string {
		args := slices.Clone(services["schema-rules"].Entrypoint)
		for i, arg := range args {
			args[i] = strings.ReplaceAll(strings.ReplaceAll(arg, of, registry), "BACKWARD", level)
		}
		return args
	}
	for _, level := range []string{"NONE", "BACKWARD"} {
		args := command(level)
		kit.MustRun(t, kit.Command{Path: "/usr/bin/env", Args: args}, time.Minute)
		resp, err := http.Get(registry + "/config")
		if err != nil {
			t.Fatal(err)
		}
		var told struct{ CompatibilityLevel string }
		err = json.NewDecoder(resp.Body).Decode(&told)
		_ = resp.Body.Close() // it is read
		if err != nil || told.CompatibilityLevel != level {
			t.Errorf("the registry demands %q, want %s (%v)", told.CompatibilityLevel, level, err)
		}
	}
	check := slices.Clone(services["schema-registry"].HealthCheck.Test[1:])
	for i := range check {
		check[i] = strings.ReplaceAll(check[i], "http://localhost:8080", strings.TrimSuffix(registry, "/apis/ccompat/v7"))
	}
	kit.MustRun(t, kit.Command{Path: "/usr/bin/env", Args: check}, time.Minute)
}
