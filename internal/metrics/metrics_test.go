package metrics_test

import (
	"io"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"extdisco/internal/metrics"
)

const ns = "urn:xmpp:extdisco:2"

var at = time.Unix(1_800_000_000, 0)

func read(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 || w.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Fatal(w.Code, err, string(body))
	}
	return string(body)
}

// wantLines checks that each line is in the text.
func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func newMetrics(state metrics.State) *metrics.Metrics {
	return metrics.New("1.2.3", []string{ns, "urn:xmpp:extdisco:1"}, func() metrics.State { return state })
}

func TestCounts(t *testing.T) {
	counts := new(metrics.LinkCounts)
	m := newMetrics(metrics.State{Links: []metrics.Link{{Name: "shard-1", Up: true, Since: at, Counts: counts}, {Name: "shard-2", Standby: true, Counts: new(metrics.LinkCounts)}}, Ready: true})
	m.Answered(1, ns, false, "result", 30*time.Microsecond)
	m.Answered(1, ns, true, "result", 50*time.Microsecond)
	m.Answered(3, ns, true, "result", 51*time.Microsecond)
	m.Answered(1, ns, true, "result", 16*time.Second)
	m.Answered(1, ns, true, "result", 2*time.Second)
	m.Answered(1, ns, true, "resource-constraint", time.Microsecond)
	m.Answered(1, "urn:xmpp:extdisco:1", true, "gone", time.Microsecond)
	m.Answered(1, "urn:xmpp:another", false, "result", time.Microsecond)
	m.Limited(1)
	m.Gave("ice", "given")
	m.Gave("page", "refused")
	counts.Connects.Add(2)
	counts.Disconnects.Add(1)
	counts.FailedAttempts.Add(1)
	counts.Answers.Add(7)
	m.ConfigRead(at, true, false)
	m.ConfigRead(at.Add(time.Hour), false, true)
	text := read(t, m)
	wantLines(t, text,
		`extdisco_answers_total{namespace="urn:xmpp:extdisco:2",outcome="result",route="direct"} 1`,
		`extdisco_answers_total{namespace="urn:xmpp:extdisco:2",outcome="result",route="delegated"} 6`,
		`extdisco_answers_total{namespace="urn:xmpp:extdisco:2",outcome="resource-constraint",route="delegated"} 1`,
		`extdisco_answers_total{namespace="urn:xmpp:extdisco:2",outcome="forbidden",route="direct"} 0`,
		`extdisco_answers_total{namespace="urn:xmpp:extdisco:1",outcome="other",route="delegated"} 1`,
		`extdisco_answer_duration_seconds_bucket{route="direct",le="2.5e-05"} 1`,
		`extdisco_answer_duration_seconds_bucket{route="direct",le="5e-05"} 2`,
		`extdisco_answer_duration_seconds_bucket{route="delegated",le="2.5e-05"} 2`,
		`extdisco_answer_duration_seconds_bucket{route="delegated",le="5e-05"} 3`,
		`extdisco_answer_duration_seconds_bucket{route="delegated",le="0.0001"} 6`,
		`extdisco_answer_duration_seconds_bucket{route="delegated",le="1"} 6`,
		`extdisco_answer_duration_seconds_bucket{route="delegated",le="15"} 7`,
		`extdisco_answer_duration_seconds_bucket{route="delegated",le="+Inf"} 8`,
		`extdisco_answer_duration_seconds_count{route="delegated"} 8`,
		`extdisco_answer_duration_seconds_sum{route="delegated"} 18.000205`,
		`extdisco_limited_total{limit="per_jid"} 0`,
		`extdisco_limited_total{limit="per_domain"} 1`,
		`extdisco_http_credentials_total{endpoint="ice",outcome="given"} 1`,
		`extdisco_http_credentials_total{endpoint="page",outcome="refused"} 1`,
		`extdisco_link_up{link="shard-1"} 1`, `extdisco_link_up{link="shard-2"} 0`, `extdisco_link_standby{link="shard-1"} 0`, `extdisco_link_standby{link="shard-2"} 1`, `extdisco_ready 1`, `extdisco_link_changed_timestamp_seconds{link="shard-1"} 1.8e+09`,
		`extdisco_link_connects_total{link="shard-1"} 2`, `extdisco_link_disconnects_total{link="shard-1"} 1`, `extdisco_link_failed_attempts_total{link="shard-1"} 1`,
		`extdisco_link_answers_total{link="shard-1"} 7`, `extdisco_link_answers_total{link="shard-2"} 0`,
		`extdisco_config_reloads_total{result="ok"} 0`, `extdisco_config_reloads_total{result="failed"} 1`,
		`extdisco_config_last_reload_timestamp_seconds 1.8000036e+09`, `extdisco_config_last_reload_successful 0`,
	)
	if !strings.Contains(text, `extdisco_build_info{goversion="go1.`) || !strings.Contains(text, `version="1.2.3"} 1`) {
		t.Error("no build info")
	}
	if strings.Contains(text, "another") {
		t.Error("a stranger can make labels")
	}
}

func TestProviders(t *testing.T) {
	m := newMetrics(metrics.State{Providers: []metrics.Provider{
		{Name: "cloudflare", Config: "ice_server[1]", Fetched: 3, Failed: 1, At: at, Expires: at.Add(time.Hour), NearExpiry: true},
		{Name: "twilio", Config: "ice_server[2]", Failed: 7},
	}})
	text := read(t, m)
	wantLines(t, text,
		`extdisco_provider_fetches_total{config="ice_server[1]",provider="cloudflare",result="ok"} 3`,
		`extdisco_provider_fetches_total{config="ice_server[1]",provider="cloudflare",result="failed"} 1`,
		`extdisco_provider_credential_fetched_timestamp_seconds{config="ice_server[1]",provider="cloudflare"} 1.8e+09`,
		`extdisco_provider_credential_expiry_timestamp_seconds{config="ice_server[1]",provider="cloudflare"} 1.8000036e+09`,
		`extdisco_provider_credential_near_expiry{config="ice_server[1]",provider="cloudflare"} 1`,
		`extdisco_provider_fetches_total{config="ice_server[2]",provider="twilio",result="failed"} 7`,
		`extdisco_ready 0`,
	)
	for _, absent := range []string{`fetched_timestamp_seconds{config="ice_server[2]"`, "extdisco_link_"} {
		if strings.Contains(text, absent) {
			t.Errorf("%s is told, and there is nothing to tell", absent)
		}
	}
}

func TestProbes(t *testing.T) {
	m := newMetrics(metrics.State{Probes: []metrics.Probe{
		{Server: "turns:turn.example.org:5349?transport=tcp", Config: "ice_server[0]", Up: true, Impaired: true, RoundTrip: 1500 * time.Microsecond, Checked: at, NotAfter: at.Add(time.Hour)},
		{Server: "turn:turn.example.org:3478?transport=udp", Config: "ice_server[0]", Misconfigured: true, Failures: 4, Checked: at},
	}})
	text := read(t, m)
	const tls, udp = `{config="ice_server[0]",server="turns:turn.example.org:5349?transport=tcp"}`, `{config="ice_server[0]",server="turn:turn.example.org:3478?transport=udp"}`
	wantLines(t, text,
		"extdisco_probe_up"+tls+" 1", "extdisco_probe_up"+udp+" 0",
		"extdisco_probe_credentials_refused"+tls+" 0", "extdisco_probe_credentials_refused"+udp+" 1",
		"extdisco_probe_impaired"+tls+" 1", "extdisco_probe_impaired"+udp+" 0", "extdisco_probe_failures_in_a_row"+udp+" 4", "extdisco_probe_round_trip_seconds"+tls+" 0.0015",
		"extdisco_probe_last_timestamp_seconds"+udp+" 1.8e+09", "extdisco_probe_certificate_expiry_timestamp_seconds"+tls+" 1.8000036e+09",
	)
	for _, absent := range []string{"round_trip_seconds" + udp, "expiry_timestamp_seconds" + udp} {
		if strings.Contains(text, absent) {
			t.Errorf("%s is told, and there is nothing to tell", absent)
		}
	}
}

func TestRotations(t *testing.T) {
	text := read(t, newMetrics(metrics.State{Rotations: []metrics.Rotation{
		{Config: "ice_server[0]", Rotated: at, Due: at.Add(time.Hour), Up: true},
		{Config: "ice_server[1]"},
	}}))
	wantLines(t, text,
		`extdisco_secret_database_up{config="ice_server[0]"} 1`,
		`extdisco_secret_database_up{config="ice_server[1]"} 0`,
		`extdisco_secret_rotated_timestamp_seconds{config="ice_server[0]"} 1.8e+09`,
		`extdisco_secret_rotation_due_timestamp_seconds{config="ice_server[0]"} 1.8000036e+09`,
	)
	if strings.Contains(text, `seconds{config="ice_server[1]"}`) {
		t.Error("a secret that is not known has a time")
	}
}

var full = metrics.State{
	Links: []metrics.Link{{Name: "shard-1", Up: true, Since: at, Counts: new(metrics.LinkCounts)}, {Name: "shard-2", Counts: new(metrics.LinkCounts)}},
	Hosts: []metrics.Host{{Name: "example.org", Link: "shard-1", Forwards: true}, {Name: "two.example.org", Link: "shard-1"}}, LostTURN: true,
	Providers: []metrics.Provider{{Name: "http", Config: "ice_server[0]", At: at, Expires: at}, {Name: "http", Config: "ice_server[1]"}},
	Rotations: []metrics.Rotation{{Config: "ice_server[2]", Rotated: at, Due: at, Up: true}, {Config: "ice_server[3]"}},
	Probes:    []metrics.Probe{{Server: "s", Config: "c", RoundTrip: 1, Checked: at, NotAfter: at}, {Server: "t", Config: "c", Checked: at}},
}

// TestFormIsRight holds what Prometheus needs of the text format: each metric is
// described once, its samples follow, and none is there twice. Prometheus's own
// tool reads the metrics in integration/packages.
func TestFormIsRight(t *testing.T) {
	head := regexp.MustCompile(`^# HELP (\w+) (\S.*\.)\n# TYPE (\w+) (counter|gauge|histogram)$`)
	sample := regexp.MustCompile(`^(\w+?)(_bucket|_sum|_count)?(\{\w+="[^"]*"(,\w+="[^"]*")*\})? (\d+(\.\d+)?(e[-+]\d\d)?)$`)
	lines := strings.Split(strings.TrimSuffix(read(t, newMetrics(full)), "\n"), "\n")
	families, series, family, kind := map[string]bool{}, map[string]bool{}, "", ""
	for i := 0; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "#") {
			m := head.FindStringSubmatch(lines[i] + "\n" + lines[i+1])
			if m == nil || m[1] != m[3] || families[m[1]] || (m[4] == "counter") != strings.HasSuffix(m[1], "_total") {
				t.Fatalf("not how a metric is described, or twice: %q", lines[i:i+2])
			}
			family, kind = m[1], m[4]
			families[family] = true
			i++
			continue
		}
		m := sample.FindStringSubmatch(lines[i])
		if m == nil || m[1] != family || (m[2] != "") != (kind == "histogram") {
			t.Errorf("%q is no sample of %s, a %s", lines[i], family, kind)
			continue
		}
		name := strings.TrimSuffix(lines[i], m[5])
		if series[name] {
			t.Errorf("%s is there twice", name)
		}
		series[name] = true
	}
	if len(families) < 39 {
		t.Errorf("there are %d metrics", len(families))
	}
}

func TestHosts(t *testing.T) {
	wantLines(t, read(t, newMetrics(full)), `extdisco_host_forwarding{host="example.org",link="shard-1"} 1`, `extdisco_host_forwarding{host="two.example.org",link="shard-1"} 0`, "extdisco_turn_lost 1")
	text := read(t, newMetrics(metrics.State{}))
	wantLines(t, text, "extdisco_turn_lost 0")
	for _, absent := range []string{"host_forwarding", "provider_", "probe_"} {
		if strings.Contains(text, "extdisco_"+absent) {
			t.Errorf("%s is there with nothing to tell", absent)
		}
	}
}

// What comes from the configuration cannot break the form.
func TestLabelsAreEscaped(t *testing.T) {
	text := read(t, newMetrics(metrics.State{Hosts: []metrics.Host{{Name: "a\"b\\c\nd"}, {Name: "\xff"}}}))
	wantLines(t, text, `extdisco_host_forwarding{host="a\"b\\c\nd",link=""} 0`, `extdisco_host_forwarding{host="`+"\uFFFD"+`",link=""} 0`)
}

// The numbers of the process are those of this one.
func TestProcess(t *testing.T) {
	text := read(t, newMetrics(metrics.State{}))
	value := func(name string) float64 {
		m := regexp.MustCompile(`(?m)^` + name + ` (.*)$`).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("there is no %s", name)
			return 0
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	for name, between := range map[string][2]float64{
		"go_goroutines": {1, 1000}, "go_memstats_heap_alloc_bytes": {1 << 16, 1 << 32}, "go_memstats_heap_objects": {100, 1e8}, "go_memstats_sys_bytes": {1 << 20, 1 << 36}, "go_memstats_alloc_bytes_total": {1 << 16, 1 << 44},
		"process_resident_memory_bytes": {1 << 20, 1 << 36}, "process_virtual_memory_bytes": {1 << 22, 1 << 48}, "process_open_fds": {3, 1e6}, "process_max_fds": {16, 1 << 62}, "process_cpu_seconds_total": {0, 1e5},
	} {
		if n := value(name); n < between[0] || n > between[1] {
			t.Errorf("%s is %v", name, n)
		}
	}
	now, started := float64(time.Now().Unix()), value("process_start_time_seconds")
	if started > now+2 || started < now-3600 {
		t.Errorf("the process was started at %v, and it is %v", started, now)
	}
	runtime.GC()
	text = read(t, newMetrics(metrics.State{}))
	if last := value("go_memstats_last_gc_time_seconds"); last < now-1 || last > now+3600 {
		t.Errorf("the last collection was at %v, and it is %v", last, now)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := newMetrics(metrics.State{})
	if n := testing.AllocsPerRun(100, func() {
		m.Answered(1, ns, true, "result", time.Microsecond)
		m.Answered(1, ns, false, "resource-constraint", time.Microsecond)
		m.Limited(0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAnswered(b *testing.B) {
	m := newMetrics(metrics.State{})
	b.ReportAllocs()
	for b.Loop() {
		m.Answered(1, ns, true, "result", 20*time.Microsecond)
	}
}
