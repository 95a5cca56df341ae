package daemon

import (
	"context"

	"extdisco/component"
)

// link is a component that runs.
type link struct {
	component *component.Component
	stop      context.CancelFunc
	done      chan struct{}
}

// startLink runs the component until the link is closed.
func startLink(c *component.Component) *link {
	ctx, stop := context.WithCancel(context.Background())
	l := &link{component: c, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		c.Run(ctx)
	}()
	return l
}

// close ends the component politely and waits for it.
func (l *link) close() {
	l.stop()
	<-l.done
}
