package component

import (
	"context"
	"log/slog"
	"time"
)

// Run keeps the link to the server up until ctx ends. Then it answers what was
// read, closes the stream and returns, within three seconds. It runs in the
// calling goroutine.
//
// A link that fails is never a reason to return. Each new fault is logged once, with
// what to do about it. The same again is logged at level debug, once a second at most:
// while the server restarts there are many attempts a second.
func (c *Component) Run(ctx context.Context) {
	pauses := newBackoff(c.cfg.Server)
	var last fault
	var told time.Time   // when a failure was logged last
	lastUp := time.Now() // or when the first attempt began
	for ctx.Err() == nil {
		c.pulse.beat(time.Now())
		held, err := c.runLink(ctx)
		if ctx.Err() != nil {
			if held > 0 {
				c.cfg.Observer.LinkDown(time.Now(), Fault{})
			}
			return
		}
		if held > 0 {
			last, lastUp = fault{}, time.Now()
		}
		c.pulse.beat(time.Now())
		now := c.diagnose(err)
		pause := pauses.next(now, held, time.Since(lastUp))
		why := Fault{Problem: now.problem, Cure: now.cure, Err: err, Standby: now.standby}
		if held > 0 {
			c.cfg.Observer.LinkDown(time.Now(), why)
		} else {
			c.cfg.Observer.AttemptFailed(time.Now(), why)
		}
		if now != last || time.Since(told) >= toldEvery {
			told = time.Now()
			c.report(now, now == last, err, pause)
		}
		last = now
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// toldEvery is how often the same failure is logged, at level debug.
const toldEvery = time.Second

// runLink connects and serves once. It returns for how long the link held, which is
// zero if the server did not accept it.
func (c *Component) runLink(ctx context.Context) (held time.Duration, err error) {
	conn, err := c.cfg.Dial(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	c.pulse.beat(time.Now())
	unread, err := handshake(ctx, conn, c.jid, c.secret)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	c.forgetHosts()
	defer c.forgetHosts()
	c.cfg.Observer.LinkUp(start) // before the log, so that what it says already holds
	c.cfg.Log.Info("connected to the XMPP server", "server", c.cfg.Server, "jid", c.cfg.JID)
	err = newLink(c, conn, unread).serve(ctx)
	if ctx.Err() != nil {
		c.cfg.Log.Info("disconnected from the XMPP server", "server", c.cfg.Server)
	}
	return max(time.Since(start), 1), err
}

func (c *Component) report(f fault, known bool, err error, pause time.Duration) {
	level := slog.LevelWarn
	switch {
	case known:
		level = slog.LevelDebug
	case f.refused:
		level = slog.LevelError
	}
	c.cfg.Log.Log(context.Background(), level, f.problem, "do", f.cure,
		"server", c.cfg.Server, "retry_in", pause.Round(time.Millisecond).String(), "err", err)
}
