package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	askEvery     = 400 * time.Millisecond
	sampleEvery  = time.Second
	callEvery    = 100 * time.Millisecond // of one end of the line
	reloadEvery  = 7 * time.Second
	restartEvery = 31 * time.Second // of Prosody and of coturn in turns
)

// sample is what extdisco says of itself.
type sample struct {
	goroutines int
	files      int
	resident   int64 // bytes
}

// soak does everything that happens until ctx ends.
func (s *scene) soak(ctx context.Context) []sample {
	var all sync.WaitGroup
	every := func(d time.Duration, do func(n int)) {
		all.Go(func() {
			tick := time.NewTicker(d)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-tick.C:
					do(n)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	every(askEvery, func(int) { s.ask(ctx) })
	every(askEvery, func(int) { s.callBriefly(ctx, s.ask(ctx)) })
	every(callEvery, func(int) { s.call(ctx) })
	every(callEvery, func(int) { s.call(ctx) })
	every(reloadEvery, func(int) { s.note(s.extdisco.Signal(syscall.SIGHUP)) })
	every(restartEvery, func(n int) { s.restart(ctx, n) })
	var samples []sample
	every(sampleEvery, func(int) {
		s.away.RLock()
		defer s.away.RUnlock()
		sample, err := s.sample(ctx)
		if ctx.Err() == nil {
			s.note(err)
		}
		if err == nil {
			samples = append(samples, sample)
		}
	})
	all.Wait()
	return samples
}

// ask asks as a user who logs in for it, and returns what the user gets of our relay.
func (s *scene) ask(ctx context.Context) []service {
	s.away.RLock()
	defer s.away.RUnlock()
	var got struct {
		Answers []struct{ Services []service }
	}
	var stderr bytes.Buffer
	query := exec.CommandContext(ctx, s.binary, "query", host, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure", "--json")
	query.Stderr = &stderr
	out, err := query.Output()
	if err == nil {
		err = json.Unmarshal(out, &got)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil || len(got.Answers) == 0 {
		s.note(fmt.Errorf("query: %w: %s%s", err, out, &stderr))
		return nil
	}
	s.answered.Add(1)
	return slices.DeleteFunc(got.Answers[0].Services, func(v service) bool { return v.Type == "stun" || v.Port == s.turn.Port })
}

// restart restarts Prosody, hard or gently, or coturn.
func (s *scene) restart(ctx context.Context, n int) {
	s.away.Lock()
	defer s.away.Unlock()
	var err error
	switch n % 3 {
	case 0:
		err = errors.Join(s.xmpp.Kill(), s.reconnected(ctx))
	case 1:
		err = errors.Join(s.turn.Stop(), s.turn.Start(ctx))
	case 2:
		err = errors.Join(s.xmpp.Stop(), s.reconnected(ctx))
	}
	if ctx.Err() == nil {
		s.note(err)
	}
}

// reconnected starts Prosody and waits until extdisco is there again.
func (s *scene) reconnected(ctx context.Context) error {
	const line = `"connected to the XMPP server"`
	before := strings.Count(s.extdisco.Log(), line)
	if err := s.xmpp.Start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return s.extdisco.WaitForLog(ctx, line, before+1)
}

// note keeps the first failures.
func (s *scene) note(err error) {
	if err == nil {
		return
	}
	s.failed.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) < 5 {
		s.failures = append(s.failures, err.Error())
	}
}

// sample reads the metrics, and the status page as somebody who has it open.
func (s *scene) sample(ctx context.Context) (sample, error) {
	if _, err := s.get(ctx, "/"); err != nil {
		return sample{}, err
	}
	text, err := s.get(ctx, "/metrics")
	if err != nil {
		return sample{}, err
	}
	values := map[string]float64{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if name, value, found := strings.Cut(lines.Text(), " "); found {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				values[name] = v
			}
		}
	}
	out := sample{goroutines: int(values["go_goroutines"]), files: int(values["process_open_fds"]), resident: int64(values["process_resident_memory_bytes"])}
	if out.goroutines == 0 || out.resident == 0 || out.files == 0 {
		return out, errors.New("the metrics do not tell goroutines, files and memory")
	}
	return out, nil
}

func (s *scene) get(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+path, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, response.Status)
	}
	return string(body), err
}

const (
	mostResident = 64 << 20
	// memoryGrowth is how much more may be held in the last third than in the
	// second, growth how many more goroutines may run and files be open: calls come and go.
	// What differs from moment to moment is taken out by the median.
	memoryGrowth = 4 << 20
	growth       = 6
)

// judge compares the second third of the time with the last. The first one is left
// for everything to warm up.
func (s *scene) judge(samples []sample) error {
	third := len(samples) / 3
	if third < 10 {
		return fmt.Errorf("%d samples are too few to say anything", len(samples))
	}
	before, after := medians(samples[third:2*third]), medians(samples[2*third:])
	fmt.Printf("soak: %d answers, %d calls, %d failures; goroutines %d, then %d; files %d, then %d; resident %.1f MiB, then %.1f MiB\n",
		s.answered.Load(), s.called.Load(), s.failed.Load(), before.goroutines, after.goroutines, before.files, after.files, mib(before.resident), mib(after.resident))
	var errs []error
	if n := s.failed.Load(); n > 0 {
		errs = append(errs, fmt.Errorf("%d failures, the first: %s", n, strings.Join(s.failures, "; ")))
	}
	if s.answered.Load() == 0 {
		errs = append(errs, errors.New("nothing was answered"))
	}
	if s.called.Load() == 0 {
		errs = append(errs, errors.New("nobody called"))
	}
	if after.goroutines > before.goroutines+growth {
		errs = append(errs, errors.New("the number of goroutines grows"))
	}
	if after.files > before.files+growth {
		errs = append(errs, errors.New("the number of open files grows"))
	}
	if after.resident > before.resident+memoryGrowth {
		errs = append(errs, errors.New("the memory grows"))
	}
	most := slices.MaxFunc(samples, func(a, b sample) int { return int(a.resident - b.resident) })
	if most.resident > mostResident {
		errs = append(errs, fmt.Errorf("%.1f MiB were resident", mib(most.resident)))
	}
	return errors.Join(errs...)
}

func medians(samples []sample) sample {
	var goroutines, files []int
	var resident []int64
	for _, s := range samples {
		goroutines, files, resident = append(goroutines, s.goroutines), append(files, s.files), append(resident, s.resident)
	}
	slices.Sort(goroutines)
	slices.Sort(files)
	slices.Sort(resident)
	return sample{goroutines[len(goroutines)/2], files[len(files)/2], resident[len(resident)/2]}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
