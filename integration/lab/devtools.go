package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// devtools speaks the Chrome DevTools Protocol over a pair of pipes: JSON
// messages, each ended by a zero byte. Commands may be sent from any goroutine.
type devtools struct {
	out     io.WriteCloser
	in      io.ReadCloser
	onEvent func(session, method string, params json.RawMessage) // called by the reader
	ended   chan struct{}                                        // closed when the reader is done

	mu      sync.Mutex
	lastID  int
	waiting map[int]chan devtoolsMessage // by id of the command
}

// devtoolsMessage is a command, its answer or an event.
type devtoolsMessage struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *devtoolsError  `json:"error,omitempty"`
}

type devtoolsError struct {
	Message string `json:"message"`
}

var errBrowserGone = errors.New("the browser has closed its pipe")

// newDevtools starts to read. The owner must call close, which waits for the reader.
func newDevtools(in io.ReadCloser, out io.WriteCloser, onEvent func(session, method string, params json.RawMessage)) *devtools {
	d := &devtools{in: in, out: out, onEvent: onEvent, ended: make(chan struct{}), waiting: map[int]chan devtoolsMessage{}}
	go d.read()
	return d
}

func (d *devtools) close() {
	d.out.Close()
	d.in.Close()
	<-d.ended
}

func (d *devtools) read() {
	defer close(d.ended)
	r := bufio.NewReader(d.in)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m devtoolsMessage
		if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
			return
		}
		if m.ID == 0 {
			d.onEvent(m.SessionID, m.Method, m.Params)
			continue
		}
		d.mu.Lock()
		answer := d.waiting[m.ID]
		delete(d.waiting, m.ID)
		d.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

// call sends a command, to the page of the session or to the browser itself if
// that is empty, and decodes the result into result unless that is nil.
func (d *devtools) call(ctx context.Context, session, method string, params, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	answer := make(chan devtoolsMessage, 1)
	id, err := d.send(devtoolsMessage{SessionID: session, Method: method, Params: text}, answer)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-d.ended:
		return fmt.Errorf("%s: %w", method, errBrowserGone)
	case <-ctx.Done():
		d.mu.Lock()
		delete(d.waiting, id)
		d.mu.Unlock()
		return fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
}

// send writes a command and has its answer go to the channel.
func (d *devtools) send(m devtoolsMessage, answer chan devtoolsMessage) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lastID++
	m.ID = d.lastID
	text, err := json.Marshal(m)
	if err != nil {
		return 0, err
	}
	d.waiting[m.ID] = answer
	_, err = d.out.Write(append(text, 0))
	return m.ID, err
}
