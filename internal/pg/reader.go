package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

const (
	// ReaderRole is the role that can read all of Tidemark's tables and write none.
	ReaderRole = "tidemark_reader"
	// readerFile makes the role.
	readerFile = "015_reader.sql"
	// readerConns is how many connections a Reader holds at most.
	readerConns = 3
	// readerTimeout bounds one statement of a Reader.
	readerTimeout = 5 * time.Minute
	// readerIdle is after how long a connection is closed that nobody uses.
	readerIdle = time.Minute
)

// Reader is a small pool of connections that can only read: each takes the role
// tidemark_reader, where its login may, and all its transactions are read-only. It
// connects when it reads, and again after a connection was lost.
type Reader struct {
	db     *sql.DB
	target string
}

// NewReader makes a reader of the database that dsn names, known to the server by the
// name of its user. Log is told, once, of a login that cannot take the role.
func NewReader(dsn, user string, log func(line string)) (*Reader, error) {
	cfg, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.ApplicationName = appName + "-" + user
	connector, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, &openError{target: target(cfg), err: err}
	}
	r := &Reader{db: sql.OpenDB(&readerConnector{Connector: connector, log: log}), target: target(cfg)}
	r.db.SetMaxOpenConns(readerConns)
	r.db.SetConnMaxIdleTime(readerIdle)
	return r, nil
}

// Close ends the connections.
func (r *Reader) Close() error { return r.db.Close() }

// DB is the pool.
func (r *Reader) DB() *sql.DB { return r.db }

// Read has do read as of one moment. The error is one line.
func (r *Reader) Read(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := r.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	return r.Line(do(tx))
}

// Begin begins a transaction that reads as of one moment; whoever has it rolls it back.
func (r *Reader) Begin(ctx context.Context) (*sql.Tx, error) {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	return tx, r.Line(err)
}

// Line makes one line of an error, that names the server but never the password.
func (r *Reader) Line(err error) error {
	if err == nil {
		return nil
	}
	var server *pq.Error
	if errors.As(err, &server) && (server.Code == undefinedTable || server.Code == undefinedFunction) {
		err = errors.New("the tables are not there yet; create them with `tidemark db migrate`")
		return fmt.Errorf("Postgres at %s: %w", r.target, err) //nolint:staticcheck // Postgres is a name
	}
	return &openError{target: r.target, err: err}
}

// readerConnector makes each connection one that can only read.
type readerConnector struct {
	driver.Connector
	log  func(string)
	once sync.Once
}

// Connect implements driver.Connector.
func (c *readerConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.restrict(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (c *readerConnector) restrict(ctx context.Context, conn driver.Conn) error {
	do, ok := conn.(driver.ExecerContext)
	if !ok {
		return errors.New("the driver runs no statements") // it does
	}
	settings := []string{
		"set default_transaction_read_only = on",
		fmt.Sprintf("set statement_timeout = %d", readerTimeout.Milliseconds()),
		fmt.Sprintf("set idle_in_transaction_session_timeout = %d", readerTimeout.Milliseconds()),
	}
	if _, err := do.ExecContext(ctx, strings.Join(settings, "; "), nil); err != nil {
		return err
	}
	_, err := do.ExecContext(ctx, "set role "+ReaderRole, nil)
	var server *pq.Error
	if !errors.As(err, &server) {
		return err
	}
	// The role is not there, or this login has not been granted it: what is left is that
	// every transaction is read-only.
	c.once.Do(func() {
		c.log("reading without the role " + ReaderRole + " (" + oneLine(server.Message) +
			"), in read-only transactions; `tidemark db migrate` makes the role and grants it to its login")
	})
	return nil
}

// canTakeReader tells whether the user may take the role, which has to exist.
const canTakeReader = `case
	when current_setting('server_version_num')::integer >= 160000 then pg_has_role('` + ReaderRole + `', 'set')
	else pg_has_role('` + ReaderRole + `', 'member')
end`

// readerDue tells whether this user can bring what the reader's role lacks here: it may
// have been missing, or not to be made, when its file was applied.
func readerDue(ctx context.Context, tx *sql.Tx) (due bool, err error) {
	err = tx.QueryRowContext(ctx, `
	select case
		when to_regclass('tidemark_tasks') is null then false
		when to_regrole('`+ReaderRole+`') is null then u.rolsuper or u.rolcreaterole
		else
			not has_table_privilege('`+ReaderRole+`', 'tidemark_tasks', 'select')
				and pg_has_role((select c.relowner from pg_class as c where c.oid = to_regclass('tidemark_tasks')), 'usage')
			or not (`+canTakeReader+`) and (
				pg_has_role('`+ReaderRole+`', 'member with admin option')
				or u.rolcreaterole and current_setting('server_version_num')::integer < 160000
			)
	end
	from pg_roles as u
	where u.rolname = current_user`).Scan(&due)
	if err != nil {
		return false, explain("migrate: look for the role "+ReaderRole, err)
	}
	return due, nil
}

// HasReader tells whether the user of db may take the role that the live page reads with.
func HasReader(ctx context.Context, db *sql.DB) (has bool, err error) {
	err = db.QueryRowContext(ctx, `
	select case when to_regrole('`+ReaderRole+`') is null then false else `+canTakeReader+` end`).Scan(&has)
	if err != nil {
		return false, explain("look for the role "+ReaderRole, err)
	}
	return has, nil
}
