package component_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"extdisco/component"
)

// refuseSecond is what Prosody does by default when a component is connected already.
func (s *server) refuseSecond() {
	s.open()
	s.send(streamErrorOf("conflict", "Component already connected"))
	s.Close()
}

// An instance that is refused because another one is connected asks about every second,
// for as long as it takes, and says so once.
func TestStandbyTakesOver(t *testing.T) {
	o := new(standbyObserver)
	inBubble(t, func(r *running) {
		for range 1000 {
			r.next().refuseSecond()
		}
		ended := time.Now() // the first instance, just after it was in the way again
		s := r.next()
		defer s.Close()
		if took := time.Since(ended); took > time.Second {
			t.Errorf("another attempt after %v", took)
		}
		s.accept("")
		s.ask()
		times := r.dialTimes()
		for i, at := range times[1:] {
			if pause := at - times[i]; pause < 500*time.Millisecond || pause > time.Second {
				t.Errorf("a pause of %v", pause)
			}
		}
		r.wantLogged(1, "level=WARN", "standing by: another connection for turn.meet.test exists", "Component already connected", "kick_old")
		r.wantLogged(1, "connected to the XMPP server")
		r.wantLogged(3, "msg=") // and the first answer
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.standby != 1000 || o.others != 0 {
			t.Errorf("the observer was told %d times of standing by, %d times of something else", o.standby, o.others)
		}
	}, func(_ *running, cfg *component.Config) { cfg.Observer = o })
}

// standbyObserver counts the attempts that have failed.
type standbyObserver struct {
	observed
	standby, others int
}

func (o *standbyObserver) AttemptFailed(_ time.Time, why component.Fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if why.Standby {
		o.standby++
	} else {
		o.others++
	}
}

// A fault while standing by is news, and so is standing by after it.
func TestStandbyLogsOtherFaults(t *testing.T) {
	inBubble(t, func(r *running) {
		r.next().refuseSecond()
		r.next().Close()
		r.next().refuseSecond()
		r.next().refuseSecond()
		defer r.next().Close()
		r.wantLogged(2, "level=WARN", "standing by")
		r.wantLogged(1, "level=WARN", "closed during the handshake")
		r.wantLogged(3, "msg=")
	})
}

// kickOld is a server that lets the new connection replace the old one, as Prosody does
// with component_conflict_resolve = "kick_old".
type kickOld struct {
	t  *testing.T
	mu sync.Mutex

	current  *server
	accepted []time.Duration // when, since start
	start    time.Time
}

func (k *kickOld) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s := &server{Conn: theirs, t: k.t}
	go func() {
		s.open()
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.current != nil {
			_ = k.current.SetWriteDeadline(time.Now().Add(time.Second)) // it may have left
			_, _ = k.current.Write([]byte(streamErrorOf("conflict", "Replaced by a new connection")))
			k.current.Close()
		}
		k.current = s
		k.accepted = append(k.accepted, time.Since(k.start))
		s.send("<handshake/>")
		go s.rest()
	}()
	return pipe{ours}, nil
}

// Two instances that a server lets replace each other do so every 30 s.
func TestStandbyDoesNotFight(t *testing.T) {
	inBubble(t, func(r *running) {
		k := &kickOld{t: t, start: time.Now()}
		r.next().Close() // of the instance of the bubble, which is of no use here
		r.cancel()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var instances sync.WaitGroup
		defer instances.Wait()
		defer cancel()
		for i := range 2 {
			log, _ := component.LogLines(0)
			cfg := component.ConfigFor(new(component.TestHandler), log)
			cfg.Dial = k.dial
			c, err := component.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			instances.Go(func() {
				time.Sleep(time.Duration(i) * 5 * time.Second)
				c.Run(ctx)
			})
		}
		time.Sleep(2 * time.Minute)
		k.mu.Lock()
		defer k.mu.Unlock()
		want := []time.Duration{0, 5 * time.Second, 35 * time.Second, 65 * time.Second, 95 * time.Second}
		for i := range k.accepted {
			k.accepted[i] = k.accepted[i].Round(time.Second)
		}
		if !slices.Equal(k.accepted, want) {
			t.Errorf("connections at %v, want %v", k.accepted, want)
		}
	})
}
