package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"extdisco/integration/lab"
)

// service is what a user gets.
type service struct {
	Type, Host, Transport, Username, Password string
	Port                                      int
}

const (
	callLasts = 10 * time.Second // more than a reload apart
	sayEvery  = 100 * time.Millisecond
	sayWithin = 10 * time.Second // the machine may be busy
)

// callBriefly uses each service for an allocation with an echo.
func (s *scene) callBriefly(ctx context.Context, services []service) {
	for _, v := range services {
		_, _, err := lab.Allocation{Type: v.Type, Host: v.Host, Port: v.Port, Transport: v.Transport,
			Username: v.Username, Password: v.Password, RootCAs: s.ca.Pool, Echo: true}.Do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.note(fmt.Errorf("%s over %s: %w", v.Type, v.Transport, err))
		default:
			s.called.Add(1)
		}
	}
}

// call lets two users talk through the relay for a while, whatever is reloaded or
// restarted meanwhile.
func (s *scene) call(ctx context.Context) {
	err := s.talk(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.note(fmt.Errorf("a call: %w", err))
	default:
		s.called.Add(1)
	}
}

func (s *scene) talk(ctx context.Context) (err error) {
	var ends [2]*lab.Caller
	for i := range ends {
		services := s.ask(ctx)
		if len(services) == 0 {
			return errors.New("our relay is not on offer")
		}
		v := services[0]
		if ends[i], err = lab.StartCaller(ctx, lab.Allocation{Host: v.Host, Port: v.Port, Username: v.Username, Password: v.Password}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ends[i].Close()) }()
	}
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for start := time.Now(); time.Since(start) < callLasts; {
		within, cancel := context.WithTimeout(ctx, sayWithin)
		err := ends[0].Say(within, ends[1], time.Since(start).String())
		cancel()
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
