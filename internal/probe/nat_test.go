package probe

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"extdisco/internal/secret"
)

// TestBehindNAT tells a NAT that does not send packets back from a relay that does not
// work: nothing listens at 127.0.0.2, which stands for the public address.
func TestBehindNAT(t *testing.T) {
	t.Parallel()
	running := startRelay(t, relayConfig{})
	here := netip.MustParseAddr("127.0.0.1")
	unreached := map[netip.Addr]netip.Addr{netip.MustParseAddr("127.0.0.2"): here}
	for _, tt := range []struct {
		name    string
		change  func(s *Server)
		failure Kind
		says    string // in the problem, or in a note
	}{
		{"the public address cannot be reached", func(s *Server) { s.Host, s.NAT = "127.0.0.2", unreached }, "",
			"cannot be reached at 127.0.0.2, but at 127.0.0.1, where all is well"},
		{"over tcp", func(s *Server) { s.Host, s.NAT, s.Transport = "127.0.0.2", unreached, "tcp" }, "", "no hairpin"},
		{"it can", func(s *Server) { s.NAT = map[netip.Addr]netip.Addr{here: netip.MustParseAddr("127.0.0.2")} }, "", ""},
		{"without NAT", func(s *Server) { s.Host = "127.0.0.2" }, KindRefused, "nothing listens at this port"},
		{"nothing runs", func(s *Server) {
			s.Host, s.NAT, s.Port = "127.0.0.1", map[netip.Addr]netip.Addr{here: netip.MustParseAddr("127.0.0.3")}, 9
		}, KindRefused, ", at 127.0.0.3 behind the NAT"},
		{"the credential is refused there", func(s *Server) {
			s.Host, s.NAT, s.Password = "127.0.0.2", unreached, secret.New("another")
		}, KindUnauthorized, ", at 127.0.0.1 behind the NAT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := running
			tt.change(&s)
			s.Ours = true
			a := Try(t.Context(), s, Options{Depth: Echo, Timeout: 8 * time.Second}).Addresses[0]
			notes := strings.Join(a.Notes, "; ")
			if a.Address != netip.AddrPortFrom(netip.MustParseAddr(s.Host), s.Port) {
				t.Errorf("the address is %s", a.Address)
			}
			if f := a.Failure; f != nil {
				if f.Kind != tt.failure || !strings.Contains(f.Problem(), tt.says) || !strings.Contains(f.Cure(), "relay.") {
					t.Errorf("%v; to do: %s", f, f.Cure())
				}
				return
			}
			if tt.failure != "" || stepsOf(a) != "connect binding allocate permission echo" {
				t.Errorf("%q works, want %q", stepsOf(a), tt.failure)
			}
			if !strings.Contains(notes, tt.says) || strings.Contains(notes, "hairpin") != (tt.says != "") {
				t.Errorf("notes: %s", notes)
			}
		})
	}
}

// TestOurCures are about [relay], not about coturn.
func TestOurCures(t *testing.T) {
	for kind, cure := range ourCures {
		if _, known := sayings[kind]; !known || strings.Contains(cure, "coturn") || !strings.Contains(cure, "relay.") {
			t.Errorf("%s: %s", kind, cure)
		}
	}
	f := &Failure{Kind: KindQuota}
	if (Server{}).cure(f); f.Cure() != sayings[KindQuota].cure {
		t.Errorf("of a server that is not ours: %s", f.Cure())
	}
	if (Server{Ours: true}).cure(f); f.Cure() != ourCures[KindQuota] {
		t.Errorf("of ours: %s", f.Cure())
	}
}
