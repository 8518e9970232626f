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

// Wait returns when an InfluxDB 2 answers at url. Nobody there is what it waits for, as long as ctx
// lasts, and tells once; something else there is an error at once.
func Wait(ctx context.Context, log *slog.Logger, at access.Config) error {
	c, err := newClient(at)
	if err != nil {
		return err
	}
	defer c.close()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	var reason error // why there was no good answer so far
	for {
		version, err := c.version(ctx)
		switch {
		case err == nil:
			log.Debug("InfluxDB answers", "url", at.URL, "version", version)
			return nil
		case errors.Is(err, ErrNotInfluxDB), errors.Is(err, certs.ErrRejected):
			return err
		case reason == nil:
			reason = err
			log.Info("waiting for InfluxDB", "url", at.URL, "reason", err)
		case ctx.Err() == nil: // else it says only that the time is up
			reason = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnreachable, reason)
		}
	}
}

// version asks who is there. InfluxDB 2 tells its version in its health report; version 1 has no
// report like this, version 3 asks for a token.
func (c client) version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var health struct{ Name, Version, Status string }
	err := c.call(ctx, http.MethodGet, "/health", nil, nil, &health)
	answer, isStatus := errors.AsType[*access.StatusError](err)
	switch version := strings.TrimPrefix(health.Version, "v"); {
	case isStatus && answer.Status >= 500: // it, or a proxy before it, is starting
		return "", err
	case isStatus, err == nil && health.Name != "influxdb":
		return "", fmt.Errorf("%w: %w", ErrNotInfluxDB, cmp.Or(err, errors.New("it has another health report")))
	case err != nil:
		return "", err
	case strings.HasPrefix(version, "0."), strings.HasPrefix(version, "1."), strings.HasPrefix(version, "3."):
		return "", fmt.Errorf("%w: it is InfluxDB %s", ErrNotInfluxDB, version)
	case health.Status != "pass":
		return "", fmt.Errorf("it says %q", health.Status)
	}
	return health.Version, nil
}
