package main

import (
	"io"
	"regexp"
	"strings"
	"time"
)

// patience is how long a request may take, on a machine that is busy with the attack.
const patience = 10 * time.Second

var passwordOf = regexp.MustCompile(`password=['"]([^'"]+)['"]`)

// exchange sends stanzas over a stream and reads the replies until the one to the
// request with the ID last has come. It checks each against what was sent.
func (t *tally) exchange(s *stream, text string, attacks []attack, served map[string]bool, last string) error {
	if err := s.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(s, text)
		written <- err
	}()
	err := t.collect(s, attacks, served, last)
	if err != nil {
		_ = s.Close() // or the other goroutine might wait on
	}
	if e := <-written; err == nil {
		err = e
	}
	return err
}

func (t *tally) collect(s *stream, attacks []attack, served map[string]bool, last string) error {
	sent := map[string]attack{}
	for _, a := range attacks {
		sent[plainID(a.id)] = a
	}
	seen := map[string]bool{}
	for !seen[last] {
		r, err := s.read()
		if err != nil {
			return err
		}
		if seen[r.ID] {
			t.violation("answered twice: %.100q", r.ID)
		}
		seen[r.ID] = true
		t.judge(r, sent, served)
	}
	for id, a := range sent {
		if a.answer == mustBeAnswered && !seen[id] {
			t.violation("not answered: %.300s", a.stanza)
		}
	}
	for id := range served {
		if !seen[id] {
			t.violation("a user's request was not answered: %s", id)
		}
	}
	return nil
}

// judge looks at one reply.
func (t *tally) judge(r reply, sent map[string]attack, served map[string]bool) {
	for _, m := range passwordOf.FindAllStringSubmatch(r.Body, -1) {
		t.minted(m[1])
	}
	a, hostile := sent[r.ID]
	switch {
	case hostile && strings.Contains(r.Body, "password="):
		t.violation("%s were served: %.300s", a.kind, a.stanza)
	case hostile:
		t.add("hostile stanzas refused", 1)
	case served[r.ID] && !r.served():
		t.violation("a user was refused: %.300s", r.Body)
	case served[r.ID]:
		t.add("users' requests answered", 1)
	}
}

// plainID undoes the escaping of an ID.
func plainID(id string) string {
	return strings.NewReplacer("&lt;", "<", "&amp;", "&", "&apos;", "'", "&#xa;", "\n", "&#x9;", "\t").Replace(id)
}

// batch makes hostile stanzas and, unless user is nil, requests of users among them. The
// last stanza is one that must be answered; last is its ID.
func (t *tally) batch(g *generator, size int, next func() attack, user func() (id, stanza string)) (text string, attacks []attack, served map[string]bool, last string) {
	var b strings.Builder
	served = map[string]bool{}
	for range size {
		a := next()
		t.add(a.kind, 1)
		attacks = append(attacks, a)
		b.WriteString(a.stanza)
		if user != nil && g.rand.IntN(10) == 0 {
			id, stanza := user()
			served[id] = true
			b.WriteString(stanza)
		}
	}
	if user != nil {
		id, stanza := user()
		served[id], last = true, id
		b.WriteString(stanza)
		return b.String(), attacks, served, last
	}
	for last == "" {
		a := next()
		t.add(a.kind, 1)
		attacks = append(attacks, a)
		b.WriteString(a.stanza)
		if a.answer == mustBeAnswered {
			last = a.id
		}
	}
	return b.String(), attacks, served, last
}
