package web

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// answer keeps what a handler writes until it has returned, so that a client that
// reads slowly does not hold up what may be worked on at a time.
type answer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	delay  time.Duration // before it is written
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// ServeHTTP implements [http.Handler].
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, nil) }

// serve reads a request whole, has it answered, and writes the answer. Only in
// between does the connection count as one that is worked on. A delay ends when
// closing is closed.
func (s *Site) serve(w http.ResponseWriter, r *http.Request, closing <-chan struct{}) {
	setHeaders(w.Header())
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	r.Body = io.NopCloser(&readBody{*bytes.NewReader(body), err})
	a := &answer{ResponseWriter: w}
	s.work(a, r)
	if a.delay > 0 {
		late := time.NewTimer(a.delay)
		defer late.Stop()
		select {
		case <-late.C:
		case <-closing:
		case <-r.Context().Done():
		}
	}
	a.WriteHeader(http.StatusOK)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the client may be gone
}

// work has a request answered, unless too many others are.
func (s *Site) work(a *answer, r *http.Request) {
	if v := visitorOf(r.Context()); v != nil {
		health := r.URL.Path == healthPath || r.URL.Path == readyPath
		if !v.begin(r.Context(), health) {
			a.Header().Set("Retry-After", "1")
			plain(a, http.StatusServiceUnavailable, "too many requests at the same time; ask again later")
			return
		}
		defer v.end(health)
	}
	s.mux.ServeHTTP(a, r)
}

// readBody is a body that was read, up to its end or to an error.
type readBody struct {
	bytes.Reader
	err error
}

// Read implements [io.Reader].
func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.err != nil {
		err = b.err
	}
	return n, err
}
