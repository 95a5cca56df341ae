package rotation

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"

	"github.com/gomodule/redigo/redis"
)

// redisDB is coturn's database in Redis: a set of secrets for each realm. The lock of
// [Database.Change] is a key that only one can set (SET NX PX). The change is a
// transaction that does not happen if the lock was lost meanwhile (WATCH).
type redisDB struct {
	url             *url.URL
	secrets, locked string // keys
}

// redisLock is how long the lock lives if whoever has it dies.
const redisLock = 3 * timeout

// Kind implements [Database].
func (r *redisDB) Kind() string { return "redis" }

func (r *redisDB) connect(ctx context.Context) (redis.Conn, error) {
	return redis.DialURLContext(ctx, r.url.String(), redis.DialConnectTimeout(timeout), redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))
}

// Secrets implements [Database].
func (r *redisDB) Secrets(ctx context.Context) ([]string, string, error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, "", clean(err, r.url)
	}
	defer conn.Close()
	values, err := r.read(ctx, conn)
	return values, "", clean(err, r.url)
}

func (r *redisDB) read(ctx context.Context, conn redis.Conn) ([]string, error) {
	return redis.Strings(redis.DoContext(conn, ctx, "SMEMBERS", r.secrets))
}

// Change implements [Database].
func (r *redisDB) Change(ctx context.Context, plan func([]string) change) ([]string, change, error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, change{}, clean(err, r.url)
	}
	defer conn.Close()
	values, done, err := r.change(ctx, conn, plan)
	return values, done, clean(err, r.url)
}

func (r *redisDB) change(ctx context.Context, conn redis.Conn, plan func([]string) change) ([]string, change, error) {
	token := rand.Text()
	switch _, err := redis.String(redis.DoContext(conn, ctx, "SET", r.locked, token, "NX", "PX", redisLock.Milliseconds())); {
	case errors.Is(err, redis.ErrNil):
		return nil, change{}, errBusy
	case err != nil:
		return nil, change{}, err
	}
	if _, err := redis.DoContext(conn, ctx, "WATCH", r.locked, r.secrets); err != nil {
		return nil, change{}, err
	}
	holder, err := redis.String(redis.DoContext(conn, ctx, "GET", r.locked))
	if err != nil {
		return nil, change{}, err
	}
	if holder != token {
		return nil, change{}, errBusy
	}
	values, err := r.read(ctx, conn)
	if err != nil {
		return nil, change{}, err
	}
	c := plan(values)
	if err := r.send(conn, c); err != nil {
		return nil, change{}, err
	}
	replies, err := redis.Values(redis.DoContext(conn, ctx, "EXEC"))
	if errors.Is(err, redis.ErrNil) {
		err = errors.New("the secrets were changed by somebody else at the same time")
	}
	for _, reply := range replies {
		if refused, ok := reply.(redis.Error); ok {
			err = errors.Join(err, refused)
		}
	}
	if err != nil {
		return nil, change{}, err
	}
	return c.apply(values), c, nil
}

// send sends a change and the end of the lock as a transaction, up to its EXEC.
func (r *redisDB) send(conn redis.Conn, c change) error {
	err := conn.Send("MULTI")
	if c.add != "" {
		err = errors.Join(err, conn.Send("SADD", r.secrets, c.add))
	}
	for _, value := range c.remove {
		err = errors.Join(err, conn.Send("SREM", r.secrets, value))
	}
	return errors.Join(err, conn.Send("DEL", r.locked))
}
