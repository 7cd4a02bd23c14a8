package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/survey"
	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

// past gives a group offsets, a changelog and a local store in dir.
func past(t *testing.T, client *kgo.Client, dir, group string) {
	t.Helper()
	ctx := context.Background()
	adm := kadm.NewClient(client)
	if _, err := adm.CreateTopic(ctx, 2, 1, nil, survey.ChangelogTopic(group)); err != nil {
		t.Fatal(err)
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset(olistcsv.TopicItems, 0, 7, -1)
	if err := adm.CommitAllOffsets(ctx, group, offsets); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, group, "0")
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(store, "CURRENT"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// left tells what a group has of the past.
func left(t *testing.T, client *kgo.Client, dir, group string) string {
	t.Helper()
	ctx := context.Background()
	var has []string
	offsets, err := kadm.NewClient(client).FetchOffsets(ctx, group)
	if err == nil {
		_, found := offsets.Lookup(olistcsv.TopicItems, 0)
		if found {
			has = append(has, "offsets")
		}
	}
	if there, err := topicExists(ctx, client, survey.ChangelogTopic(group)); err != nil {
		t.Fatal(err)
	} else if there {
		has = append(has, "changelog")
	}
	if isDir(filepath.Join(dir, group)) {
		has = append(has, "folder")
	}
	return strings.Join(has, " ")
}

const all = "offsets changelog folder"

func TestStateReset(t *testing.T) {
	cluster, client := fakeKafka(t)
	if err := cluster.CreateTopic(olistcsv.TopicItems, 2, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, group := range []string{"tidemark-gmv", "tidemark-funnel", "mine", "mine-too"} {
		past(t, client, dir, group)
	}
	t.Setenv("KAFKA_BROKERS", strings.Join(cluster.ListenAddrs(), ","))
	t.Setenv(stateDirEnv, dir)
	reset := func(fails string, args ...string) string {
		t.Helper()
		out, err := run(t, stateCommand(), append([]string{"reset", "--no-postgres"}, args...)...)
		switch {
		case fails == "" && err != nil:
			t.Fatal(err)
		case fails != "" && (err == nil || !strings.Contains(err.Error(), fails) || strings.Contains(err.Error(), "\n")):
			t.Fatalf("%v, want one line with %q", err, fails)
		}
		return out
	}
	expect := func(want map[string]string) {
		t.Helper()
		for group, w := range want {
			if got := left(t, client, dir, group); got != w {
				t.Errorf("%s has %q, want %q", group, got, w)
			}
		}
	}

	reset("--yes")
	reset("cannot name a folder", "--yes", "--consumer-group", "..")
	reset("cannot name a folder", "--yes", "--consumer-group", ".")
	reset("/nonesuch holds no stream", "--yes", "--streams", "/nonesuch")

	// A member of one group protects all that are named.
	member, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumerGroup("mine"),
		kgo.InstanceID("host-0"), kgo.ConsumeTopics(olistcsv.TopicItems))
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	for id := ""; id == ""; id, _ = member.GroupMetadata() {
		ctx, done := context.WithTimeout(context.Background(), topicGonePause)
		member.PollFetches(ctx)
		done()
	}
	reset("consumers run in mine (host-0 at 127.0.0.1", "--yes", "--consumer-group", "mine-too", "--consumer-group", "mine")
	expect(map[string]string{"tidemark-gmv": all, "tidemark-funnel": all, "mine": all, "mine-too": all})

	if out, want := reset("", "--yes", "--consumer-group", "mine-too"),
		"mine-too: deleted its offsets, topic mine-too-changelog, folder "+filepath.Join(dir, "mine-too")+"\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	expect(map[string]string{"tidemark-gmv": all, "tidemark-funnel": all, "mine": all, "mine-too": ""})

	// The shipped streams, of which two have state.
	if out, want := reset("", "--yes"), "tidemark-dead-letters: nothing to delete\n"+
		"tidemark-dimensions: nothing to delete\n"+
		"tidemark-funnel: deleted its offsets, topic tidemark-funnel-changelog, folder "+filepath.Join(dir, "tidemark-funnel")+"\n"+
		"tidemark-gmv: deleted its offsets, topic tidemark-gmv-changelog, folder "+filepath.Join(dir, "tidemark-gmv")+"\n"+
		"tidemark-payments: nothing to delete\n"; out != want {
		t.Errorf("got %s\nwant %s", out, want)
	}
	expect(map[string]string{"tidemark-gmv": "", "tidemark-funnel": "", "mine": all})
	if out := reset("", "--yes"); strings.Contains(out, "deleted") {
		t.Error(out)
	}
	// What an interrupted reset has left is deleted by the next.
	if err := os.MkdirAll(filepath.Join(dir, "tidemark-gmv", "0"), 0o755); err != nil {
		t.Fatal(err)
	}
	reset("", "--yes")
	expect(map[string]string{"tidemark-gmv": ""})
}

// The database is reached before anything is deleted.
func TestStateResetNeedsItsDatabase(t *testing.T) {
	cluster, client := fakeKafka(t)
	if err := cluster.CreateTopic(olistcsv.TopicItems, 1, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	past(t, client, dir, "mine")
	if _, err := run(t, stateCommand(), "reset", "--yes", "--consumer-group", "mine", "--state-dir", dir,
		"--brokers", cluster.ListenAddrs()[0], "--dsn", "postgres://127.0.0.1:1/none?sslmode=disable"); err == nil {
		t.Error("no error")
	}
	if got := left(t, client, dir, "mine"); got != all {
		t.Errorf("it has %q left", got)
	}
}
