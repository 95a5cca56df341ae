package component_test

import (
	"testing"

	"extdisco/component"
)

func TestAccess(t *testing.T) {
	access := component.NewAccess([]string{"meet.test", "guest.meet.test", "romeo@elsewhere.test", "♥@x"})
	tests := []struct {
		name, requester string
		want            bool
	}{
		{"user of a domain", "juliet@meet.test", true},
		{"user of another domain", "juliet@guest.meet.test", true},
		{"domain itself", "meet.test", true},
		{"bare JID", "romeo@elsewhere.test", true},
		{"odd bare JID", "♥@x", true},
		{"another user of its domain", "tybalt@elsewhere.test", false},
		{"its domain", "elsewhere.test", false},
		{"same user elsewhere", "romeo@meet2.test", false},
		{"domain that ends the same", "juliet@evilmeet.test", false},
		{"subdomain", "juliet@x.meet.test", false},
		{"parent domain", "juliet@test", false},
		{"domain as local part", "meet.test@evil.test", false},
		{"two ats", "juliet@meet.test@evil.test", false},
		{"two ats, the other way", "x@evil.test@meet.test", false},
		{"capitals", "juliet@MEET.test", false},
		{"nobody", "", false},
		{"no local part", "@meet.test", true},
		{"no domain", "juliet@", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := access.Allows([]byte(tt.requester)); got != tt.want {
				t.Errorf("Allows(%q) = %v", tt.requester, got)
			}
		})
	}
}

func TestAccessOfNobody(t *testing.T) {
	for _, requester := range []string{"", "meet.test", "juliet@meet.test", "@"} {
		t.Run(requester, func(t *testing.T) {
			if component.NewAccess(nil).Allows([]byte(requester)) {
				t.Error("allowed")
			}
		})
	}
}
