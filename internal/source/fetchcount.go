package main

import (
	"sync"
	"time"
)

// fetchCount is how the requests to one provider ended.
type fetchCount struct {
	mu         sync.Mutex
	ok, failed uint64
	err        string // why the last one failed, if it did
}

// add counts a request.
func (c *fetchCount) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.ok, c.err = c.ok+1, ""
		return
	}
	c.failed, c.err = c.failed+1, err.Error()
}

// unusable turns the last request, which ended well, into one that failed: its
// answer cannot be offered.
func (c *fetchCount) unusable(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ok, c.failed, c.err = c.ok-1, c.failed+1, err.Error()
}

func (c *fetchCount) read() (ok, failed uint64, err string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ok, c.failed, c.err
}

// isGood reports whether the set is given out at now.
func (s *providerSet) isGood(now time.Time) bool { return s != nil && !now.After(s.until) }

// isNearExpiry reports whether the set should have been renewed by now, which is
// first tried at half of its life.
func (s *providerSet) isNearExpiry(now time.Time) bool {
	return s != nil && s.expires.Sub(now) < s.expires.Sub(s.fetched)/4
}
