package cli

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/lib/pq"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

// beside is a stream that is computed under another consumer group, with tables of its own
// in the schema of that name.
type beside struct {
	file  string
	group string // the other one
	old   statefulInput
	dsn   string // of the tables that users query
	dir   string // of state
	env   map[string]string
	text  string // the stream's, with the other group
}

func replayBeside(c *ucli.Context) error {
	dir, err := stateDir(c)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	switch {
	case c.IsSet(fromName):
		err = fmt.Errorf("--%s reads from the start: it does not go with --%s", asName, fromName)
	case c.Bool(noPostgresName):
		err = fmt.Errorf("--%s keeps its rows in Postgres: it does not go with --%s", asName, noPostgresName)
	case !c.IsSet(fileName):
		err = fmt.Errorf("--%s computes one stream: name its file with --%s", asName, fileName)
	case c.Bool(switchName) && !c.Bool("yes"):
		err = fmt.Errorf("--%s deletes the old rows and state: repeat it with --yes", switchName)
	}
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	leave, err := enterWorkspace(c, fileName)
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	defer leave()
	b, err := newBeside(c.String(fileName), c.String(asName), c.String(dsnName), dir, c.String(brokersName))
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	if c.Bool(switchName) {
		err = b.change(c)
	} else {
		ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		err = b.run(ctx, c)
	}
	if err != nil {
		return ucli.Exit(err.Error(), 1)
	}
	return nil
}

// newBeside reads the stream, and makes of it the one that runs beside.
func newBeside(file, group, dsn, dir, brokers string) (*beside, error) {
	b := &beside{file: file, group: group, dsn: dsn, dir: dir}
	if len(group) == 0 || len(group) > 63 {
		return nil, fmt.Errorf("--%s %q names a schema of Postgres too, which takes 63 bytes at most", asName, group)
	}
	b.env = map[string]string{
		"KAFKA_BROKERS": brokers, "POSTGRES_DSN": withSearchPath(dsn, group), stateDirEnv: dir, "TIDEMARK_STOP_AT_END": "true",
	}
	text, err := streamText(file)
	if err != nil {
		return nil, err
	}
	found, err := statefulInputsOf(text, b.env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	found = slices.DeleteFunc(found, func(in statefulInput) bool { return in.input != inputOnKafka })
	if len(found) != 1 {
		return nil, fmt.Errorf("%s holds %d streams with state (input stateful_kafka): want one", file, len(found))
	}
	if b.old = found[0]; b.old.group == group {
		return nil, fmt.Errorf("--%s %s is the consumer group of %s itself: name another one", asName, group, file)
	}
	if b.text, err = besideText(text, group); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := onlyBeside(b.text, b.env); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}

// withSearchPath is a connection string whose tables lie in a schema.
func withSearchPath(dsn, schema string) string {
	quoted := pq.QuoteIdentifier(schema)
	if u, err := url.Parse(dsn); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		q := u.Query()
		q.Set("search_path", quoted)
		u.RawQuery = q.Encode()
		return u.String()
	}
	return dsn + " search_path='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(quoted) + "'"
}

// besideText is a stream's config with another consumer group, that ends with its topics.
// Its outputs must take their database from the environment.
func besideText(text, group string) (string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return "", err
	}
	eachComponent(&doc, inputOnKafka, func(settings *yaml.Node) {
		setScalar(settings, "consumer_group", group, "!!str")
		setScalar(settings, "stop_at_end", "true", "!!bool")
	})
	var own error
	eachComponent(&doc, "pg_upsert", func(settings *yaml.Node) {
		eachField(settings, "dsn", func(dsn *yaml.Node) {
			if !strings.Contains(dsn.Value, "${POSTGRES_DSN") {
				own = fmt.Errorf("line %d: an output pg_upsert names its database itself: --%s needs dsn: ${POSTGRES_DSN}, to give it other tables", dsn.Line, asName)
			}
		})
	})
	if own != nil {
		return "", own
	}
	changed, err := yaml.Marshal(&doc)
	return string(changed), err
}

// onlyBeside makes sure that a run of the stream writes to Postgres only: what it says to
// others would be said twice.
func onlyBeside(text string, env map[string]string) error {
	harmless := []string{"pg_upsert", "switch", "broker", "fallback", "retry", "reject", "reject_errored", "drop", "drop_on", "stdout", "resource"}
	b := service.NewStreamBuilder()
	b.SetEnvVarLookupFunc(lookup(env))
	if err := b.SetYAML(text); err != nil {
		return err
	}
	return b.WalkComponents(func(w *service.WalkedComponent) error {
		if w.ComponentType != "output" {
			return nil
		}
		if !slices.Contains(harmless, w.Name) {
			return fmt.Errorf("output %s would be written a second time: --%s is for streams that write to Postgres only", w.Name, asName)
		}
		return nil
	})
}

// run computes the stream to the end of its topics and compares its rows with the old. One
// that was interrupted goes on where it was.
func (b *beside) run(ctx context.Context, c *ucli.Context) error {
	db, err := pg.Open(ctx, b.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := b.tables(ctx, db); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tidemark-replay-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, filepath.Base(b.file))
	if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s: computing %s from the start of its topics, beside the old rows\n", b.group, b.old.group)
	if err := runStream(ctx, file, b.env, c.App.ErrWriter, nil); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: repeated, it goes on where it was")
	}
	if err := withKafka(c, func(client *kgo.Client) error { return b.compare(ctx, db, client, c.App.Writer) }); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "To look closer: set search_path to %s. To let it take the place of %s: stop that, and repeat this with --%s --yes\n",
		pq.QuoteIdentifier(b.group), b.old.group, switchName)
	return nil
}

// tables makes the schema with the shipped tables and views, and with tables like those of
// the user's own that have rows of streams.
func (b *beside) tables(ctx context.Context, db *sql.DB) error {
	schema := pq.QuoteIdentifier(b.group)
	if _, err := db.ExecContext(ctx, "create schema if not exists "+schema); err != nil {
		return fmt.Errorf("create schema %s: %w", b.group, err)
	}
	own, err := pg.Open(ctx, b.env["POSTGRES_DSN"])
	if err != nil {
		return err
	}
	defer own.Close()
	if _, err = pg.Migrate(ctx, own); err != nil {
		return err
	}
	names, err := windowTables(ctx, db)
	if err != nil {
		return fmt.Errorf("find the tables: %w", err)
	}
	for _, name := range names { // schema and name, quoted
		_, table, _ := strings.Cut(name, ".")
		if _, err := db.ExecContext(ctx, "create table if not exists "+schema+"."+table+" (like "+name+" including all)"); err != nil {
			return fmt.Errorf("create table %s.%s: %w", b.group, table, err)
		}
	}
	return nil
}
