package prometheus

import (
	"bytes"
	_ "embed"
	"strings"
	"text/template"
)

//go:embed page.md.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"labels": func(names []string) string { return "`" + strings.Join(names, "`, `") + "`" },
}).Parse(pageText))

// Page is the page of all metrics, in Markdown.
func Page() ([]byte, error) {
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, definitions)
	return b.Bytes(), err
}
