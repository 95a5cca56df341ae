package rotation

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver "sqlite", without cgo
)

// sqlite is coturn's database in a file. The lock of [Database.Change] is that of SQLite for
// who writes.
type sqlite struct {
	url   *url.URL
	file  string
	realm string
}

// Kind implements [Database].
func (s *sqlite) Kind() string { return "sqlite" }

// connect opens the file, which must exist. Whoever writes waits for others that do.
func (s *sqlite) connect() (*sql.DB, error) {
	if _, err := os.Stat(s.file); err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: s.file, RawQuery: "mode=rw&_txlock=immediate&_pragma=busy_timeout(3000)"}
	return sql.Open("sqlite", name.String())
}

// Secrets implements [Database].
func (s *sqlite) Secrets(ctx context.Context) (values []string, note string, err error) {
	db, err := s.connect()
	if err != nil {
		return nil, "", clean(err, s.url)
	}
	defer db.Close()
	values, err = readSQL(ctx, db, statementsWith("?", "?"), s.realm)
	var mode string
	if err == nil {
		err = db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	}
	if err == nil && mode != "wal" {
		note = fmt.Sprintf("SQLite is not in WAL mode, so coturn refuses users for the moment in which a secret is written; run, once: sqlite3 %s 'PRAGMA journal_mode=WAL'", s.file)
	}
	return values, note, clean(err, s.url)
}

// Change implements [Database].
func (s *sqlite) Change(ctx context.Context, plan func([]string) change) ([]string, change, error) {
	db, err := s.connect()
	if err != nil {
		return nil, change{}, clean(err, s.url)
	}
	defer db.Close()
	values, done, err := changeSQL(ctx, db, statementsWith("?", "?"), s.realm, plan)
	return values, done, clean(err, s.url)
}

// queryer is a [sql.DB], [sql.Conn] or [sql.Tx].
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// beginner is a [sql.DB] or [sql.Conn].
type beginner interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

func readSQL(ctx context.Context, db queryer, with statements, realm string) ([]string, error) {
	rows, err := db.QueryContext(ctx, with.read, realm)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []string
	for rows.Next() {
		var value sql.NullString
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		values = append(values, value.String)
	}
	return values, rows.Err()
}

// changeSQL does what plan says in one transaction.
func changeSQL(ctx context.Context, db beginner, with statements, realm string, plan func([]string) change) ([]string, change, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, change{}, err
	}
	defer func() { _ = tx.Rollback() }() // nothing after Commit
	values, err := readSQL(ctx, tx, with, realm)
	if err != nil {
		return nil, change{}, err
	}
	c := plan(values)
	if c.add != "" {
		if _, err := tx.ExecContext(ctx, with.add, realm, c.add); err != nil {
			return nil, change{}, err
		}
	}
	for _, value := range c.remove {
		if _, err := tx.ExecContext(ctx, with.remove, realm, value); err != nil {
			return nil, change{}, err
		}
	}
	return c.apply(values), c, tx.Commit()
}
