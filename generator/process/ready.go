package process

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// WaitReady calls ready until it returns nil. It returns an error with the end of the child's
// output if the child ends first, and ready's last error if ctx ends first.
func (p *Process) WaitReady(ctx context.Context, ready func(context.Context) error) error {
	begin := time.Now()
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	var err error
	for {
		now := ready(ctx)
		if now == nil {
			return nil
		}
		if err == nil || ctx.Err() == nil {
			err = now // not that of an attempt that ctx cut short
		}
		select {
		case <-tick.C:
		case <-p.done:
			return p.Ending()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %v (%w): %w%s", p.name(),
				time.Since(begin).Round(time.Millisecond), context.Cause(ctx), err, p.lastLines())
		}
	}
}

// WaitHTTP is [Process.WaitReady] until a GET succeeds with an answer that holds a text. What only
// the child can say keeps a stranger on its port from counting.
func (p *Process) WaitHTTP(ctx context.Context, timeout time.Duration, url, text string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second}
	return p.WaitReady(ctx, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		switch {
		case err != nil:
			return err
		case resp.StatusCode != http.StatusOK:
			return fmt.Errorf("%s answers %s", url, resp.Status)
		case !strings.Contains(string(body), text):
			return fmt.Errorf("another program answers at %s: %.60q instead of %q", url, body, text)
		}
		return nil
	})
}
