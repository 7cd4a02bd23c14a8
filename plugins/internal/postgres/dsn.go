// Package postgres is what the components for Postgres share: connection strings and
// what an error asks for.
package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"
)

const (
	// connectTimeout bounds one attempt to connect where the dsn does not: a host
	// that swallows packets is found out and tried again.
	connectTimeout  = 10 * time.Second
	applicationName = "tidemark"
)

var wrongSetting = regexp.MustCompile(`wrong value for "?([$\w]+)`)

// ParseDSN reads a connection string, a URL or key=value pairs. The error does
// not repeat any of it: a misplaced character makes part of a password look like
// a host, a port or a key.
func ParseDSN(dsn string) (pq.Config, error) {
	if strings.TrimSpace(dsn) == "" {
		return pq.Config{}, errors.New("it is empty")
	}
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		if m := wrongSetting.FindStringSubmatch(err.Error()); m != nil {
			return pq.Config{}, fmt.Errorf("the setting %s has a wrong value", m[1])
		}
		return pq.Config{}, errors.New("want postgres://user:password@host:port/database?sslmode=disable, " +
			"special characters percent-encoded, or key=value pairs")
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.ApplicationName == "" {
		cfg.ApplicationName = applicationName
	}
	return cfg, nil
}

// Address names the server and the database, without user and password.
func Address(cfg pq.Config) string {
	server := cfg.Host
	if cfg.Hostaddr.IsValid() {
		server = cfg.Hostaddr.String()
	}
	database := cfg.Database
	if database == "" {
		database = cfg.User
	}
	return server + ":" + strconv.Itoa(int(cfg.Port)) + "/" + database
}
