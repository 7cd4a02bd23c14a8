// Package registry asks a schema registry that speaks the HTTP API of Confluent's: which
// schema has an id, and which id has a schema.
package registry

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/sr"
)

// Config tells where a registry is and who asks it.
type Config struct {
	// URLs are those of the registry's servers: where one cannot be reached, the next is asked.
	URLs []string

	user, password, token string
	tls                   *tls.Config
	all                   string // what the block says, to tell one from another
}

const (
	fieldRegistry = "schema_registry"
	fieldURL      = "url"
	fieldUser     = "username"
	fieldPassword = "password"
	fieldToken    = "bearer_token"
	fieldTLS      = "tls"
)

// Field is the block of a component's config that names a registry, with what the
// component has to say beside.
func Field(description string, more ...*service.ConfigField) *service.ConfigField {
	fields := append([]*service.ConfigField{
		service.NewStringField(fieldURL).
			Description("URL of the registry; several of one registry are separated by commas. Empty for none. A user and password may stand in it.").
			Example("http://localhost:8081").
			Default("").
			Secret().
			LintRule(`root = if this != "" && !this.re_match("^\\s*https?://[^,\\s]+(\\s*,\\s*https?://[^,\\s]+)*\\s*$") { "a URL begins with http:// or https://; several are separated by commas" }`),
		service.NewStringField(fieldUser).Description("User, for basic authentication.").Default("").Advanced(),
		service.NewStringField(fieldPassword).Description("The user's password.").Default("").Secret().Advanced(),
		service.NewStringField(fieldToken).Description("Token, for bearer authentication.").Default("").Secret().Advanced(),
		service.NewTLSToggledField(fieldTLS).Advanced(),
	}, more...)
	return service.NewObjectField(fieldRegistry, fields...).Description(description)
}

// Block is the block of Field, for what the component has in it beside.
func Block(conf *service.ParsedConfig) *service.ParsedConfig { return conf.Namespace(fieldRegistry) }

// Parse reads the block of Field. Without a URL it tells of no registry.
func Parse(conf *service.ParsedConfig) (c Config, err error) {
	conf = Block(conf)
	list, err := conf.FieldString(fieldURL)
	if err != nil {
		return c, err
	}
	for _, text := range strings.Split(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			// What is wrong with a URL may hold its password.
			return c, fmt.Errorf("%s.%s: a URL begins with http:// or https:// and names a host", fieldRegistry, fieldURL)
		}
		if u.User != nil {
			c.user = u.User.Username()
			c.password, _ = u.User.Password()
			u.User = nil // it is not for logs
		}
		c.URLs = append(c.URLs, u.String())
	}
	for field, to := range map[string]*string{fieldUser: &c.user, fieldPassword: &c.password, fieldToken: &c.token} {
		text, err := conf.FieldString(field)
		if err != nil {
			return c, err
		}
		if text != "" {
			*to = text
		}
	}
	if c.token != "" && c.user != "" {
		return c, fmt.Errorf("%s.%s: there is a %s as well", fieldRegistry, fieldToken, fieldUser)
	}
	settings, enabled, err := conf.FieldTLSToggled(fieldTLS)
	if err != nil {
		return c, err
	}
	if enabled {
		c.tls = settings
	}
	all, err := conf.FieldAny()
	c.all = fmt.Sprint(all)
	return c, err
}

// Enabled tells whether there is a registry.
func (c Config) Enabled() bool { return len(c.URLs) > 0 }

// address is what a registry is called in logs.
func (c Config) address() string { return strings.Join(c.URLs, ", ") }

// client opens nothing.
func (c Config) client() (*sr.Client, error) {
	opts := []sr.ClientOpt{sr.URLs(c.URLs...), sr.UserAgent("tidemark")}
	if c.user != "" {
		opts = append(opts, sr.BasicAuth(c.user, c.password))
	}
	if c.token != "" {
		opts = append(opts, sr.BearerToken(c.token))
	}
	if c.tls != nil {
		opts = append(opts, sr.DialTLSConfig(c.tls))
	}
	return sr.NewClient(opts...) // a request of its takes 5 s at most
}
