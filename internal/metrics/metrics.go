// Package metrics counts what extdisco does and shows it in the form that
// Prometheus reads, the text exposition format 0.0.4.
//
// Every counter exists from the start, so counting allocates nothing. What changes
// rarely is asked for when somebody reads; see [State]. No label names a user: a
// requester's address or pseudonym does not belong in a metric, and there is no
// bound to their number.
package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

const prefix = "extdisco_"

// routes are the values of the label route, by whether a request was delegated.
var routes = [...]string{"direct", "delegated"}

// outcomes are the values of the label outcome: a result, or the condition of the
// stanza error. The last one stands for all others.
var outcomes = [...]string{
	"result", "forbidden", "resource-constraint", "item-not-found", "bad-request",
	"service-unavailable", "remote-server-timeout", "internal-server-error", "other",
}

// Limits are the values of the label limit.
var Limits = [...]string{"per_jid", "per_domain", "total"}

// Endpoints are the values of the label endpoint: where credentials are given
// over HTTP.
var Endpoints = [...]string{"turn", "ice", "page"}

// Given are the values of the label outcome there.
var Given = [...]string{"given", "refused", "limited", "unavailable"}

// Metrics are the counters of one process. The methods that count may be called
// from several goroutines at once.
type Metrics struct {
	version    string
	namespaces []string
	state      func() State

	answers   [][len(routes)][len(outcomes)]atomic.Uint64 // by namespace
	durations durations
	limited   [len(Limits)]atomic.Uint64
	given     [len(Endpoints)][len(Given)]atomic.Uint64

	reloads    [len(results)]atomic.Uint64
	reloadTime atomic.Int64 // in seconds since 1970; 0 before the first
	reloadOK   atomic.Bool
}

// New returns the metrics of a program of this version that answers in the
// namespaces. state is asked whenever somebody reads.
func New(version string, namespaces []string, state func() State) *Metrics {
	return &Metrics{
		version: version, namespaces: slices.Clone(namespaces), state: state,
		answers: make([][len(routes)][len(outcomes)]atomic.Uint64, len(namespaces)),
	}
}

// Answered counts requests that were answered alike. The outcome is "result" or
// the condition of the stanza error.
func (m *Metrics) Answered(count int, ns string, delegated bool, outcome string, took time.Duration) {
	route := index(delegated)
	m.durations.add(count, route, took)
	if n := slices.Index(m.namespaces, ns); n >= 0 {
		m.answers[n][route][indexOrLast(outcomes[:], outcome)].Add(uint64(count))
	}
}

// indexOrLast returns the index of s, or of the last element, which stands for
// all others.
func indexOrLast(list []string, s string) int {
	if i := slices.Index(list, s); i >= 0 {
		return i
	}
	return len(list) - 1
}

// Limited counts a request over one of [Limits], given by its index.
func (m *Metrics) Limited(limit int) { m.limited[limit].Add(1) }

// Gave counts a request for credentials over HTTP: one of [Endpoints] and how it
// ended, one of [Given].
func (m *Metrics) Gave(endpoint, outcome string) {
	m.given[indexOrLast(Endpoints[:], endpoint)][indexOrLast(Given[:], outcome)].Add(1)
}

// ConfigRead notes when the configuration was put in force, or could not be.
// Reading it at the start is no reload.
func (m *Metrics) ConfigRead(at time.Time, ok, reload bool) {
	if reload {
		m.reloads[index(ok)].Add(1)
	}
	m.reloadTime.Store(at.Unix())
	m.reloadOK.Store(ok)
}

// results are the values of the label result, by whether something went well.
var results = [...]string{"failed", "ok"}

// index returns where results and routes have what is true or false.
func index(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// Handler shows the metrics.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var t text
		m.write(&t)
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(t.Bytes()) // whoever asked has gone
	})
}

func (m *Metrics) write(t *text) {
	t.family(prefix+"build_info", gauge, "Always 1; the labels say what runs.")
	t.sample(prefix+"build_info", 1, "goversion", runtime.Version(), "version", m.version)
	m.writeAnswers(t)
	m.durations.write(t)
	m.writeHTTP(t)
	t.family(prefix+"config_reloads_total", counter, "Times that the configuration was read again.")
	for i, result := range results {
		t.sample(prefix+"config_reloads_total", load(&m.reloads[i]), "result", result)
	}
	t.single(prefix+"config_last_reload_timestamp_seconds", gauge, "When the configuration was last read.", float64(m.reloadTime.Load()))
	t.single(prefix+"config_last_reload_successful", gauge, "Whether the configuration was put in force when it was last read.", number(m.reloadOK.Load()))
	m.state().write(t)
	writeRuntime(t)
	writeProcess(t)
}

func (m *Metrics) writeAnswers(t *text) {
	const name = prefix + "answers_total"
	t.family(name, counter, "Requests for services or credentials that were answered, by their namespace, route and outcome.")
	for n, ns := range m.namespaces {
		for r, route := range routes {
			for o, outcome := range outcomes {
				t.sample(name, load(&m.answers[n][r][o]), "namespace", ns, "outcome", outcome, "route", route)
			}
		}
	}
	t.family(prefix+"limited_total", counter, "Requests that were refused because they exceeded a limit.")
	for i, limit := range Limits {
		t.sample(prefix+"limited_total", load(&m.limited[i]), "limit", limit)
	}
}

func (m *Metrics) writeHTTP(t *text) {
	const name = prefix + "http_credentials_total"
	t.family(name, counter, "Requests for credentials over HTTP.")
	for i, endpoint := range Endpoints {
		for j, outcome := range Given {
			t.sample(name, load(&m.given[i][j]), "endpoint", endpoint, "outcome", outcome)
		}
	}
}

func load(n *atomic.Uint64) float64 { return float64(n.Load()) }
