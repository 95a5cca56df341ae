package rotation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-sql-driver/mysql"
)

// mySQL is coturn's database in MySQL or MariaDB. The lock of [Database.Change] is
// GET_LOCK.
type mySQL struct {
	url    *url.URL
	config *mysql.Config
	realm  string
}

// Kind implements [Database].
func (m *mySQL) Kind() string { return "mysql" }

// connect returns one connection, since locks belong to one, and what closes it.
func (m *mySQL) connect(ctx context.Context) (*sql.Conn, func(), error) {
	connector, err := mysql.NewConnector(m.config)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return conn, func() { _, _ = conn.Close(), db.Close() }, nil
}

// Secrets implements [Database].
func (m *mySQL) Secrets(ctx context.Context) ([]string, string, error) {
	conn, end, err := m.connect(ctx)
	if err != nil {
		return nil, "", clean(err, m.url)
	}
	defer end()
	values, err := readSQL(ctx, conn, statementsWith("?", "?"), m.realm)
	return values, "", clean(err, m.url)
}

// Change implements [Database]. The lock ends with the connection.
func (m *mySQL) Change(ctx context.Context, plan func([]string) change) ([]string, change, error) {
	conn, end, err := m.connect(ctx)
	if err != nil {
		return nil, change{}, clean(err, m.url)
	}
	defer end()
	var got sql.NullInt64
	name := fmt.Sprintf("extdisco turn_secret %x", uint64(lockNumber(m.realm)))
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 0)", name).Scan(&got); err != nil {
		return nil, change{}, clean(err, m.url)
	}
	if got.Int64 != 1 {
		return nil, change{}, errBusy
	}
	values, done, err := changeSQL(ctx, conn, statementsWith("?", "?"), m.realm, plan)
	return values, done, clean(err, m.url)
}
