package rotation

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strings"

	"extdisco/internal/secret"
)

// Database is coturn's, as far as it holds the secrets of a realm. Each call connects anew: they
// are a minute apart. Errors hold no secret and no password.
type Database interface {
	// Kind is "sqlite", "postgres", "mysql" or "redis".
	Kind() string
	// Secrets returns all secrets of the realm, ours and others, and what is wrong with the database
	// although it works; "" for nothing.
	Secrets(ctx context.Context) (values []string, note string, err error)
	// Change calls plan with the secrets under a lock that other instances respect, does what it
	// says as a whole, and returns the secrets that there are then. The error is errBusy where another
	// one has the lock.
	Change(ctx context.Context, plan func(values []string) change) (values []string, done change, err error)
}

// errBusy is the error of Change while another instance changes the secrets.
var errBusy = errors.New("another instance is changing the secrets")

// statements are those of the SQL databases, with their marks for parameters.
type statements struct{ read, add, remove string }

func statementsWith(first, second string) statements {
	return statements{
		read:   "SELECT value FROM turn_secret WHERE realm = " + first,
		add:    "INSERT INTO turn_secret (realm, value) VALUES (" + first + ", " + second + ")",
		remove: "DELETE FROM turn_secret WHERE realm = " + first + " AND value = " + second,
	}
}

// apply returns the secrets after a change.
func (c change) apply(values []string) []string {
	gone := map[string]bool{}
	for _, value := range c.remove {
		gone[value] = true
	}
	var after []string
	for _, value := range values {
		if !gone[value] {
			after = append(after, value)
		}
	}
	if c.add != "" {
		after = append(after, c.add)
	}
	return after
}

// lockNumber names the lock of a realm where locks have numbers.
func lockNumber(realm string) int64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "extdisco turn_secret %s", realm)
	return int64(h.Sum64())
}

// clean returns an error of a driver without the password of the URL and without our secrets, which
// some databases quote.
func clean(err error, u *url.URL) error {
	if err == nil || errors.Is(err, errBusy) {
		return err
	}
	text := err.Error()
	if password, ok := u.User.Password(); ok && password != "" {
		for _, form := range []string{password, url.QueryEscape(password), url.PathEscape(password)} {
			text = strings.ReplaceAll(text, form, secret.Redacted)
		}
	}
	for _, password := range u.Query()["password"] {
		if password != "" {
			text = strings.ReplaceAll(text, password, secret.Redacted)
		}
	}
	return errors.New(ours.ReplaceAllString(text, secret.Redacted))
}
