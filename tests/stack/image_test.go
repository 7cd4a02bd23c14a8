package stack

import (
	"debug/elf"
	"encoding/json"
	"go/version"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// image is what the Dockerfile makes, in a folder.
type image struct {
	root       string // what is / to its processes
	env        []string
	entrypoint []string
}

// user is what the image's processes run as.
const user = 65532

// instruction is a line of a Dockerfile.
type instruction struct{ name, args string }

func dockerfile(t testing.TB) (build, final []instruction) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", "")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, args, _ := strings.Cut(line, " ")
		if name == "FROM" {
			build = append(build, final...)
			final = nil
		}
		final = append(final, instruction{name, args})
	}
	return build, final
}

// built runs the Dockerfile's steps by hand: those of the build stage in the repository,
// with a folder in place of /out, and the copies of the last stage.
func built(t testing.TB) *image {
	t.Helper()
	if os.Geteuid() != 0 {
		kit.Missing(t, "only root can run a process in a folder as in a container")
	}
	out, made := t.TempDir(), &image{root: kit.Scratch(t)}
	build, final := dockerfile(t)
	kit.Binary(t) // so that the test is run anew when a source has changed
	for _, i := range build {
		if i.name != "RUN" || strings.HasPrefix(i.args, "go mod download") {
			continue
		}
		kit.MustRun(t, kit.Command{
			Path: "/bin/sh", Args: []string{"-ec", strings.ReplaceAll(i.args, "/out/", out+"/")}, Env: []string{"VERSION=1.2.3"},
		}, 10*time.Minute)
	}
	for _, i := range final {
		switch i.name {
		case "COPY":
			made.copy(t, out, strings.Fields(i.args))
		case "ENV":
			made.env = append(made.env, strings.Fields(i.args)...)
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(i.args), &made.entrypoint); err != nil {
				t.Fatal(i.args, err)
			}
		case "USER":
			if i.args != "65532:65532" {
				t.Fatalf("the image runs as %s", i.args)
			}
		}
	}
	return made
}

// copy follows COPY --from=build [--chown=U:G] FROM TO.
func (m *image) copy(t testing.TB, out string, args []string) {
	t.Helper()
	from, to := args[len(args)-2], filepath.Join(m.root, args[len(args)-1])
	if rest, ok := strings.CutPrefix(from, "/out/"); ok {
		from = filepath.Join(out, rest)
	}
	if !slices.Contains(args, "--from=build") {
		t.Fatal("not from the build stage:", args)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("cp", "--recursive", "--no-target-directory", "--preserve=mode", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, text)
	}
	if slices.Contains(args, "--chown=65532:65532") {
		if err := os.Chown(to, user, user); err != nil {
			t.Fatal(err)
		}
	}
}

// command is what a container of the image runs, with nothing of this process' files.
func (m *image) command(args, env []string) kit.Command {
	return kit.Command{
		Path: m.entrypoint[0], Args: append(slices.Clone(m.entrypoint[1:]), args...), Dir: "/", Root: m.root, UID: user,
		Env: append(slices.Clone(m.env), env...),
	}
}

// files are all files of the image but those below /state and /tmp.
func (m *image) files(t testing.TB) (all []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(m.root), ".", func(path string, _ fs.DirEntry, err error) error {
		if path == "state" || path == "tmp" {
			return fs.SkipDir
		}
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The image's steps make a static binary that runs as nobody, in a folder where it may write
// to /state and /tmp alone: there it does what the containers do, by the commands of the
// compose file, on real servers.
func TestImage(t *testing.T) {
	made := built(t)
	static(t, filepath.Join(made.root, "tidemark"))
	before := made.files(t)
	if r := kit.MustRun(t, made.command([]string{"--version"}, nil), time.Minute); !strings.Contains(r.Stdout, "1.2.3") {
		t.Errorf("VERSION is not the binary's: %q", r.Stdout)
	}

	broker := kit.Kafka(t)
	broker.Reset(t, 3)
	db := kit.Postgres(t)
	servers := []string{"KAFKA_BROKERS=" + broker.Addr(), "POSTGRES_DSN=" + db.DSN}
	services := project(t).Services
	for _, name := range []string{"migrate", "topics"} {
		kit.MustRun(t, made.command(services[name].Command, servers), time.Minute)
	}
	produce := append(slices.Clone(services["producer"].Command), "--speed", "max", "--limit", "50")
	if r := kit.MustRun(t, made.command(produce, servers), time.Minute); strings.Contains(r.Output(), "cannot be resumed") {
		t.Error("produce cannot keep its position in the image")
	}

	made.servesThePage(t, broker.Addr(), db.DSN)

	address := kit.FreeAddress(t)
	consumer := kit.Start(t, made.command(services["consumer"].Command, append(servers, "TIDEMARK_HTTP_ADDRESS="+address)))
	check := services["consumer"].HealthCheck.Test[2:] // behind CMD and the binary
	check = append(slices.Clone(check), "--url", "http://"+address+"/ready")
	kit.Eventually(t, time.Minute, func() (bool, string) {
		r := kit.Run(t, made.command(check, nil), time.Minute)
		return r.Code == 0, r.Output()
	})
	kit.Eventually(t, time.Minute, func() (bool, string) {
		var orders int
		err := db.DB.QueryRow("select coalesce(sum(total_orders), 0) from real_time_funnel").Scan(&orders)
		if err != nil || orders != 50 {
			return false, consumer.Output()
		}
		return true, ""
	})
	consumer.Signal(t, os.Interrupt)
	if r := consumer.Wait(t, time.Minute); r.Code != 0 {
		t.Errorf("consume ends with exit code %d", r.Code)
	}
	if r := kit.Run(t, made.command(check, nil), time.Minute); r.Code == 0 {
		t.Error("a consumer that has ended is well")
	}
	if after := made.files(t); !slices.Equal(before, after) {
		t.Errorf("files of the image before %v, after %v", before, after)
	}
	if stores, err := os.ReadDir(filepath.Join(made.root, "state")); err != nil || len(stores) == 0 {
		t.Errorf("/state has nothing: %v", err)
	}
}

// servesThePage starts the live page with its login that only reads, and asks it as the
// container's health check does.
func (m *image) servesThePage(t *testing.T, brokers, dsn string) {
	t.Helper()
	reader, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	stackLogins(t, reader, nil)
	reader.User = url.UserPassword("page", "page")
	s := project(t).Services["page"]
	address := kit.FreeAddress(t)
	here := strings.NewReplacer("0.0.0.0:4040", address, "127.0.0.1:4040", address)
	replaced := func(args []string) []string {
		args = slices.Clone(args)
		for i := range args {
			args[i] = here.Replace(args[i])
		}
		return args
	}
	kit.Start(t, m.command(replaced(s.Command), []string{"KAFKA_BROKERS=" + brokers, "POSTGRES_DSN=" + reader.String()}))
	kit.Eventually(t, time.Minute, func() (bool, string) {
		r := kit.Run(t, m.command(replaced(s.HealthCheck.Test[2:]), nil), time.Minute)
		return r.Code == 0, r.Output()
	})
}

// static makes sure that a binary asks for no interpreter and no library.
func static(t testing.TB, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s asks for an interpreter", path)
		}
	}
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("%s asks for %v", path, libraries)
	}
}

// The compiler in the image is as new as go.mod wants it.
func TestImageCompiles(t *testing.T) {
	has := regexp.MustCompile(`(?m)^FROM golang:([0-9.]+)-bookworm AS build$`).FindStringSubmatch(read(t, "Dockerfile"))
	wants := regexp.MustCompile(`(?m)^go ([0-9.]+)$`).FindStringSubmatch(read(t, "go.mod"))
	if has == nil || wants == nil || version.Compare("go"+has[1], "go"+wants[1]) < 0 {
		t.Errorf("the Dockerfile has %v, go.mod wants %v", has, wants)
	}
}

// .dockerignore leaves in all that the binary is made of.
func TestBuildContextIsWhole(t *testing.T) {
	kept := map[string]bool{}
	var left []string
	for line := range strings.Lines(read(t, ".dockerignore")) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "!"); ok {
			kept[name] = true
		} else if line != "" && line[0] != '#' {
			left = append(left, line)
		}
	}
	if want := []string{"*", "**/*_test.go", "**/testdata"}; !slices.Equal(left, want) {
		t.Fatalf("it leaves out %v, and this test knows %v", left, want)
	}
	list := exec.Command("go", "list", "-deps", "-json=Dir,Module,GoFiles,EmbedFiles", "./cmd/tidemark")
	list.Dir, list.Env = kit.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"go.mod", "go.sum"}
	for all := json.NewDecoder(strings.NewReader(string(out))); all.More(); {
		var p struct {
			Dir                 string
			Module              *struct{ Main bool }
			GoFiles, EmbedFiles []string
		}
		if err := all.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(kit.Root(t), p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			files = append(files, filepath.ToSlash(filepath.Join(dir, f)))
		}
	}
	if len(files) < 100 {
		t.Fatalf("only %d files", len(files))
	}
	for _, f := range files {
		top, _, _ := strings.Cut(f, "/")
		if !kept[top] || strings.HasSuffix(f, "_test.go") || strings.Contains(f, "testdata/") {
			t.Errorf("%s is no part of the build context", f)
		}
	}
}
