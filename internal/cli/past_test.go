package cli

import (
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/pg"
	"github.com/tidemark-streams/tidemark/internal/survey"
)

// The demo refuses state without rows and rows without state.
func TestSamePast(t *testing.T) {
	db := open(t, startPostgres(t))
	cluster, client := fakeKafka(t)
	check := func(want string, groups ...string) {
		t.Helper()
		err := samePast(t.Context(), client, db, groups)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v, want %q", groups, err, want)
		}
	}
	check("", "a", "b") // there are no tables yet
	if _, err := pg.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	check("", "a", "b")
	written(t, db, "b")
	check("rows of b, and this Kafka none of the state", "a", "b")
	for _, group := range []string{"a", "b"} {
		if err := cluster.CreateTopic(survey.ChangelogTopic(group), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	check("state of a, and this Postgres none of the rows", "a", "b")
	written(t, db, "a")
	check("", "a", "b")
}
