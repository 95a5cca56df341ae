package query

import (
	"context"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"extdisco/internal/testkit"
)

// parse reads a stanza as the client does.
func parse(t *testing.T, text string) received {
	t.Helper()
	var r received
	if err := xml.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	ownPresence   = `<presence xmlns='jabber:client' from='room@conference.example.org/me'><x xmlns='http://jabber.org/protocol/muc#user'><item/><status code='110'/></x></presence>`
	otherPresence = `<presence xmlns='jabber:client' from='room@conference.example.org/you'><x xmlns='http://jabber.org/protocol/muc#user'><item/></x></presence>`
	metadata      = `<message xmlns='jabber:client' from='metadata.example.org'><json-message xmlns='http://jitsi.org/jitmeet'>{"type":"room_metadata","metadata":{"services":[{"type":"stun","host":"h"}]}}</json-message></message>`
	emptyMetadata = `<message xmlns='jabber:client' from='metadata.example.org'><json-message xmlns='http://jitsi.org/jitmeet'>{"type":"room_metadata","metadata":{"services":{}}}</json-message></message>`
	otherMessage  = `<message xmlns='jabber:client' from='room@conference.example.org'><subject/></message>`
	refusal       = `<presence xmlns='jabber:client' type='error' from='room@conference.example.org/me'><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`
)

func TestWaitForPush(t *testing.T) {
	room := jid.MustParse("room@conference.example.org")
	for _, tt := range []struct {
		name    string
		stanzas []string
		count   int
		wantErr string
		waits   time.Duration
	}{
		{"pushed before the join", []string{otherPresence, metadata, ownPresence}, 1, "", 0},
		{"pushed after the join", []string{ownPresence, otherMessage, metadata}, 1, "", 0},
		{"pushed empty", []string{emptyMetadata, ownPresence}, 0, errNoArray.Error(), 0},
		{"pushed empty, then in full", []string{emptyMetadata, metadata, ownPresence}, 1, "", 0},
		{"not pushed", []string{ownPresence, otherMessage}, 0, "nothing was pushed", pushPatience},
		{"not let in", []string{refusal}, 0, "cannot join the room: not-allowed: the room does not exist; open it in a browser first, or start Jicofo, which creates rooms: focus is away", 0},
		{"no answer", nil, 0, "the room did not answer in time", time.Minute},
		{"another room answers", []string{strings.ReplaceAll(ownPresence, "room@", "other@")}, 0, "the room did not answer in time", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				events := make(chan received, len(tt.stanzas))
				for _, s := range tt.stanzas {
					events <- parse(t, s)
				}
				start := time.Now()
				from, services, err := waitForPush(ctx, events, room, errors.New("focus is away"))
				if waited := time.Since(start); waited != tt.waits {
					t.Errorf("waited %v, want %v", waited, tt.waits)
				}
				if len(services) != tt.count || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("%d services, error %v, want %d and %q", len(services), err, tt.count, tt.wantErr)
				}
				if tt.count > 0 && from != "metadata.example.org" {
					t.Errorf("from %s", from)
				}
			})
		})
	}
}

func TestExplainJoin(t *testing.T) {
	for _, tt := range []struct {
		condition stanza.Condition
		focus     error
		want      string
	}{
		{stanza.ItemNotFound, nil, "item-not-found: the room does not exist; open it in a browser first"},
		{stanza.Forbidden, nil, "it has a lobby, a password or members"},
		{stanza.NotAuthorized, nil, "log in with --jid"},
		{stanza.RegistrationRequired, nil, "choose another --room"},
		{stanza.Conflict, nil, "the nickname is taken; try again"},
		{stanza.ServiceUnavailable, nil, "it is full"},
		{stanza.InternalServerError, nil, "cannot join the room: internal-server-error"},
	} {
		t.Run(string(tt.condition), func(t *testing.T) {
			got := explainJoin(&stanza.Error{Condition: tt.condition}, tt.focus).Error()
			if !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	testkit.WantEqual(t, "without an error", explainJoin(nil, nil).Error(), "cannot join the room: an error without a condition")
}
