package query

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"extdisco/xep0215"

	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// Room is a room of Jitsi Meet.
type Room struct {
	Name string  // such as "standup"
	MUC  jid.JID // where rooms are; zero: conference.HOST or muc.HOST
	Host jid.JID // the domain of Jitsi Meet
}

// Push is the list that was pushed to somebody who joined a room.
type Push struct {
	Room     jid.JID // zero if there is no such room service
	From     string  // the address that pushed it
	Services []xep0215.Service
	Err      error // why there is no list, or why Jitsi Meet would not take it
	Took     time.Duration
}

// pushPatience is how long a push may come after the join. Jitsi's metadata comes before it.
const pushPatience = 3 * time.Second

// Join joins a room as Jitsi Meet does, waits for the list of services that is pushed to
// it (the metadata of the room), and leaves.
func (c *Client) Join(ctx context.Context, r Room) Push {
	start := time.Now()
	p := c.join(ctx, r)
	p.Took = time.Since(start)
	return p
}

func (c *Client) join(ctx context.Context, r Room) (p Push) {
	muc, err := c.findMUC(ctx, r)
	if err != nil {
		p.Err = err
		return p
	}
	if p.Room, err = jid.New(strings.ToLower(r.Name), muc.String(), ""); err != nil {
		p.Err = fmt.Errorf("--room: %q is not the name of a room", r.Name)
		return p
	}
	advertised := c.metadataAddress(ctx, r.Host)
	focusErr := c.askFocus(ctx, r.Host, p.Room)

	events := make(chan received)
	listening, stop := context.WithCancel(ctx)
	c.onReceived(func(e received) {
		select {
		case events <- e:
		case <-listening.Done():
		}
	})
	defer func() { c.onReceived(nil); stop() }()
	occupant, err := p.Room.WithResource(c.nickname())
	if err == nil {
		err = c.present(ctx, occupant, "")
	}
	if err != nil {
		p.Err = fmt.Errorf("cannot join: %w", err)
		return p
	}
	p.From, p.Services, p.Err = waitForPush(ctx, events, p.Room, focusErr)
	_ = c.present(ctx, occupant, stanza.UnavailablePresence)
	if p.Err == nil && advertised != p.From {
		p.Err = notAdvertised(r.Host, p.From, advertised)
	}
	return p
}

// waitForPush reads until both the join is confirmed and a list has come, or no list comes.
func waitForPush(ctx context.Context, events <-chan received, room jid.JID, focusErr error) (from string, services []xep0215.Service, err error) {
	joined, pushed := false, false
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for !joined || !pushed {
		var e received
		select {
		case <-ctx.Done():
			if joined {
				return "", nil, errors.New("nothing was pushed; is room_metadata_component enabled, and this account not in the room already?" +
					" Jitsi Meet pushes once to each account and room")
			}
			return "", nil, errors.New("the room did not answer in time; allow more time with --timeout, or see the log of the XMPP server")
		case e = <-events:
		}
		switch {
		case e.XMLName.Local == "presence" && inRoom(e.From, room) && e.Type == "error":
			return "", nil, explainJoin(e.Error, focusErr)
		case e.XMLName.Local == "presence" && inRoom(e.From, room) && e.isOwn() && !joined:
			joined = true
			timer := time.AfterFunc(pushPatience, cancel)
			defer timer.Stop()
		case e.XMLName.Local == "message":
			for _, text := range e.JSON {
				if list, about, parseErr := parseMetadata(text); about {
					from, services, err, pushed = e.From, list, parseErr, true
				}
			}
		}
	}
	return from, services, err
}

// isOwn reports whether a presence is that of the occupant itself (XEP-0045 §7.2.2).
func (r received) isOwn() bool {
	for _, s := range r.Status {
		if s.Code == "110" {
			return true
		}
	}
	return false
}

func inRoom(from string, room jid.JID) bool {
	bare, _, _ := strings.Cut(from, "/")
	return bare == room.String()
}

// explainJoin says why a room cannot be joined and what to change.
func explainJoin(e *stanza.Error, focusErr error) error {
	if e == nil {
		return errors.New("cannot join the room: an error without a condition")
	}
	said := condition(*e)
	switch e.Condition {
	case stanza.NotAllowed, stanza.ItemNotFound:
		hint := "the room does not exist; open it in a browser first"
		if focusErr != nil {
			hint += ", or start Jicofo, which creates rooms: " + focusErr.Error()
		}
		return fmt.Errorf("cannot join the room: %s: %s", said, hint)
	case stanza.Forbidden, stanza.RegistrationRequired, stanza.NotAuthorized:
		return fmt.Errorf("cannot join the room: %s: it has a lobby, a password or members; choose another --room, or log in with --jid", said)
	case stanza.Conflict:
		return fmt.Errorf("cannot join the room: %s: the nickname is taken; try again", said)
	case stanza.ServiceUnavailable:
		return fmt.Errorf("cannot join the room: %s: it is full; choose another --room", said)
	}
	return fmt.Errorf("cannot join the room: %s", said)
}

func notAdvertised(host jid.JID, from, advertised string) error {
	if advertised == "" {
		return fmt.Errorf("%s pushed a list, but %s does not announce it (disco identity room_metadata), so Jitsi Meet ignores it; enable features_identity on the virtual host", from, host)
	}
	return fmt.Errorf("%s pushed a list, but %s announces %s (disco identity room_metadata), so Jitsi Meet ignores it", from, host, advertised)
}

// findMUC returns where the rooms are.
func (c *Client) findMUC(ctx context.Context, r Room) (jid.JID, error) {
	candidates := []string{"conference." + r.Host.String(), "muc." + r.Host.String()}
	if !r.MUC.Equal(jid.JID{}) {
		candidates = []string{r.MUC.String()}
	}
	for _, address := range candidates {
		to, err := jid.Parse(address)
		if err != nil {
			continue
		}
		found, err := disco.GetInfo(ctx, "", to, c.session)
		if err == nil && slices.ContainsFunc(found.Identity, func(i info.Identity) bool { return i.Category == "conference" }) {
			return to, nil
		}
	}
	return jid.JID{}, fmt.Errorf("there are no rooms at %s; name their address with --muc (muc in Jitsi Meet's config.js)", strings.Join(candidates, " or "))
}

// metadataAddress returns the address that the host announces for the metadata of rooms;
// empty if there is none.
func (c *Client) metadataAddress(ctx context.Context, host jid.JID) string {
	found, err := disco.GetInfo(ctx, "", host, c.session)
	if err != nil {
		return ""
	}
	for _, i := range found.Identity {
		if i.Type == "room_metadata" {
			return i.Name
		}
	}
	return ""
}

// conference asks the focus of Jitsi Meet to create a room.
type conference struct {
	XMLName    xml.Name `xml:"http://jitsi.org/protocol/focus conference"`
	Room       string   `xml:"room,attr"`
	MachineUID string   `xml:"machine-uid,attr"`
}

// askFocus has the focus create the room, as Jitsi Meet does before it joins. Elsewhere
// there is no focus, and rooms are created by whoever joins.
func (c *Client) askFocus(ctx context.Context, host, room jid.JID) error {
	to, err := jid.Parse("focus." + host.String())
	if err != nil {
		return err
	}
	var answer struct {
		XMLName xml.Name      `xml:"iq"`
		Type    stanza.IQType `xml:"type,attr"`
		Error   stanza.Error  `xml:"error"`
	}
	iq := struct {
		stanza.IQ
		Conference conference
	}{stanza.IQ{Type: stanza.SetIQ, To: to}, conference{Room: room.String(), MachineUID: randomHex()}}
	response, err := c.session.EncodeIQ(ctx, iq)
	if err != nil {
		return fmt.Errorf("%s does not answer", to)
	}
	decodeErr := xml.NewTokenDecoder(response).Decode(&answer)
	if err := errors.Join(decodeErr, response.Close()); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", to, err)
	}
	if answer.Type == stanza.ErrorIQ {
		return fmt.Errorf("%s says %s", to, condition(answer.Error))
	}
	return nil
}

// present sends a presence to a room: the join, or the end of it.
func (c *Client) present(ctx context.Context, occupant jid.JID, kind stanza.PresenceType) error {
	presence := struct {
		stanza.Presence
		MUC *struct{} `xml:"http://jabber.org/protocol/muc x"`
	}{Presence: stanza.Presence{To: occupant, Type: kind}}
	if kind == "" {
		presence.MUC = &struct{}{}
	}
	return c.session.Encode(ctx, presence)
}

// nickname returns the name in the room. Jitsi Meet wants that of anonymous users to be
// the beginning of their address.
func (c *Client) nickname() string {
	local := c.JID().Localpart()
	if first, _, isUUID := strings.Cut(local, "-"); isUUID && len(first) == 8 {
		return first
	}
	return randomHex()
}

func randomHex() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
