//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"extdisco/integration/lab"
)

// roomMetadata are the chat rooms of a host and what pushes services to those who
// join one, as Jitsi Meet configures them.
func roomMetadata(host string) string {
	const rooms = "Component %q \"muc\"\n\tstorage = \"memory\"\n\tmuc_room_locking = false\n\tmuc_room_default_public_jids = true\n"
	return fmt.Sprintf(rooms+rooms+"Component %q \"room_metadata_component\"\n\tmodules_enabled = { \"list_services\" }\n"+
		"\tmuc_component = %q\n\tbreakout_rooms_component = %q\n",
		"conference."+host, "breakout."+host, "metadata."+host, "conference."+host, "breakout."+host)
}

// newMetadataScene is a scene with a bridge and the rooms of Jitsi Meet.
func newMetadataScene(t *testing.T, cfg bridgeScene) *scene {
	t.Helper()
	adapt := cfg.xmpp
	cfg.xmpp = func(xmpp *lab.XMPPConfig) {
		xmpp.Extra = pluginPaths(t) + roomMetadata(meetHost)
		if adapt != nil {
			adapt(xmpp)
		}
	}
	return newBridgeScene(t, cfg)
}

// pushedService is a service in the JSON of Jitsi's room metadata.
type pushedService struct {
	Type, Host, Port, Transport, Username, Password, Restricted string
	Expires                                                     time.Time
}

// service converts p to what the other tests use.
func (p pushedService) service() service {
	v := service{Type: p.Type, Host: p.Host, Transport: p.Transport, Username: p.Username, Password: p.Password,
		Restricted: p.Restricted == "1", Expires: p.Expires}
	fmt.Sscan(p.Port, &v.Port)
	return v
}

// joinRooms joins rooms in one burst, and returns the services that were pushed
// for each join. All must come before the presence that tells of that join.
func (c *rawClient) joinRooms(names ...string) ([][]service, error) {
	return c.joinRoomsAt(mucHost, names...)
}

func (c *rawClient) joinRoomsAt(host string, names ...string) ([][]service, error) {
	nick, _, _ := strings.Cut(c.jid, "@")
	var batch strings.Builder
	for _, name := range names {
		fmt.Fprintf(&batch, "<presence to='%s@%s/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>", name, host, nick)
	}
	c.send(batch.String())
	var pushed [][]service
	for joined := 0; joined < len(names); {
		e, err := c.read()
		if err != nil {
			return nil, fmt.Errorf("in %d of %d rooms: %w", joined, len(names), err)
		}
		switch {
		case strings.Contains(e.Inner, "<json-message"):
			services, err := readMetadata(e)
			if err != nil {
				return nil, err
			}
			pushed = append(pushed, services)
		case e.XMLName.Local == "presence" && strings.Contains(e.Inner, "code='110'"):
			if joined++; len(pushed) < joined {
				return nil, fmt.Errorf("joined as number %d, and nothing was pushed: %+v", joined, e)
			}
		case e.attr("type") == "error":
			return nil, fmt.Errorf("cannot join: %+v", e)
		}
	}
	return pushed, nil
}

// readMetadata returns the services in a message. An empty list is an error: it
// takes Jitsi Meet the servers that it has.
func readMetadata(message element) ([]service, error) {
	var text string
	if err := xml.Unmarshal([]byte(message.Inner), &text); err != nil {
		return nil, err
	}
	var data struct {
		Type     string
		Metadata struct{ Services []pushedService }
	}
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	if data.Type != "room_metadata" || message.attr("from") != metadataHost {
		return nil, fmt.Errorf("%s from %s", data.Type, message.attr("from"))
	}
	var services []service
	for _, p := range data.Metadata.Services {
		services = append(services, p.service())
	}
	return services, nil
}

// mustJoin joins a room and returns what was pushed.
func (c *rawClient) mustJoin(room string) []service {
	c.t.Helper()
	pushed, err := c.joinRooms(room)
	if err != nil {
		c.t.Fatal(err)
	}
	return pushed[0]
}

// TestIntegrationRoomMetadata joins rooms, and uses what is pushed on a real TURN
// server: while extdisco runs, while it is away, and after it has come back.
func TestIntegrationRoomMetadata(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newMetadataScene(t, bridgeScene{program: program})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		c.waitListed(metadataHost, 5)
		users := map[string]string{}
		join := func(t *testing.T, room string) {
			t.Helper()
			services := dialRaw(t, s.xmpp.C2SAddr, meetHost, "").mustJoin(room)
			user := relayUser(t, services)
			if other, ok := users[user]; ok {
				t.Errorf("who joined %s and %s got one user %s", other, room, user)
			}
			users[user] = room
			checkOffer(t, s, services)
		}
		for i := range 3 {
			join(t, fmt.Sprint("running", i))
		}
		if err := s.extdisco.Kill(); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			join(t, fmt.Sprint("away", i))
		}
		if err := s.extdisco.Start(stepContext(t)); err != nil {
			t.Fatal(err)
		}
		join(t, "back")
		// What was made before does not suffice for so many.
		before := len(users)
		err := lab.Poll(stepContext(t), func(context.Context) error {
			users[relayUser(t, c.listed(metadataHost, 1)[0])] = "a list"
			if n := len(users) - before; n <= 2*16 {
				return fmt.Errorf("extdisco is back, and the pool is not refilled: %d users", n)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestIntegrationRoomMetadataBurst has ten users ask for the list again and again,
// and then join rooms. extdisco is killed in the middle of it.
func TestIntegrationRoomMetadataBurst(t *testing.T) {
	const users, calls, rooms = 10, 100, 25
	s := newMetadataScene(t, bridgeScene{})
	seen := &tally{users: map[string]int{}}
	var killed atomic.Bool
	errs := make([]error, users)
	var wait sync.WaitGroup
	for i := range users {
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		c.waitListed(metadataHost, 5)
		wait.Go(func() { errs[i] = c.askAndJoin(seen, calls, rooms, &killed) })
	}
	err := lab.Poll(stepContext(t), func(context.Context) error {
		if n := seen.distinct(); n <= 2*16 {
			return fmt.Errorf("%d users in the lists: those that were given out are not replaced", n)
		}
		return nil
	})
	err = errors.Join(err, s.extdisco.Kill())
	killed.Store(true)
	wait.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d lists, %d usernames", seen.lists, seen.distinct())
	if least := users * (calls + rooms); seen.lists < least {
		t.Errorf("%d lists, want %d or more", seen.lists, least)
	}
	if err := s.allocate(seen.last[1]); err != nil {
		t.Errorf("the last credential: %v", err)
	}
}

// askAndJoin asks for the list so many times, and on until extdisco was killed.
// Then it joins rooms.
func (c *rawClient) askAndJoin(seen *tally, calls, rooms int, killed *atomic.Bool) error {
	for n := 0; n < calls || !killed.Load(); n++ {
		lists, err := c.askList(metadataHost, 1)
		if err != nil {
			return err
		}
		if err := seen.add(lists); err != nil {
			return err
		}
	}
	own, _, _ := strings.Cut(c.jid, "@")
	var names []string
	for n := range rooms {
		names = append(names, fmt.Sprintf("%s-%d", own, n))
	}
	pushed, err := c.joinRooms(names...)
	if err != nil {
		return err
	}
	return seen.add(pushed)
}

// tally counts the lists that several users got.
type tally struct {
	mu    sync.Mutex
	lists int
	users map[string]int // by username
	last  []service
}

// add refuses a list that is not whole.
func (y *tally) add(lists [][]service) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, services := range lists {
		if len(services) != 5 {
			return fmt.Errorf("list %d has %d services: %+v", y.lists, len(services), services)
		}
		for _, v := range services {
			if v.Type == "stun" {
				continue
			}
			if v.Password == "" || !ephemeralUser.MatchString(v.Username) {
				return fmt.Errorf("list %d has a service without a credential: %+v", y.lists, v)
			}
			y.users[v.Username]++
		}
		y.lists++
		y.last = services
	}
	return nil
}

func (y *tally) distinct() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.users)
}
