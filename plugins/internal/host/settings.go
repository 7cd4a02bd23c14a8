package host

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Names of the settings that the stateful inputs share.
const (
	FieldBatchSize      = "batch_size"
	FieldRowsPerMessage = "rows_per_message"
	FieldEmitInterval   = "emit_interval"
	FieldCommitInterval = "commit_interval"
	FieldWatermark      = "watermark"
	FieldCacheSize      = "cache_size"
	FieldProcessors     = "processors"
	FieldDropState      = "drop_state"

	fieldOutOfOrderness = "max_out_of_orderness"
	fieldMaxFuture      = "max_future"
)

const lintAtLeastOne = `root = if this < 1 { ["must be at least 1"] }`

// BatchSizeField describes Options.BatchSize.
func BatchSizeField() *service.ConfigField {
	return service.NewIntField(FieldBatchSize).Description("The most records that are processed in one go and the most rows of a batch. It changes speed, not results.").Default(1024).
		LintRule(lintAtLeastOne).Advanced()
}

// RowsPerMessageField describes Options.RowsPerMessage.
func RowsPerMessageField() *service.ConfigField {
	return service.NewIntField(FieldRowsPerMessage).Description("The most rows of one message, and no more than a batch holds. With more than one, results leave as described under *Many rows in a message*.").Default(1).
		LintRule(lintAtLeastOne).Advanced()
}

// EmitIntervalField describes Options.EmitInterval.
func EmitIntervalField() *service.ConfigField {
	return DurationField(FieldEmitInterval, "The longest time that a changed window waits to be emitted under load.").Default("1s").Advanced()
}

// CommitIntervalField describes Options.CommitInterval.
func CommitIntervalField(description string) *service.ConfigField {
	return DurationField(FieldCommitInterval, description).Default("1s")
}

// OutOfOrdernessField describes Options.MaxOutOfOrderness. It belongs to the watermark.
func OutOfOrdernessField(description string) *service.ConfigField {
	return DurationField(fieldOutOfOrderness, description).Default("2m")
}

// MaxFutureField describes Options.MaxFuture. It belongs to the watermark.
func MaxFutureField() *service.ConfigField {
	return DurationField(fieldMaxFuture, "How far beyond the wall clock an event time may lie; later ones become dead letters.").Default("10m")
}

// CacheSizeField describes the size of a state.Cache.
func CacheSizeField() *service.ConfigField {
	return service.NewStringField(FieldCacheSize).Description("Memory that the tasks of this process share for state that is on the disk too, such as `64MiB`. State that changed since the last commit, and the ids of `dedup` (some 13 bytes each), come on top.").Default("64MiB").
		LintRule(`root = if !this.string().trim().re_match("(?i)^[0-9.,]+ ?([kmgtpe]i?b?|b)?$") { ["%q is not a size such as 64MiB".format(this)] }`).Advanced()
}

// ProcessorsField describes the operators.
func ProcessorsField() *service.ConfigField {
	return service.NewProcessorListField(FieldProcessors).Description("Operators and processors, run once per task.").Default([]any{})
}

// DropStateField describes the labels whose state task.FitTo may drop.
func DropStateField() *service.ConfigField {
	return service.NewStringListField(FieldDropState).Description("Labels of operators that are gone from `processors`, and whose state goes with them, for ever. Without its name here, the state of an operator that is gone keeps the stream from starting: it may just have got another label. Once the state is dropped the name does nothing.").Default([]any{}).Advanced()
}

// CheckDropState refuses labels of operators that are there.
func CheckDropState(labels []string, defined []task.Defined) error {
	for _, d := range defined {
		if i := slices.Index(labels, d.Label); i >= 0 {
			return fmt.Errorf("%s.%d: the operator %q is there: its on_change: reset starts it afresh when it changes", FieldDropState, i, d.Label)
		}
	}
	return nil
}

// Changes is the part of a description that tells of operators whose config changes.
const Changes = `### Changes of a running stream

State belongs to the label of its operator: a stream whose config changes, by a reload or a restart, goes on with the state of all operators that it still has; give each a label, since without one it is named by its place. What comes before and behind operators (decoders, mappings, conditions of outputs, the outputs themselves) may change freely, and what was counted before stays counted. An operator that is new starts empty. One whose own definition has changed keeps the stream from starting, unless its ` + "`on_change`" + ` is ` + "`reset`" + `; so does one that is gone, unless ` + "`drop_state`" + ` names it. The state is whole in either case: the former config goes on with it.`

// ManyRows is the part of a description that tells of RowsPerMessageField.
const ManyRows = `### Many rows in a message

A message costs Benthos and the outputs many times what a row costs a task. With ` + "`rows_per_message`" + ` above 1, a message carries up to that many rows of one operator, and the metadata of the last of them; as bytes it is a JSON array of the objects that single messages would hold. ` + "`pg_upsert`" + ` takes such messages as they are, with the same rows in the same tables as otherwise, and ` + "`switch`" + ` can tell them apart by their metadata. Bloblang does not look inside and finds every field null: leave it at 1 where a processor, or a condition of an output, reads fields of a row, or where an output writes one message for each row. Dead letters are always messages of their own.`

// ParseOptions reads the settings that these fields describe. Errors begin with the
// field's path.
func ParseOptions(conf *service.ParsedConfig) (o Options, err error) {
	for field, n := range map[string]*int{FieldBatchSize: &o.BatchSize, FieldRowsPerMessage: &o.RowsPerMessage} {
		if *n, err = conf.FieldInt(field); err != nil {
			return o, err
		}
		if *n < 1 {
			return o, fmt.Errorf("%s: must be at least 1", field)
		}
	}
	commit, err := LongerThanZero(conf, FieldCommitInterval)
	if err != nil {
		return o, err
	}
	emit, err := Duration(conf, FieldEmitInterval)
	if err != nil {
		return o, err
	}
	future, err := durationAt(conf, FieldWatermark, fieldMaxFuture)
	if err != nil {
		return o, err
	}
	o.EmitInterval, o.CommitInterval, o.MaxFuture = emit.Std(), commit.Std(), future.Std()
	o.MaxOutOfOrderness, err = durationAt(conf, FieldWatermark, fieldOutOfOrderness)
	return o, err
}

// durationAt is Duration whose errors begin with the whole path.
func durationAt(conf *service.ParsedConfig, path ...string) (event.Duration, error) {
	d, err := Duration(conf, path...)
	if err == nil || len(path) == 1 {
		return d, err
	}
	return 0, fmt.Errorf("%s.%w", strings.Join(path[:len(path)-1], "."), err)
}

// LongerThanZero reads a DurationField that must not be 0. Errors begin with the path.
func LongerThanZero(conf *service.ParsedConfig, path ...string) (event.Duration, error) {
	d, err := durationAt(conf, path...)
	if err == nil && d < 1 {
		err = fmt.Errorf("%s: must be longer than 0", strings.Join(path, "."))
	}
	return d, err
}

// LintLongerThanZero is an element of a list in a lint rule of the whole input: what is
// wrong with a field that LongerThanZero reads. Whether a text is a duration at all is for
// its field to say.
func LintLongerThanZero(path string) string {
	return fmt.Sprintf(`if this.%s.or("1s").string().re_match("^([0.]+[a-zµ]*)+$") { "%s: must be longer than 0" }`, path, path)
}

// minCache is below what Pebble works with.
const minCache = 1 << 20

// CacheSize reads the number of bytes that CacheSizeField names.
func CacheSize(conf *service.ParsedConfig) (int64, error) {
	text, err := conf.FieldString(FieldCacheSize)
	if err != nil {
		return 0, err
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n < minCache || n > math.MaxInt64 {
		return 0, fmt.Errorf("%s: %q is not a size of %s at least, such as 64MiB", FieldCacheSize, text, humanize.IBytes(minCache))
	}
	return int64(n), nil
}
