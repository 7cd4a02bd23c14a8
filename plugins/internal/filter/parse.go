// Package filter compiles the conditions of operators. A condition is written in
// a subset of Bloblang, so that it means what Bloblang means, and runs on rows
// without making a message of them:
//
//	this.payment_status == "approved" && this.payment_value > 0
//	["canceled", "unavailable"].contains(this.order_status) || this.items_count == 0
//
// It knows fields (with or without this.), strings, numbers, booleans, null, the
// comparisons, !, &&, ||, parentheses, arrays of literals with contains(field).
package filter

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Expr is a parsed condition. It is immutable; Compile makes one that runs.
type Expr struct {
	text string
	root node
}

// String is the text that was parsed.
func (e *Expr) String() string { return e.text }

// Canonical is the text with one space between its tokens, so that conditions which
// differ in their spaces alone are the same; empty for nil.
func (e *Expr) Canonical() string {
	if e == nil {
		return ""
	}
	p := &parser{text: e.text}
	_ = p.lex() // it was parsed before
	var words []string
	for _, t := range p.tokens[:len(p.tokens)-1] {
		words = append(words, t.text)
	}
	return strings.Join(words, " ")
}

// Parse reads a condition. Its errors name the place and what was expected.
func Parse(text string) (*Expr, error) {
	p := &parser{text: text}
	if err := p.lex(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != end {
		return nil, p.unexpected("an operator or the end")
	}
	return &Expr{text: text, root: n}, nil
}

// node is one part of the syntax tree.
type node interface{ fields(to []string) []string }

type (
	binary struct {
		op          string
		left, right node
	}
	not      struct{ of node }
	fieldRef struct{ path string }
	literal  struct{ value event.Value }
	contains struct {
		list []event.Value
		of   node
	}
)

func (n binary) fields(to []string) []string   { return n.right.fields(n.left.fields(to)) }
func (n not) fields(to []string) []string      { return n.of.fields(to) }
func (n fieldRef) fields(to []string) []string { return append(to, n.path) }
func (n literal) fields(to []string) []string  { return to }
func (n contains) fields(to []string) []string { return n.of.fields(to) }

// Fields are the names of the fields that the condition reads.
func (e *Expr) Fields() []string {
	if e == nil {
		return nil
	}
	return e.root.fields(nil)
}

type tokenKind uint8

const (
	end tokenKind = iota
	name
	str
	num
	sym
)

type token struct {
	kind tokenKind
	text string
	at   int
}

type parser struct {
	text   string
	tokens []token
	pos    int
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) take(symbols ...string) (string, bool) {
	t := p.peek()
	if t.kind != sym {
		return "", false
	}
	for _, s := range symbols {
		if t.text == s {
			p.pos++
			return s, true
		}
	}
	return "", false
}

func (p *parser) unexpected(want string) error {
	t := p.peek()
	got := fmt.Sprintf("%q", t.text)
	if t.kind == end {
		got = "the end"
	}
	return fmt.Errorf("condition %q: at character %d: want %s, got %s", p.text, t.at+1, want, got)
}

func (p *parser) or() (node, error)  { return p.chain(p.and, "||") }
func (p *parser) and() (node, error) { return p.chain(p.compare, "&&") }

func (p *parser) chain(next func() (node, error), op string) (node, error) {
	left, err := next()
	for err == nil {
		if _, ok := p.take(op); !ok {
			return left, nil
		}
		var right node
		if right, err = next(); err == nil {
			left = binary{op, left, right}
		}
	}
	return nil, err
}

func (p *parser) compare() (node, error) {
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	op, ok := p.take("==", "!=", "<=", ">=", "<", ">")
	if !ok {
		return left, nil
	}
	right, err := p.unary()
	if err != nil {
		return nil, err
	}
	return binary{op, left, right}, nil
}

func (p *parser) unary() (node, error) {
	if _, ok := p.take("!"); ok {
		of, err := p.unary()
		return not{of}, err
	}
	if _, ok := p.take("("); ok {
		in, err := p.or()
		if err != nil {
			return nil, err
		}
		if _, ok := p.take(")"); !ok {
			return nil, p.unexpected(`")"`)
		}
		return in, nil
	}
	if _, ok := p.take("["); ok {
		return p.containsList()
	}
	t := p.peek()
	if t.kind == name && !reserved(t.text) {
		return p.field()
	}
	v, ok := p.literal()
	if !ok {
		return nil, p.unexpected("a field, a value or a parenthesis")
	}
	return literal{v}, nil
}

func reserved(word string) bool { return word == "true" || word == "false" || word == "null" }

func (p *parser) field() (node, error) {
	var path []string
	for {
		t := p.peek()
		if t.kind != name {
			return nil, p.unexpected("a field name")
		}
		p.pos++
		path = append(path, t.text)
		if _, ok := p.take("."); !ok {
			break
		}
	}
	if t := p.peek(); t.kind == sym && t.text == "(" {
		return nil, fmt.Errorf("condition %q: at character %d: the method %q is not known here, only contains on an array", p.text, t.at+1, path[len(path)-1])
	}
	if path[0] == "this" {
		path = path[1:]
	}
	if len(path) == 0 {
		return nil, p.unexpected("a field name after this")
	}
	return fieldRef{strings.Join(path, ".")}, nil
}

func (p *parser) containsList() (node, error) {
	var list []event.Value
	for {
		v, ok := p.literal()
		if !ok {
			return nil, p.unexpected("a value")
		}
		list = append(list, v)
		if _, ok := p.take(","); ok {
			continue
		}
		if _, ok := p.take("]"); !ok {
			return nil, p.unexpected(`"," or "]"`)
		}
		break
	}
	if _, ok := p.take("."); !ok || p.peek().text != "contains" {
		return nil, p.unexpected(".contains(field)")
	}
	p.pos++
	if _, ok := p.take("("); !ok {
		return nil, p.unexpected(`"("`)
	}
	of, err := p.field()
	if err != nil {
		return nil, err
	}
	if _, ok := p.take(")"); !ok {
		return nil, p.unexpected(`")"`)
	}
	return contains{list, of}, nil
}

func (p *parser) literal() (event.Value, bool) {
	t := p.peek()
	var v event.Value
	switch {
	case t.kind == str:
		s, err := strconv.Unquote(t.text)
		if err != nil {
			return v, false
		}
		v = event.StringOf(s)
	case t.kind == num:
		d, ok := event.ParseDecimal(t.text)
		if !ok {
			return v, false
		}
		v = d
	case t.kind == name && t.text == "null":
	case t.kind == name && (t.text == "true" || t.text == "false"):
		v = event.BoolOf(t.text == "true")
	default:
		return v, false
	}
	p.pos++
	return v, true
}

// lex cuts the text into tokens, ended by one of kind end.
func (p *parser) lex() error {
	s := p.text
	for i := 0; i < len(s); {
		c := rune(s[i])
		start := i
		switch {
		case unicode.IsSpace(c):
			i++
			continue
		case c == '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if i >= len(s) {
				return fmt.Errorf("condition %q: at character %d: the string is not closed", s, start+1)
			}
			i++
			p.tokens = append(p.tokens, token{str, s[start:i], start})
		case c >= '0' && c <= '9' || c == '-':
			for i++; i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.'); i++ {
			}
			p.tokens = append(p.tokens, token{num, s[start:i], start})
		case c == '_' || unicode.IsLetter(c):
			for i++; i < len(s) && (s[i] == '_' || unicode.IsLetter(rune(s[i])) || unicode.IsDigit(rune(s[i]))); i++ {
			}
			p.tokens = append(p.tokens, token{name, s[start:i], start})
		default:
			n := 1
			if i+1 < len(s) {
				switch s[i : i+2] {
				case "==", "!=", "<=", ">=", "&&", "||":
					n = 2
				}
			}
			if n == 1 && !strings.ContainsRune("<>!()[],.", c) {
				return fmt.Errorf("condition %q: at character %d: %q is not known here", s, i+1, c)
			}
			i += n
			p.tokens = append(p.tokens, token{sym, s[start:i], start})
		}
	}
	p.tokens = append(p.tokens, token{end, "", len(s)})
	return nil
}
