package rotation

import (
	"context"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgres is coturn's database in PostgreSQL. The lock of [Database.Change] is an advisory
// lock of the transaction.
type postgres struct {
	url   *url.URL
	realm string
}

// Kind implements [Database].
func (p *postgres) Kind() string { return "postgres" }

func (p *postgres) connect(ctx context.Context) (*pgconn.PgConn, error) {
	return pgconn.Connect(ctx, p.url.String())
}

// Secrets implements [Database].
func (p *postgres) Secrets(ctx context.Context) ([]string, string, error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, "", clean(err, p.url)
	}
	defer conn.Close(ctx)
	values, err := p.read(ctx, conn)
	return values, "", clean(err, p.url)
}

// Change implements [Database]. What is not committed is taken back when the connection ends.
func (p *postgres) Change(ctx context.Context, plan func([]string) change) ([]string, change, error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, change{}, clean(err, p.url)
	}
	defer conn.Close(ctx)
	values, done, err := p.change(ctx, conn, plan)
	return values, done, clean(err, p.url)
}

func (p *postgres) change(ctx context.Context, conn *pgconn.PgConn, plan func([]string) change) ([]string, change, error) {
	if _, err := query(ctx, conn, "BEGIN"); err != nil {
		return nil, change{}, err
	}
	got, err := query(ctx, conn, "SELECT pg_try_advisory_xact_lock($1::bigint)", strconv.FormatInt(lockNumber(p.realm), 10))
	if err != nil {
		return nil, change{}, err
	}
	if len(got) != 1 || got[0] != "t" {
		return nil, change{}, errBusy
	}
	values, err := p.read(ctx, conn)
	if err != nil {
		return nil, change{}, err
	}
	c, with := plan(values), statementsWith("$1", "$2")
	if c.add != "" {
		if _, err := query(ctx, conn, with.add, p.realm, c.add); err != nil {
			return nil, change{}, err
		}
	}
	for _, value := range c.remove {
		if _, err := query(ctx, conn, with.remove, p.realm, value); err != nil {
			return nil, change{}, err
		}
	}
	_, err = query(ctx, conn, "COMMIT")
	return c.apply(values), c, err
}

func (p *postgres) read(ctx context.Context, conn *pgconn.PgConn) ([]string, error) {
	return query(ctx, conn, statementsWith("$1", "$2").read, p.realm)
}

// query runs one statement and returns the first column of its result, as text.
func query(ctx context.Context, conn *pgconn.PgConn, statement string, args ...string) ([]string, error) {
	var params [][]byte
	for _, arg := range args {
		params = append(params, []byte(arg))
	}
	result := conn.ExecParams(ctx, statement, params, nil, nil, nil).Read()
	var column []string
	for _, row := range result.Rows {
		column = append(column, string(row[0]))
	}
	return column, result.Err
}
