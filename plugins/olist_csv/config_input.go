package olistcsv

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // zones by name, also where the system has none

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
)

const (
	fieldDir        = "dataset_dir"
	fieldSpeed      = "speed"
	fieldMaxGap     = "max_gap"
	fieldLimit      = "limit"
	fieldStartFrom  = "start_from"
	fieldUntil      = "until"
	fieldTimezone   = "timezone"
	fieldRebase     = "rebase"
	fieldValidate   = "validate"
	fieldDuplicates = "duplicates"
	fieldDisorder   = "disorder"
	fieldLate       = "late"
	fieldSeed       = "seed"
	fieldBatch      = "batch_size"
	fieldCheckpoint = "checkpoint"
	fieldPath       = "path"
	fieldResume     = "resume"
	fieldTarget     = "target"
)

// rebaseNow is the one way to rebase.
const rebaseNow = "now"

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Beta().
		Categories("Local").
		Summary("Replays the CSV files of the Olist data as order, item and payment events, in event-time order.").
		Description(description).
		Example("A lively replay", "Five hundred orders at an hour a second, with a few duplicates, cut to waits of 100 ms.", `
input:
  olist_csv:
    dataset_dir: ./dataset
    limit: 500
    speed: "3600"
    max_gap: 100ms
    duplicates: 0.02
`).
		Field(service.NewStringField(fieldDir).
			Description("The folder of the CSV files.").
			Default("./dataset")).
		Field(service.NewStringField(fieldSpeed).
			Description("Event-time seconds in a wall second; `max` or 0 is as fast as possible.").
			Default("max").Example("10").
			LintRule(`root = if this != "max" && this.number().catch(-1) < 0 { "speed is max or a number of at least 0" }`)).
		Field(durationField(fieldMaxGap, "The longest wait between two events, in wall time; 0s is no bound. Event times stay as they are.").
			Default("0s").Example("100ms")).
		Field(service.NewIntField(fieldLimit).
			Description("Replay the first orders by purchase time only, with all their items and payments; 0 is all.").
			Default(0).
			LintRule(`root = if this < 0 { "limit must not be negative" }`)).
		Field(service.NewStringField(fieldStartFrom).
			Description("Leave out orders purchased before this time. Empty leaves out none.").
			Default("").Example("2017-06-01").Example("2017-06-01T12:00:00Z")).
		Field(service.NewStringField(fieldUntil).
			Description("End before the first event that is due at this time of the files or later; the rest is left to a replay that [goes on](#resuming). Empty goes to the end.").
			Default("").Example("2018-08-22")).
		Field(service.NewStringField(fieldTimezone).
			Description("The zone of times that have none, in the files, in `start_from` and in `until`.").
			Default("UTC").Example("America/Sao_Paulo")).
		Field(service.NewStringEnumField(fieldRebase, "", rebaseNow).
			Description("`now` shifts all times so that at speed 1 the first event, at any other speed the last one, is now.").
			Default("")).
		Field(service.NewBoolField(fieldValidate).
			Description("Reject rows that break the rules. Without it everything is sent that an event can be made of.").
			Default(true)).
		Field(shareField(fieldDuplicates, "The share of events that are sent a second time, up to 60 s of event time after the first.")).
		Field(durationField(fieldDisorder, "Hold each event back by a random span of event time up to this, so that later ones overtake it. Its event time stays.").
			Default("0s").Example("60s")).
		Field(shareField(fieldLate, "The share of events that are held back by 30 to 60 minutes of event time, or to the end of the replay where that comes first.")).
		Field(service.NewIntField(fieldSeed).
			Description("Makes another choice of what is duplicated, displaced and late. The same seed makes the same choice.").
			Default(1)).
		Field(service.NewIntField(fieldBatch).
			Description("The most messages in a batch.").
			Default(500).
			Advanced().
			LintRule(`root = if this < 1 { "batch_size must be at least 1" }`)).
		Field(checkpointField()).
		Field(service.NewAutoRetryNacksToggleField())
}

func checkpointField() *service.ConfigField {
	return service.NewObjectField(fieldCheckpoint,
		service.NewStringField(fieldPath).
			Description("The file of the position, written each second and at the end. Empty keeps none.").
			Default("").Example(".tidemark/state/produce.json"),
		service.NewBoolField(fieldResume).
			Description("Go on behind the position in the file. Without it the replay begins anew, and so it does where there is no file.").
			Default(false),
		service.NewStringField(fieldTarget).
			Description("A name of what the output writes to, such as the id of a Kafka cluster. A position with another name does not count: the replay begins anew.").
			Default("").Advanced(),
	).Description("Where to keep how far the replay has come: see [Resuming](#resuming). One input has a file at a time.").
		LintRule(`root = if this.resume.or(false) == true && this.path.or("") == "" { "resume needs the path of the position" }`)
}

func durationField(name, description string) *service.ConfigField {
	return service.NewStringField(name).Description(description).
		LintRule(`root = if !this.re_match("^([0-9.]+d)?([0-9.]+(ms|h|m|s))*$") || this == "" { "` + name + ` is a duration such as 100ms, 60s or 1d" }`)
}

func shareField(name, description string) *service.ConfigField {
	return service.NewFloatField(name).Description(description).Default(0.0).
		LintRule(`root = if this < 0 || this > 1 { "` + name + ` is a share from 0 to 1" }`)
}

// config is the parsed configuration.
type config struct {
	dir        string
	options    Options    // with the injection
	until      event.Time // event.MaxTime: to the end
	speed      float64
	maxGap     time.Duration
	rebase     bool
	batch      int
	checkpoint checkpoint
}

type checkpoint struct {
	path   string
	resume bool
	target string
}

func parseConfig(p *service.ParsedConfig) (c config, err error) {
	if c.dir, err = p.FieldString(fieldDir); err != nil {
		return c, err
	}
	if c.batch, err = p.FieldInt(fieldBatch); err != nil {
		return c, err
	}
	if c.batch < 1 {
		return c, fmt.Errorf("%s must be at least 1", fieldBatch)
	}
	if err := c.parsePace(p); err != nil {
		return c, err
	}
	if c.options, err = parseOptions(p); err != nil {
		return c, err
	}
	if c.options.Injection, err = parseInjection(p); err != nil {
		return c, err
	}
	if c.until, err = fileTime(p, fieldUntil, c.options.Location, event.MaxTime); err != nil {
		return c, err
	}
	c.checkpoint, err = parseCheckpoint(p.Namespace(fieldCheckpoint))
	return c, err
}

func parseCheckpoint(p *service.ParsedConfig) (c checkpoint, err error) {
	if c.path, err = p.FieldString(fieldPath); err != nil {
		return c, err
	}
	if c.resume, err = p.FieldBool(fieldResume); err != nil {
		return c, err
	}
	if c.target, err = p.FieldString(fieldTarget); err != nil {
		return c, err
	}
	if c.resume && c.path == "" {
		return c, fmt.Errorf("%s.%s needs the %s of the position", fieldCheckpoint, fieldResume, fieldPath)
	}
	return c, nil
}

func (c *config) parsePace(p *service.ParsedConfig) error {
	speed, err := p.FieldString(fieldSpeed)
	if err != nil {
		return err
	}
	if c.speed, err = replay.ParseSpeed(speed); err != nil {
		return err
	}
	maxGap, err := span(p, fieldMaxGap)
	if err != nil {
		return err
	}
	c.maxGap = maxGap.Std()
	rebase, err := p.FieldString(fieldRebase)
	if err != nil {
		return err
	}
	if rebase != "" && rebase != rebaseNow {
		return fmt.Errorf("%s is %q: it can only be %s", fieldRebase, rebase, rebaseNow)
	}
	c.rebase = rebase == rebaseNow
	return nil
}

func parseOptions(p *service.ParsedConfig) (o Options, err error) {
	if o.Validate, err = p.FieldBool(fieldValidate); err != nil {
		return o, err
	}
	if o.Limit, err = p.FieldInt(fieldLimit); err != nil {
		return o, err
	}
	if o.Limit < 0 {
		return o, fmt.Errorf("%s must not be negative", fieldLimit)
	}
	zone, err := p.FieldString(fieldTimezone)
	if err != nil {
		return o, err
	}
	if o.Location, err = time.LoadLocation(zone); err != nil {
		return o, fmt.Errorf("%s: there is no time zone %q", fieldTimezone, zone)
	}
	o.StartFrom, err = fileTime(p, fieldStartFrom, o.Location, event.MinTime)
	return o, err
}

// fileTime is a time of the files, otherwise where the field is empty.
func fileTime(p *service.ParsedConfig, name string, zone *time.Location, otherwise event.Time) (event.Time, error) {
	text, err := p.FieldString(name)
	if err != nil || text == "" {
		return otherwise, err
	}
	at, ok := ParseTime(text, zone)
	if !ok {
		return 0, fmt.Errorf("%s: %q is not a time such as 2017-06-01 or 2017-06-01T12:00:00Z", name, text)
	}
	return at, nil
}

func parseInjection(p *service.ParsedConfig) (in replay.Injection, err error) {
	if in.Duplicates, err = share(p, fieldDuplicates); err != nil {
		return in, err
	}
	if in.Late, err = share(p, fieldLate); err != nil {
		return in, err
	}
	if in.Disorder, err = span(p, fieldDisorder); err != nil {
		return in, err
	}
	seed, err := p.FieldInt(fieldSeed)
	in.Seed = uint64(seed)
	return in, err
}

func share(p *service.ParsedConfig, name string) (float64, error) {
	f, err := p.FieldFloat(name)
	if err == nil && !(f >= 0 && f <= 1) {
		err = fmt.Errorf("%s is a share from 0 to 1", name)
	}
	return f, err
}

func span(p *service.ParsedConfig, name string) (event.Duration, error) {
	s, err := p.FieldString(name)
	if err != nil {
		return 0, err
	}
	d, err := event.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("it must not be negative")
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

const description = `
Reads ` + "`" + OrdersFile + "`, `" + ItemsFile + "` and `" + PaymentsFile + "`" + ` (columns by name, in any order) and, where they are there,
` + "`" + CustomersFile + "`" + ` for the state of the customer, ` + "`" + ProductsFile + "`" + ` for the category of a product, in English
as far as ` + "`" + TranslationsFile + "`" + ` has it, and ` + "`" + SellersFile + "`" + ` for the state of the seller.
What these do not tell is null. Events are sent by event time; ties go order, item, payment, then file order.

| event | topic | event time | n of its id |
|---|---|---|---|
| OrderCreated | ` + TopicOrders + ` | order_purchase_timestamp | 0 |
| OrderItemAdded | ` + TopicItems + ` | order_purchase_timestamp of its order | order_item_id |
| PaymentReceived | ` + TopicPayments + ` | order_approved_at, status approved; where that is empty the purchase time, status unapproved | payment_sequential |

An event's id is the UUIDv5 of ` + "`topic/order_id/n`" + ` in the namespace ` + "`" + Namespace + "`" + `: the same files always make the same ids.

### Messages

An event is a structured object: times are RFC 3339 strings in UTC, money is a number with two decimals. Metadata:

- ` + "`kafka_topic`, `kafka_key`" + ` (the order id), ` + "`kafka_timestamp_ms`" + ` (the event time)
- ` + "`event_type`" + ` (OrderCreated, OrderItemAdded, PaymentReceived)
- ` + "`csv_file`, `csv_line`" + ` (the line where the row begins, from 1)

### Rejected rows

A row is rejected when it is not readable as CSV, has a number of values other than the header, is not UTF-8, has an unparsable
time or number, an empty id, status or payment type, a negative number, an amount with more than two decimals, or belongs to an
order that is unknown or was itself rejected. A row of the files of customers, products, translations and sellers that cannot be
read rejects nothing: what it would have told is null. With ` + "`validate: false`" + ` only those are rejected that no event can be made of: empty
texts and negative numbers are sent, an unparsable optional time is sent as null. Broken rows of orders that were not selected by
` + "`limit` or `start_from`" + ` are left out with their order.

A rejected row is sent, before all events, as an object with ` + "`file`, `line`, `reason`" + ` (always invalid), ` + "`detail`, `payload`" + ` (the row's
text) and ` + "`event_time`" + ` (null where unknown), and the metadata ` + "`kafka_topic: " + TopicDeadLetters + "`, `kafka_key`" + ` (file:line),
` + "`kafka_timestamp_ms`" + ` (the time of sending) and ` + "`event_type: RowRejected`" + `.

### Pace

The first event is sent at once, and each other one as long after it as its event time says, at the given ` + "`speed`" + `, with no gap
longer than ` + "`max_gap`" + `. Due times count from the first event: neither a timer that rings late nor a slow output adds up. An output that
stood still for a while, as when Kafka is away, is given all that fell due meanwhile as fast as it takes it, and then the schedule
goes on as if nothing had been.

### Resuming

With ` + "`checkpoint.path`" + ` the input keeps how many messages were acknowledged, all in order and none left out, in a small file, which is
replaced as a whole. With ` + "`checkpoint.resume`" + ` it goes on there: after a clean stop nothing is sent again, after a kill at most what
was sent in the last second, with the same ids. The next event is sent at once and the schedule counts from it, so what the
replay missed meanwhile makes no burst. Event times are shifted as before by ` + "`rebase`" + `. Files and options must be the same as far as
they decide what is sent in which order, or the input refuses to start and says what differs; ` + "`speed`, `max_gap`, `until` and `batch_size`" + ` are
free. So one replay sends the past ` + "`until`" + ` some day at full speed, and the next goes on from there at a pace.

### Delivery

Every message is delivered at least once; one that the output refuses is sent again. Without ` + "`checkpoint`" + ` a replay that was
stopped begins anew, with the same ids. When all is acknowledged the input ends. A missing file, or one without the right header,
ends the stream with an error.

The selected rows are kept in memory: for an order with an item and a payment, as the data has them, at most 280 bytes, and half as
much again until the collector has run. A rejected row takes its text and about 200 bytes.`
