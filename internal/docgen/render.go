package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// indexName is the page that lists the others.
const indexName = "README.md"

//go:embed page.md.tmpl
var pageText string

//go:embed index.md.tmpl
var indexText string

var (
	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"trim": strings.TrimSpace,
		"join": func(values []string) string { return "`" + strings.Join(values, "`, `") + "`" },
	}).Parse(pageText))
	indexTemplate = template.Must(template.New("index").Parse(indexText))
)

// entry is a component in the index.
type entry struct{ File, Type, Name, Summary string }

// render returns the pages of all components of env and the index, by file name.
func render(env *service.Environment) (map[string][]byte, error) {
	pages := map[string][]byte{}
	index := map[string]entry{}
	var failed error
	page := func(name string, view *service.ConfigView) {
		data, err := view.TemplateData()
		if err != nil {
			failed = fmt.Errorf("component %s: %w", name, err)
			return
		}
		file := fmt.Sprintf("%s_%s.md", data.Type, data.Name)
		var text bytes.Buffer
		if err := pageTemplate.Execute(&text, data); err != nil {
			failed = fmt.Errorf("component %s: %w", name, err)
			return
		}
		pages[file] = tidy(text.Bytes())
		index[file] = entry{file, data.Type, data.Name, strings.Join(strings.Fields(data.Summary), " ")}
	}
	for _, walk := range []func(func(string, *service.ConfigView)){
		env.WalkBuffers, env.WalkCaches, env.WalkInputs, env.WalkMetrics, env.WalkOutputs,
		env.WalkProcessors, env.WalkRateLimits, env.WalkScanners, env.WalkTracers,
	} {
		walk(page)
	}
	if failed != nil {
		return nil, failed
	}
	var entries []entry
	for _, file := range slices.Sorted(maps.Keys(index)) {
		entries = append(entries, index[file])
	}
	var text bytes.Buffer
	if err := indexTemplate.Execute(&text, entries); err != nil {
		return nil, err
	}
	pages[indexName] = tidy(text.Bytes())
	return pages, nil
}

// tidy removes what templates leave behind: runs of empty lines, spaces at line
// ends, a missing or doubled newline at the end.
func tidy(text []byte) []byte {
	var out []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, line)
	}
	return []byte(strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n")
}
