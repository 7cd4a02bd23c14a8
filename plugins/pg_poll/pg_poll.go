// Package pgpoll asks Postgres the same question again and again and makes events of the
// answers.
package pgpoll

import "strings"

// asJSON wraps a query so that each of its rows comes as one JSON object, by column
// name: Postgres knows best how to write its own types. The rows keep their order.
func asJSON(query string) string {
	return "select to_jsonb(polled)::text from (\n" + strings.TrimRight(query, "; \t\r\n") + "\n) as polled"
}

// lockQuery asks for the advisory lock of a name until the session ends. Its number is
// the name's hash, apart from those of other programs by the prefix.
const lockQuery = "select pg_try_advisory_lock(hashtextextended('tidemark pg_poll ' || $1, 0))"
