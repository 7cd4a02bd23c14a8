package host

import (
	"fmt"

	"github.com/redpanda-data/benthos/v4/public/bloblang"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
)

// Methods by which lint rules check what only our own parsers can: a method
// returns what is wrong, or null.
const (
	lintDuration  = "tidemark_lint_duration"
	lintCondition = "tidemark_lint_condition"
)

func init() {
	register := func(name string, check func(string) error) {
		bloblang.MustRegisterMethodV2(name, bloblang.NewPluginSpec().Category("Linting").Description("For lint rules: a list that says what is wrong with the text, or is empty."),
			func(*bloblang.ParsedParams) (bloblang.Method, error) {
				return bloblang.StringMethod(func(s string) (any, error) {
					if err := check(s); err != nil {
						return []any{err.Error()}, nil
					}
					return []any{}, nil
				}), nil
			})
	}
	register(lintDuration, func(s string) error {
		d, err := event.ParseDuration(s)
		if err == nil && d < 0 {
			err = fmt.Errorf("duration %q is negative", s)
		}
		return err
	})
	register(lintCondition, func(s string) error {
		_, err := filter.Parse(s)
		return err
	})
}

// named is a lint rule that puts the field's name before what method says is wrong.
// Benthos applies the rule of a list to the list and to each element; only texts are checked.
func named(field, method string) string {
	return fmt.Sprintf(`root = if this.type() == "string" { this.%s().map_each(m -> "%s: " + m) }`, method, field)
}

// DurationField describes a span of time: a Go duration in which days may stand, such as 90s or 7d.
func DurationField(name, description string) *service.ConfigField {
	return service.NewStringField(name).Description(description).LintRule(named(name, lintDuration))
}

// Duration reads a DurationField. Errors name the field.
func Duration(conf *service.ParsedConfig, path ...string) (event.Duration, error) {
	s, err := conf.FieldString(path...)
	if err != nil {
		return 0, err
	}
	d, err := event.ParseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("duration %q is negative", s)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path[len(path)-1], err)
	}
	return d, nil
}

// ConditionField describes a condition on the fields of an event.
func ConditionField(name, description string) *service.ConfigField {
	return service.NewStringField(name).
		Description(description + " Written in a subset of Bloblang: fields, literals, comparisons, `!`, `&&`, `||`, parentheses and `[…].contains(this.field)`.").
		Example(`this.payment_status == "approved"`).
		LintRule(named(name, lintCondition)).
		Optional()
}

// Condition reads a ConditionField; nil where it is absent. Errors name the field.
func Condition(conf *service.ParsedConfig, path ...string) (*filter.Expr, error) {
	if !conf.Contains(path...) {
		return nil, nil
	}
	s, err := conf.FieldString(path...)
	if err != nil {
		return nil, err
	}
	e, err := filter.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path[len(path)-1], err)
	}
	return e, nil
}

// ConditionListField describes a list of conditions.
func ConditionListField(name, description string) *service.ConfigField {
	return service.NewStringListField(name).
		Description(description + " Written like the condition of `where`.").
		Default([]any{}).
		LintRule(named(name, lintCondition))
}
