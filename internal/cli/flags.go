// Package cli adds Tidemark's own commands to the Benthos command line.
package cli

import (
	"strings"

	ucli "github.com/urfave/cli/v2"
)

const (
	brokersName = "brokers"
	dsnName     = "dsn"

	registryName = "schema-registry"
	registryEnv  = "SCHEMA_REGISTRY_URL"
)

// brokersFlag names the Kafka brokers of a command.
func brokersFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: brokersName, EnvVars: []string{"KAFKA_BROKERS"}, Value: "localhost:9092",
		Usage: "Kafka brokers, separated by commas",
	}
}

// dsnFlag names the Postgres database of a command.
func dsnFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: dsnName, EnvVars: []string{"POSTGRES_DSN"}, Value: DefaultDSN,
		Usage: "Postgres connection string",
	}
}

// registryFlag names the schema registry of a command.
func registryFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: registryName, EnvVars: []string{registryEnv},
		Usage: "URL of a schema registry, such as http://localhost:8081; several are separated by commas. Without one, records bear the fingerprint of their schema",
	}
}

// DefaultDSN is the database that the compose stack serves.
const DefaultDSN = "postgres://tidemark:tidemark@localhost:5432/tidemark?sslmode=disable"

// brokers splits the value of brokersFlag.
func brokers(c *ucli.Context) []string { return strings.Split(c.String(brokersName), ",") }
