package fanout

import (
	"errors"
	"fmt"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const fieldProcessors = "processors"

func init() {
	host.MustRegisterOperator("fan_out", spec(), func(conf *service.ParsedConfig, env host.Env) (task.Operator, error) {
		list, err := conf.FieldObjectList()
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, errors.New("needs at least one branch")
		}
		var branches [][]task.Stage
		for i, b := range list {
			stages, err := env.Stages(b, fieldProcessors)
			if err != nil {
				return nil, fmt.Errorf("%d.%s: %w", i, fieldProcessors, err)
			}
			branches = append(branches, stages)
		}
		return New(branches), nil
	})
}

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Stable().
		Categories("Stateful").
		Summary("Gives every event to several chains of operators, so that one read, decode and deduplication serve many results.").
		Description(`
What leaves the branches leaves the operator, branch by branch. An output tells the rows apart by the metadata `+"`tidemark_operator`"+`, the label of the operator that made them.

### Delivery guarantees

Every branch sees every event once, in the same order; timers of all branches fire in the order of event time. A dead letter of any branch is one of the stream.`).
		Field(service.NewObjectListField("",
			service.NewProcessorListField(fieldProcessors).Description("The operators and processors of one branch.")).
			Description("The branches.")).
		LintRule(`root = if this.length() == 0 { ["needs at least one branch"] }`).
		Example("Two windows over one stream", "Sales by minute and by hour.", `
input:
  stateful_kafka:
    seed_brokers: [ localhost:9092 ]
    topics: [ sales ]
    consumer_group: example
    processors:
      - fan_out:
          - processors:
              - label: by_minute
                window:
                  size: 1m
                  aggregates: { total: { sum: { field: price } } }
          - processors:
              - label: by_hour
                window:
                  size: 1h
                  aggregates: { total: { sum: { field: price } } }
`)
}
