// Package configs holds the files that the binary carries with it: Avro schemas,
// Postgres migrations and the settings of the process.
package configs

import "embed"

var (
	// Avro holds the event schemas, avro/*.avsc.
	//
	//go:embed avro/*.avsc
	Avro embed.FS

	// Service holds tidemark.yaml, the settings of the whole process.
	//
	//go:embed tidemark.yaml
	Service embed.FS

	// Postgres holds the migrations, postgres/NNN_name.sql.
	//
	//go:embed postgres/*.sql
	Postgres embed.FS
)
