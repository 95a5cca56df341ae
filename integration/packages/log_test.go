//go:build integration

package packages

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"extdisco/integration/lab"
)

// output is what a process has printed so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// waitFor waits until the text was printed.
func (o *output) waitFor(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return lab.Poll(ctx, func(context.Context) error {
		if s := o.String(); !strings.Contains(s, text) {
			return fmt.Errorf("no %q in:\n%s", text, s)
		}
		return nil
	})
}
