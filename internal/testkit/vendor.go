package testkit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Vendor is a provider's API without a network, so that it can live in a bubble
// of testing/synctest.
type Vendor struct {
	Status atomic.Int64 // 0 means that nobody answers
	Asked  atomic.Int64
	Takes  atomic.Int64 // nanoseconds until it answers
}

// RoundTrip implements [http.RoundTripper].
func (v *Vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	n := v.Asked.Add(1)
	<-time.After(time.Duration(v.Takes.Load()))
	status := int(v.Status.Load())
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	body := `{"error":"refused"}`
	if status == http.StatusCreated {
		body = fmt.Sprintf(`{"iceServers":[{"urls":["stun:stun.cloudflare.com:3478"]},{"urls":["turn:turn.cloudflare.com:3478?transport=udp","turn:turn.cloudflare.com:53?transport=udp"],"username":"user%d","credential":"pass%d"}]}`, n, n)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
}
