package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"colorstream/generator/certs"
	"colorstream/influxdb/access"
)

const (
	probeTimeout  = 3 * time.Second
	probeInterval = 250 * time.Millisecond
)

var errNotInfluxDB = errors.New("what answers is not InfluxDB 2")

// wait returns when an InfluxDB 2 answers. Nobody there is what it waits for, until the timeout,
// and tells once; something else there is an error at once.
func (c client) wait(ctx context.Context, log *slog.Logger, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var reason error // why there was no good answer so far
	for {
		err := c.probe(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errNotInfluxDB), errors.Is(err, certs.ErrRejected):
			return err
		case reason == nil:
			reason = err
			log.Info("waiting for InfluxDB", "url", c.URL, "reason", err)
		case ctx.Err() == nil: // else it says only that the time is up
			reason = err
		}
		select {
		case <-time.After(probeInterval):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnreachable, reason)
		}
	}
}

// probe asks who is there. InfluxDB 2 tells its version in its health report; version 1 has no
// report like this, version 3 asks for a token.
func (c client) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var health struct{ Name, Version, Status string }
	err := c.call(ctx, http.MethodGet, "/health", nil, nil, &health)
	answer, isStatus := errors.AsType[*access.StatusError](err)
	version := strings.TrimPrefix(health.Version, "v")
	switch {
	case isStatus && answer.Status >= 500: // it, or a proxy before it, is starting
		return err
	case isStatus, err == nil && health.Name != "influxdb":
		return fmt.Errorf("%w: %w", errNotInfluxDB,
			cmp.Or(err, errors.New("it has another health report")))
	case err != nil:
		return err
	case strings.HasPrefix(version, "0."), strings.HasPrefix(version, "1."),
		strings.HasPrefix(version, "3."):
		return fmt.Errorf("%w: it is InfluxDB %s", errNotInfluxDB, version)
	case health.Status != "pass":
		return fmt.Errorf("it says %q", health.Status)
	}
	return nil
}
