// Package metrics counts what extdisco does and shows it in the form that
// Prometheus reads (text exposition format 0.0.4 and OpenMetrics 1.0).
//
// Everything that is counted on the way of a request has its counter made
// beforehand, so that counting allocates nothing. What changes rarely is asked
// for when somebody reads; see [State]. No label names a user: a requester's
// address or pseudonym is neither wanted in a metric nor bounded in number.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
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
	registry   *prometheus.Registry
	namespaces []string
	answers    [][len(routes)][len(outcomes)]prometheus.Counter // by namespace
	durations  *durations

	limited [len(Limits)]prometheus.Counter
	given   [len(Endpoints)][len(Given)]prometheus.Counter

	linkUps, linkDowns, attemptsFailed prometheus.Counter
	reloads                            [2]prometheus.Counter // failed, ok
	reloadTime, reloadOK               prometheus.Gauge
}

// New returns the metrics of a program of this version that answers in the
// namespaces. state is asked whenever somebody reads.
func New(version string, namespaces []string, state func() State) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), namespaces: slices.Clone(namespaces)}
	build := m.gauges("build_info", "Always 1; the labels say what runs.", "version", "goversion")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.makeAnswers()
	limited := m.counters("limited_total", "Requests that were refused since a limit was reached.", "limit")
	for i, name := range Limits {
		m.limited[i] = limited.WithLabelValues(name)
	}
	given := m.counters("http_credentials_total", "Requests for credentials over HTTP.", "endpoint", "outcome")
	for i, endpoint := range Endpoints {
		for j, outcome := range Given {
			m.given[i][j] = given.WithLabelValues(endpoint, outcome)
		}
	}
	m.linkUps = m.counters("link_connects_total", "Connections to the XMPP server that were accepted.").WithLabelValues()
	m.linkDowns = m.counters("link_disconnects_total", "Connections to the XMPP server that ended, on whoever's wish.").WithLabelValues()
	m.attemptsFailed = m.counters("link_failed_attempts_total", "Attempts to connect to the XMPP server that failed.").WithLabelValues()
	reloads := m.counters("config_reloads_total", "Readings of the configuration since the start.", "result")
	m.reloads = [2]prometheus.Counter{reloads.WithLabelValues("failed"), reloads.WithLabelValues("ok")}
	m.reloadTime = m.gauges("config_last_reload_timestamp_seconds", "When the configuration was read last.").WithLabelValues()
	m.reloadOK = m.gauges("config_last_reload_successful", "Whether the configuration could be put in force when it was read last.").WithLabelValues()
	m.registry.MustRegister(stateCollector{state},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) makeAnswers() {
	answers := m.counters("answers_total", "Requests for services or credentials that were answered, by the namespace they were in, "+
		"the way they took and how they were answered.", "namespace", "route", "outcome")
	m.durations = newDurations(prefix+"answer_duration_seconds", "Time from reading a request to its reply, with the wait for a provider.")
	m.registry.MustRegister(m.durations)
	m.answers = make([][len(routes)][len(outcomes)]prometheus.Counter, len(m.namespaces))
	for r, route := range routes {
		for n, ns := range m.namespaces {
			for o, outcome := range outcomes {
				m.answers[n][r][o] = answers.WithLabelValues(ns, route, outcome)
			}
		}
	}
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

// Answered counts requests that were answered alike. The outcome is "result" or
// the condition of the stanza error.
func (m *Metrics) Answered(count int, ns string, delegated bool, outcome string, took time.Duration) {
	route := 0
	if delegated {
		route = 1
	}
	m.durations.add(count, route, took)
	if n := slices.Index(m.namespaces, ns); n >= 0 {
		m.answers[n][route][indexOrLast(outcomes[:], outcome)].Add(float64(count))
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
func (m *Metrics) Limited(limit int) { m.limited[limit].Inc() }

// Gave counts a request for credentials over HTTP: one of [Endpoints] and how it
// ended, one of [Given].
func (m *Metrics) Gave(endpoint, outcome string) {
	m.given[indexOrLast(Endpoints[:], endpoint)][indexOrLast(Given[:], outcome)].Inc()
}

// LinkUp counts a connection that was accepted.
func (m *Metrics) LinkUp() { m.linkUps.Inc() }

// LinkDown counts a connection that ended.
func (m *Metrics) LinkDown() { m.linkDowns.Inc() }

// AttemptFailed counts an attempt to connect.
func (m *Metrics) AttemptFailed() { m.attemptsFailed.Inc() }

// ConfigRead notes when the configuration was put in force, or could not be.
// Reading it at the start is no reload.
func (m *Metrics) ConfigRead(at time.Time, ok, reload bool) {
	result := 0
	if ok {
		result = 1
	}
	if reload {
		m.reloads[result].Inc()
	}
	m.reloadTime.Set(float64(at.Unix()))
	m.reloadOK.Set(float64(result))
}

// Handler shows the metrics.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, EnableOpenMetrics: true,
	})
}
