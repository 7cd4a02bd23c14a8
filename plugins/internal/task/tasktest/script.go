package tasktest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Scripts runs the scripts under a folder; -rewrite writes what they say now. A
// script has two commands:
//
//	operator topic=(field, ...) ... delay=MS
//	CONFIG
//
// makes the operator from its config; topics say what is known of its input. And
//
//	run
//	TOPIC TIME FIELD=VALUE ...   one event at the watermark that stands
//	wm TIME                      moves the watermark
//	flush                        makes the operator emit what has changed
//	end                          moves the watermark to the end of time
//	accounts                     shows what became of the events
//	keys                         shows how many keys the state has
//
// drives it. Below each line stand the rows that it made the operator emit (->) and
// reject (!!).
func Scripts(t *testing.T, folder string, build func(config string, store state.Store) (task.Operator, error)) {
	datadriven.Walk(t, folder, func(t *testing.T, path string) {
		s := &script{build: build}
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			switch td.Cmd {
			case "operator":
				return s.operator(t, td)
			case "run":
				if s.driver == nil {
					td.Fatalf(t, "no operator")
				}
				return s.run(t, td)
			}
			td.Fatalf(t, "unknown command %q", td.Cmd)
			return ""
		})
	})
}

type script struct {
	build  func(string, state.Store) (task.Operator, error)
	memory *state.Memory
	driver *Driver
	parser *Parser
}

func (s *script) operator(t *testing.T, td *datadriven.TestData) string {
	var in task.Shape
	for _, a := range td.CmdArgs {
		if a.Key == "delay" {
			ms, err := strconv.ParseInt(a.SingleVal(t), 10, 64)
			if err != nil {
				td.Fatalf(t, "%v", err)
			}
			in.Delay = event.Duration(ms)
			continue
		}
		in.Schemas = append(in.Schemas, task.Known{Topic: a.Key, Schema: event.NewSchema(a.Key, a.Vals...)})
	}
	s.memory, s.parser, s.driver = state.NewMemory(), NewParser(), nil
	op, err := s.build(td.Input, s.memory)
	if err != nil {
		return "config: " + err.Error()
	}
	if s.driver, err = newDriver(t, in, task.Stage{Label: "op", Op: op}); err != nil {
		return "bind: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "delay=%d\n", s.driver.Out.Delay)
	for _, k := range s.driver.Out.Schemas {
		fmt.Fprintf(&b, "%s(%s)\n", k.Schema.Name, strings.Join(k.Schema.Fields, ", "))
	}
	return b.String()
}

func (s *script) run(t *testing.T, td *datadriven.TestData) string {
	var b strings.Builder
	d := s.driver
	for line := range strings.Lines(td.Input) {
		line = strings.TrimSpace(line)
		fmt.Fprintln(&b, line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "wm":
			ms, err := strconv.ParseInt(rest, 10, 64)
			if err != nil {
				td.Fatalf(t, "%q: %v", line, err)
			}
			d.Advance(event.Time(ms))
		case "flush":
			d.Flush()
		case "end":
			d.End()
		case "accounts":
			for _, l := range d.Accounts() {
				fmt.Fprintf(&b, "   %s %s: %v\n", l.Operator, l.Topic, l.Counts)
			}
		case "keys":
			fmt.Fprintf(&b, "   %d\n", s.memory.Keys())
		default:
			r, err := s.parser.Row(line)
			if err != nil {
				td.Fatalf(t, "%v", err)
			}
			r.Watermark = d.watermark
			d.Add(r)
			d.Cut()
		}
		d.Balance()
		b.WriteString(d.Take())
	}
	return b.String()
}

// Take shows what was emitted and rejected since the last call, and forgets it.
func (d *Driver) Take() string {
	var b strings.Builder
	for i := range d.Sink.Rows {
		fmt.Fprintf(&b, "   -> %s\n", Text(&d.Sink.Rows[i]))
	}
	for i := range d.Sink.Rejects {
		r := &d.Sink.Rejects[i]
		fmt.Fprintf(&b, "   !! %s: %s (%s)\n", r.Reason, Text(&r.Row), r.Detail)
	}
	d.Sink.Rows, d.Sink.Rejects = slices.Delete(d.Sink.Rows, 0, len(d.Sink.Rows)), slices.Delete(d.Sink.Rejects, 0, len(d.Sink.Rejects))
	return b.String()
}
