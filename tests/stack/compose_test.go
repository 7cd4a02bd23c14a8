package stack

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// The services by what they are: those that run on, and those that prepare something and end.
var (
	running = []string{"kafka", "schema-registry", "kafka-ui", "postgres", "prometheus", "alertmanager", "grafana", "consumer", "page"}
	once    = []string{"topics", "migrate", "logins", "schema-rules", "producer"}
	ours    = []string{"topics", "migrate", "consumer", "page", "producer"}
)

func TestServices(t *testing.T) {
	p := project(t)
	want := slices.Sorted(slices.Values(slices.Concat(running, once)))
	if got := slices.Sorted(maps.Keys(p.Services)); !slices.Equal(got, want) {
		t.Errorf("services %v, want %v", got, want)
	}
	for _, name := range running {
		s := p.Services[name]
		if s.Restart != "unless-stopped" {
			t.Errorf("%s runs on, and restarts %q", name, s.Restart)
		}
		if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 {
			t.Errorf("%s runs on and has no health check", name)
		}
	}
	for _, name := range once {
		s := p.Services[name]
		if s.Restart != "" {
			t.Errorf("%s ends, and restarts %q", name, s.Restart)
		}
		if !slices.Contains(s.Profiles, "producer") && !awaited(p, name) {
			t.Errorf("nobody waits for %s to end: `up --wait` would wait for it to run", name)
		}
	}
}

// awaited tells whether some service starts only when this one has ended.
func awaited(p *types.Project, name string) bool {
	for other := range p.Services {
		if p.Services[other].DependsOn[name].Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

func TestServicesWaitForWhatTheyNeed(t *testing.T) {
	p := project(t)
	for name := range p.Services {
		for other, d := range p.Services[name].DependsOn {
			want := types.ServiceConditionHealthy
			if slices.Contains(once, other) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			if d.Condition != want {
				t.Errorf("%s waits for %s to be %q, want %q", name, other, d.Condition, want)
			}
		}
	}
}

func TestContainersAreConfined(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?(\.Final)?$`)
	p := project(t)
	for name := range p.Services {
		s := p.Services[name]
		if !pinned.MatchString(s.Image) && s.Image != "tidemark:local" {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		if s.MemLimit <= 0 || s.CPUS <= 0 {
			t.Errorf("%s: memory %d, cpus %v: no limit", name, s.MemLimit, s.CPUS)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s at %q", name, port.Published, port.HostIP)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if !v.ReadOnly {
				t.Errorf("%s may write to %s", name, v.Source)
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, name := range ours {
		s := p.Services[name]
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s could write or gain rights", name)
		}
		if s.Build == nil || s.Build.Context != kit.Root(t) {
			t.Errorf("%s is not built from the repository", name)
		}
	}
}

// What --scale asks of a service.
func TestConsumersCanBeMany(t *testing.T) {
	s := project(t).Services["consumer"]
	if s.ContainerName != "" || len(s.Ports) > 0 {
		t.Errorf("container name %q, ports %v: a second one would not start", s.ContainerName, s.Ports)
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < 25*time.Second {
		t.Errorf("%v is too short to commit: shutdown_timeout of configs/tidemark.yaml is 20s", s.StopGracePeriod)
	}
}

// Without any .env the stack runs, as .env.example says.
func TestVariablesHaveTheirDefaults(t *testing.T) {
	text := read(t, "compose", "compose.yaml")
	all := regexp.MustCompile(`\$\{?[A-Za-z_]+`).FindAllString(text, -1)
	withDefault := regexp.MustCompile(`\$\{([A-Z_]+):-([^}]*)\}`).FindAllStringSubmatch(text, -1)
	if others := len(all) - len(withDefault) - strings.Count(text, "$PWD"); others != 0 {
		t.Errorf("%d variables have no default", others)
	}
	used := map[string]string{}
	for _, m := range withDefault {
		if before, seen := used[m[1]]; seen && before != m[2] {
			t.Errorf("%s is %q here and %q there", m[1], before, m[2])
		}
		used[m[1]] = m[2]
	}
	example, err := dotenv.Read(at(t, "compose", ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(used, example) {
		t.Errorf("defaults of compose.yaml %v\n.env.example %v", used, example)
	}
	bare, full := project(t), project(t, ".env.example")
	for name := range bare.Services {
		a, b := bare.Services[name], full.Services[name]
		if !maps.Equal(variables(&a), variables(&b)) {
			t.Errorf("%s has another environment with .env.example", name)
		}
	}
}

func TestVersionsAreThoseOfTheTests(t *testing.T) {
	p := project(t)
	for name, want := range map[string]string{
		"kafka":           "apache/kafka:" + kit.KafkaVersion,
		"schema-registry": "apicurio/apicurio-registry-sql:" + kit.ApicurioVersion,
		"schema-rules":    p.Services["schema-registry"].Image,
		"logins":          p.Services["postgres"].Image,
	} {
		if got := p.Services[name].Image; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// Addresses that services have of each other are names and ports of services.
func TestServicesFindEachOther(t *testing.T) {
	listening := map[string][]string{
		"kafka": {"9092"}, "postgres": {"5432"}, "schema-registry": {"8080"}, "prometheus": {"9090"}, "alertmanager": {"9093"},
	}
	p := project(t)
	address := regexp.MustCompile(`(?:^|//|@)([a-z][a-z-]+):([0-9]+)`)
	for name := range p.Services {
		if name == "kafka" { // its own addresses are those of TestKafkaOfTheStack
			continue
		}
		s := p.Services[name]
		values := slices.Concat(slices.Collect(maps.Values(variables(&s))), s.Command, s.Entrypoint)
		for _, value := range values {
			for _, m := range address.FindAllStringSubmatch(value, -1) {
				if m[1] != "localhost" && !slices.Contains(listening[m[1]], m[2]) {
					t.Errorf("%s looks for %s:%s", name, m[1], m[2])
				}
			}
		}
	}
}
