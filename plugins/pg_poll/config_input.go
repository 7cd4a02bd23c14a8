package pgpoll

import (
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/postgres"
)

const (
	fieldDSN       = "dsn"
	fieldQuery     = "query"
	fieldInterval  = "interval"
	fieldExclusive = "exclusive"
	fieldStopAtEnd = "stop_at_end"
)

// config is the parsed configuration of one input.
type config struct {
	server    pq.Config
	query     string
	interval  time.Duration // from the beginning of a poll to that of the next
	exclusive string        // "" for none
	stopAtEnd bool
}

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Categories("Services").
		Summary("Asks PostgreSQL the same question again and again: each row of an answer is a message.").
		Description(`
The rows of an answer are one batch, in their order. A message is a JSON object by column name: numbers as they are stored, a `+"`timestamptz`"+` as an RFC 3339 text in UTC, an array as an array, `+"`json`"+` as what it holds. An answer without rows is no message. A column of a type that JSON does not have is written as Postgres writes it; cast it in the query for another form.

The query stands in a `+"`select`"+` of ours. So it is a `+"`select`"+` itself, without data-modifying `+"`with`"+`; a function that it calls may write, and each poll is a transaction of its own. All rows of an answer are in memory: put a limit where they may be many.

### What has been seen

The input remembers nothing: the question itself has to leave out what is done with, such as rows for which another table has a mark. That mark is made by the output, or is the output's own row. So a stream goes on after a crash where Postgres says that it stands.

### Delivery guarantees

The next poll begins when all messages of the one before are acknowledged. A batch that is rejected is delivered again. After a crash the query is asked anew, and what had no mark yet comes again: at least once.

While Postgres is away, the input tries again with growing pauses and logs a line at most every 30 seconds. A query that cannot work, say for want of a table, stops the stream.`).
		Field(service.NewStringField(fieldDSN).
			Description("The database: a URL or `key=value` pairs, as libpq reads them. Special characters of a password in a URL are percent-encoded. Without `sslmode` the server must speak TLS.").
			Secret().
			Example("${POSTGRES_DSN}")).
		Field(service.NewStringField(fieldQuery).
			Description("What to ask.").
			Example("select id, state from tickets where not told order by id limit 100").
			LintRule(`root = if this.trim() == "" { [ "must not be empty" ] }`)).
		Field(host.DurationField(fieldInterval, "The time from the beginning of a poll to that of the next. The next is late where the messages take longer.").
			Default("1s")).
		Field(service.NewStringField(fieldExclusive).
			Description("The name of a lock: of all inputs on the database with this name, in whichever process, one polls. Another takes its place when its connection ends. The lock belongs to a session, so a pooler in front of Postgres must keep sessions apart. Empty for none.").
			Default("").
			Example("tidemark-alerts")).
		Field(service.NewBoolField(fieldStopAtEnd).
			Description("Poll without pauses, and end when an answer has no rows, or when another input has the `exclusive` lock.").
			Default(false)).
		Field(service.NewAutoRetryNacksToggleField()).
		LintRule("root = [\n  "+host.LintLongerThanZero(fieldInterval)+"\n]").
		Example("Tickets that nobody was told of",
			"The output leaves the mark that the query looks for.",
			`
input:
  pg_poll:
    dsn: postgres://tidemark:tidemark@localhost:5432/tidemark?sslmode=disable
    query: |
      select t.id as ticket_id, t.state
      from tickets as t
      where not exists (select from told where told.ticket_id = t.id)
      order by t.id
      limit 100
    interval: 5s
    exclusive: tickets
output:
  broker:
    pattern: fan_out_sequential
    outputs:
      - http_client: { url: http://localhost:8080/tickets, verb: POST }
      - pg_upsert:
          dsn: postgres://tidemark:tidemark@localhost:5432/tidemark?sslmode=disable
          table: told
          key: [ ticket_id ]
          columns: [ ticket_id ]
          ledger: false
          dead_letters: ""
`)
}

func parseConfig(conf *service.ParsedConfig) (c config, err error) {
	dsn, err := conf.FieldString(fieldDSN)
	if err != nil {
		return c, err
	}
	if c.server, err = postgres.ParseDSN(dsn); err != nil {
		return c, fmt.Errorf("%s: %w", fieldDSN, err)
	}
	if c.query, err = conf.FieldString(fieldQuery); err != nil {
		return c, err
	}
	if strings.TrimSpace(c.query) == "" {
		return c, fmt.Errorf("%s: must not be empty", fieldQuery)
	}
	interval, err := host.Duration(conf, fieldInterval)
	if err != nil {
		return c, err
	}
	if c.interval = interval.Std(); c.interval == 0 {
		return c, fmt.Errorf("%s: must be longer than 0", fieldInterval)
	}
	if c.exclusive, err = conf.FieldString(fieldExclusive); err != nil {
		return c, err
	}
	c.stopAtEnd, err = conf.FieldBool(fieldStopAtEnd)
	return c, err
}
