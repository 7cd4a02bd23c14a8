package host

import "github.com/redpanda-data/benthos/v4/public/service"

const (
	fieldOnChange = "on_change"
	changeRefuse  = "refuse"
	changeReset   = "reset"
)

// OnChangeField describes what becomes of the state of an operator whose definition has
// changed. Every operator that is a task.Definer has it; the host reads it.
func OnChangeField() *service.ConfigField {
	return service.NewStringAnnotatedEnumField(fieldOnChange, map[string]string{
		changeRefuse: "the stream does not start, and says what has changed",
		changeReset:  "the operator starts afresh, without any state; the others keep theirs",
	}).Description("What happens where the operator has state of another definition than this: of other values in the fields that *Changes of a running stream* names. `reset` may stay in the config: it does nothing as long as the definition is the same.").
		Default(changeRefuse).Advanced()
}

// resets reads an OnChangeField; false where the operator has none.
func resets(conf *service.ParsedConfig) (bool, error) {
	if !conf.Contains(fieldOnChange) {
		return false, nil
	}
	mode, err := conf.FieldString(fieldOnChange)
	return mode == changeReset, err
}
