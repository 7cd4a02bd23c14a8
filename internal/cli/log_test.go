package cli

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logCall is what a function that logs does with its first argument.
var logCall = map[string]string{
	"Info": "INFO", "Warn": "WARN", "Error": "ERROR", "Debug": "DEBUG", "info": "INFO", "warn": "WARN", "step": "INFO",
}

// logged are the texts that the code logs, each with its levels but DEBUG, and the fields.
func logged(t *testing.T) (texts map[string][]string, fields map[string]bool) {
	texts, fields = map[string][]string{}, map[string]bool{}
	add := func(args []ast.Expr) {
		for i := 0; i+1 < len(args); i += 2 {
			if name, ok := literal(args[i]); ok {
				fields[name] = true
			}
		}
	}
	for _, root := range []string{"../../plugins", "../../internal/cli", "../../internal/exporter"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				method, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				switch level := logCall[method.Sel.Name]; {
				case slices.Contains([]string{"Infof", "Warnf", "Debugf", "Tracef"}, method.Sel.Name),
					method.Sel.Name == "Errorf" && !slices.Contains([]string{"fmt", "t"}, fmt.Sprint(method.X)):
					t.Errorf("%s: %s logs a text that is not constant", path, method.Sel.Name)
				case method.Sel.Name == "With":
					add(call.Args)
				case level == "" || len(call.Args) == 0:
				default:
					text, ok := literal(call.Args[0])
					if !ok {
						if name := fmt.Sprint(call.Args[0]); name != "message" {
							t.Errorf("%s: %s(%s) logs a text that is not constant", path, method.Sel.Name, name)
						}
						break
					}
					add(call.Args[1:])
					if level != "DEBUG" && !slices.Contains(texts[text], level) {
						texts[text] = append(texts[text], level)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts, fields
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// TestLogPage: docs/logs.md lists what the code logs, with the same levels and fields.
func TestLogPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	texts, fields := logged(t)
	named := map[string]bool{}
	_, described, _ := strings.Cut(string(page), "## Fields")
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z_, ]+) \|`).FindAllStringSubmatch(described, -1) {
		for _, name := range strings.Split(m[1], ", ") {
			named[name] = true
		}
	}
	for _, name := range []string{"operators", "topics", "tasks"} { // beside their singular
		named[name] = true
	}
	for name := range fields {
		if !named[name] {
			t.Errorf("no word of the field %s", name)
		}
	}
	row := regexp.MustCompile(`(?m)^\| (.+?) \| ([A-Z, ]+) \| ([^|]*?) ?\| .* \|$`)
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		levels := texts[m[1]]
		slices.Sort(levels)
		if strings.Join(levels, ", ") != m[2] {
			t.Errorf("%q is logged at %v, not at %s", m[1], levels, m[2])
		}
		delete(texts, m[1])
		for _, name := range strings.Split(m[3], ", ") {
			if name != "" && !strings.HasPrefix(name, "and ") && !fields[name] {
				t.Errorf("%q: nothing has the field %s", m[1], name)
			}
		}
	}
	for text, levels := range texts {
		if len(levels) > 0 {
			t.Errorf("no word of %q, %v", text, levels)
		}
	}
}
