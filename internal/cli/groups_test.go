package cli

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestShippedGroups(t *testing.T) {
	folder, err := shippedFolder() // not a workspace: those inside the binary
	if err != nil {
		t.Fatal(err)
	}
	groups, err := streamGroups(folder, nil)
	if want := []string{"tidemark-dead-letters", "tidemark-dimensions", "tidemark-funnel", "tidemark-gmv", "tidemark-payments"}; err != nil || !slices.Equal(groups, want) {
		t.Errorf("%v, %v, want %v", groups, err, want)
	}
}

func TestStreamGroups(t *testing.T) {
	const input = `{ stateful_kafka: { seed_brokers: [ "b:1" ], topics: [ t ], consumer_group: %s } }`
	stateful := func(group string) string { return strings.Replace(input, "%s", group, 1) }
	const output = "\noutput: { drop: {} }\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
		fails string
	}{
		"none":      {files: map[string]string{"a.yaml": `input: { generate: { mapping: "root = 1" } }` + output}},
		"no stream": {files: map[string]string{"a.txt": "x"}},
		"sorted, each once": {
			files: map[string]string{
				"a.yaml": "input: " + stateful("z") + output, "b.yaml": "input: " + stateful("a") + output, "c.yaml": "input: " + stateful("z") + output,
				"a_benthos_test.yaml": "tests: []",
			},
			want: []string{"a", "z"},
		},
		"below another input": {
			files: map[string]string{"a.yaml": "input: { broker: { inputs: [ " + stateful("x") + ", " + stateful("y") + " ] } }" + output},
			want:  []string{"x", "y"},
		},
		"variables": {
			files: map[string]string{"a.yaml": "input: " + stateful(`"${GIVEN}-${TIDEMARK_NONESUCH:default}"`) + output},
			want:  []string{"given-default"},
		},
		"missing variable": {files: map[string]string{"a.yaml": "input: " + stateful(`"${TIDEMARK_NONESUCH}"`) + output}, fails: "a.yaml: "},
		"no config":        {files: map[string]string{"a.yaml": "input: ["}, fails: "a.yaml: "},
	} {
		t.Run(name, func(t *testing.T) {
			folder := fstest.MapFS{}
			for f, text := range c.files {
				folder[f] = &fstest.MapFile{Data: []byte(text)}
			}
			groups, err := streamGroups(folder, map[string]string{"GIVEN": "given"})
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.HasPrefix(err.Error(), c.fails)) {
				t.Fatalf("%v, want %q", err, c.fails)
			}
			if !slices.Equal(groups, c.want) {
				t.Errorf("%v, want %v", groups, c.want)
			}
		})
	}
}

func TestStreamsOnDisk(t *testing.T) {
	folder := fstest.MapFS{"a.yaml": {Data: []byte(`input: { stateful: { name: "${GIVEN}-shop", input: { generate: { mapping: "root = 1" } } } }
output: { drop: {} }`)}}
	names, err := streamNames(folder, map[string]string{"GIVEN": "my"}, inputOnDisk)
	if err != nil || !slices.Equal(names, []string{"my-shop"}) {
		t.Errorf("%v, %v", names, err)
	}
	if groups, err := streamGroups(folder, map[string]string{"GIVEN": "my"}); err != nil || len(groups) > 0 {
		t.Errorf("%v, %v", groups, err)
	}
}
