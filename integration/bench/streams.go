package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// scenario is a kind of request and the length of its answer.
type scenario struct {
	delegated bool
	services  int
}

func (s scenario) String() string {
	route := "direct"
	if s.delegated {
		route = "delegated"
	}
	return fmt.Sprintf("%s, %d services", route, s.services)
}

// withSubjects starts every program for the scenario and runs f between.
func (b *bench) withSubjects(ctx context.Context, sc scenario, f func([]*subject) error) (err error) {
	var subjects []*subject
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, s.stop())
		}
	}()
	for _, name := range subjectNames {
		s, err := b.startSubject(ctx, name, sc.delegated, sc.services)
		if err != nil {
			return err
		}
		subjects = append(subjects, s)
	}
	restore, err := leaveFirstProcessor()
	if err != nil {
		return err
	}
	return errors.Join(f(subjects), restore())
}

// measureLoad measures the processor time of an answer under load. The programs
// take turns, so that a change of the machine meets all of them.
func (b *bench) measureLoad(ctx context.Context) error {
	for _, sc := range []scenario{{false, 2}, {false, 8}, {true, 2}, {true, 8}} {
		err := b.withSubjects(ctx, sc, func(subjects []*subject) error {
			for round := range b.rounds + 1 {
				b.noise.sample()
				for _, s := range subjects {
					l, err := s.cpuOf(func() (load, error) {
						return s.stream.closedLoop(s.traffic, s.next, outstanding, b.load, 1<<62)
					})
					if err != nil {
						return err
					}
					s.next += l.answers
					if round > 0 { // the first warms up
						s.loads = append(s.loads, l)
					}
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			b.reportLoad(sc, subjects)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) reportLoad(sc scenario, subjects []*subject) {
	floor := subjects[1]
	for _, s := range subjects {
		r := row{what: fmt.Sprintf("CPU per answer: %v, %d outstanding", sc, outstanding), who: s.name,
			value: fmt.Sprintf("%.2f µs (%.0f answers/s)", median(each(s.loads, load.cpuPerAnswer)), median(each(s.loads, load.perSecond)))}
		if s != floor {
			// Of each round, so that what a round met counts for both.
			r.ratio = fmt.Sprintf("%.2f × minimal", median(ratios(s.loads, floor.loads, load.cpuPerAnswer)))
		}
		if s.name == extdisco {
			r.target = "≤ 1.25"
		}
		b.table.add(r)
	}
}

func each(loads []load, f func(load) float64) []float64 {
	var values []float64
	for _, l := range loads {
		values = append(values, f(l))
	}
	return values
}

// ratios returns a over b, round by round.
func ratios(a, b []load, f func(load) float64) []float64 { return quotients(each(a, f), each(b, f)) }

func quotients(a, b []float64) []float64 {
	values := slices.Clone(a)
	for i := range values {
		values[i] /= b[i]
	}
	return values
}

// measureLatency measures how long one request at a time takes.
func (b *bench) measureLatency(ctx context.Context) error {
	for _, sc := range []scenario{{false, 2}, {true, 2}} {
		err := b.withSubjects(ctx, sc, func(subjects []*subject) error {
			took := map[*subject][][]time.Duration{} // by round
			for round := range b.rounds {
				b.noise.sample()
				for i := range subjects {
					s := subjects[(i+round)%len(subjects)]
					t, err := s.stream.openLoop(s.traffic, s.next, perSecond, b.latency)
					if err != nil {
						return fmt.Errorf("%s: %w", s.name, err)
					}
					s.next += uint64(len(t))
					took[s] = append(took[s], t)
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			b.reportLatency(sc, subjects, took)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) reportLatency(sc scenario, subjects []*subject, took map[*subject][][]time.Duration) {
	// The median round, so that a round in which the machine did something else
	// does not make the figure.
	micros := func(s *subject, p float64) (rounds []float64) {
		for _, t := range took[s] {
			rounds = append(rounds, float64(percentile(t, p).Nanoseconds())/1000)
		}
		return rounds
	}
	floor := subjects[2]
	for _, s := range subjects {
		r := row{what: fmt.Sprintf("time to answer: %v, %d/s", sc, perSecond), who: s.name,
			value: fmt.Sprintf("p50 %.0f µs, p90 %.0f, p99 %.0f", median(micros(s, 50)), median(micros(s, 90)), median(micros(s, 99)))}
		if s != floor {
			r.ratio = fmt.Sprintf("p50 %.2f × echo", median(quotients(micros(s, 50), micros(floor, 50))))
		}
		if s.name == extdisco {
			r.target = "≤ 1.2"
		}
		b.table.add(r)
	}
}

// startEnds is when extdisco has given back what only its start needed.
const startEnds = 6 * time.Second

// measureMemory measures what a process holds when it is new, and after many
// answers to many users.
func (b *bench) measureMemory(ctx context.Context) (err error) {
	s, err := b.startSubject(ctx, extdisco, false, 2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	report := func(what, target string) error {
		all, own, err := resident(s.process.PID())
		b.table.add(row{what: what, who: extdisco, value: fmt.Sprintf("%.1f MB, %.1f of them its own", float64(all)/1e6, float64(own)/1e6), target: target})
		return err
	}
	if _, err := s.stream.openLoop(s.traffic, 0, perSecond, time.Second/10); err != nil {
		return err
	}
	time.Sleep(startEnds)
	if err := report("resident, idle", "≤ 12 MB"); err != nil {
		return err
	}
	s.traffic.users = 1_000_000
	l, err := s.stream.closedLoop(s.traffic, 0, outstanding, 2*time.Minute, b.memory)
	if err != nil {
		return err
	}
	return report(fmt.Sprintf("resident, after %d answers to %d users", l.answers, min(l.answers, s.traffic.users)), "≤ 20 MB")
}
