package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// plain is a stream that needs no server.
const plain = `
input:
  generate: { interval: 1s, mapping: 'root.word = "${WORD:none}"' }
output:
  drop: {}
`

// newPlain starts the stream plain in streams mode, watched.
func newPlain(t *testing.T, address string, args ...string) *streamer {
	t.Helper()
	s := &streamer{pipeline: &pipeline{TB: t}, dir: t.TempDir(), address: address}
	s.save("plain", plain)
	args = append([]string{"streams", "-w", "--set", "http.address=" + address}, append(args, s.dir)...)
	s.process = kit.Start(t, kit.Command{Args: args, Env: []string{"WORD=tide"}})
	s.says("launching tidemark in streams mode")
	return s
}

// awaitConfig waits until the plain stream is made of something.
func (s *streamer) awaitConfig(part string) {
	s.Helper()
	kit.Eventually(s, patience, func() (bool, string) {
		// It says that it is launching before its server listens.
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			return false, err.Error()
		}
		_ = conn.Close()
		status, answer := s.request(http.MethodGet, "/streams/plain", "")
		return status == http.StatusOK && strings.Contains(answer, part), "its config holds " + part + ": " + answer
	})
}

// A file is read as it was at the start: with variables, and its unit tests.
func TestWatchedFileIsReadAsAtTheStart(t *testing.T) {
	s := newPlain(t, kit.FreeAddress(t))
	s.awaitConfig("tide")
	s.save("plain", change(t, plain, "root.word", "root.mark")+"tests:\n  - name: nothing\n    output_batches: []\n")
	s.awaitConfig(`root.mark = \"tide\"`)
	s.save("plain", change(t, plain, "WORD:none", "NO_SUCH_WORD"))
	s.says("plain.yaml(", "NO_SUCH_WORD")
	s.says("stream is left as it is", "stream=plain", "has lint errors")
	s.awaitConfig(`root.mark = \"tide\"`)
	if err := os.MkdirAll(filepath.Join(s.dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.save("sub/other", plain)
	s.awaitActive("sub_other", true)
}

// Where a process cannot have the address of its API, it leaves the streams of the
// process that has it alone.
func TestWatcherKeepsToItsProcess(t *testing.T) {
	first := newPlain(t, kit.FreeAddress(t))
	first.awaitConfig("tide")
	second := newPlain(t, first.address)
	second.says("the files of streams are not watched", "is served by another process")
	second.save("plain", change(t, plain, "root.word", "root.mark"))
	first.save("other", plain)
	first.awaitActive("other", true)
	first.awaitConfig("root.word")
}

// Where the API cannot be used, Benthos watches.
func TestWatcherOfBenthos(t *testing.T) {
	resources := filepath.Join(t.TempDir(), "resources.yaml")
	if err := os.WriteFile(resources, []byte("cache_resources: [ { label: seen, memory: {} } ]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no API":    {[]string{"--no-api"}, "--no-api switches the REST API off"},
		"no server": {[]string{"--set", "http.enabled=false"}, "http.enabled switches the REST API off"},
		"password":  {[]string{"--set", "http.basic_auth.enabled=true", "--set", "http.basic_auth.username=a", "--set", "http.basic_auth.password_hash=b"}, "http.basic_auth guards the REST API"},
		"TLS":       {[]string{"--set", "http.cert_file=a", "--set", "http.key_file=b"}, "http.cert_file has the REST API speak TLS"},
		"pattern":   {[]string{filepath.Join(t.TempDir(), "**", "*.yaml")}, "goes through all folders"},
		"any port":  {[]string{"--set", "http.address=127.0.0.1:0"}, "http.address leaves the port open"},
		"resources": {[]string{"-r", resources}, "files of --resources are watched as well"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPlain(t, kit.FreeAddress(t), c.args...)
			s.says("the files of streams are watched by Benthos", c.says)
			s.write("plain", change(t, plain, "root.word", "root.mark"))
			s.says("updated stream plain config from file")
		})
	}
}
