// Package compose checks the compose file; there is no code in it.
package compose

import (
	"context"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
)

func TestComposeFileIsConsistent(t *testing.T) {
	opts, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := opts.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kafka", "postgres"} {
		s, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.HealthCheck == nil || s.Image == "" {
			t.Errorf("service %s lacks a health check or an image", name)
		}
	}
}
