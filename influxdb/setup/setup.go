// Package setup brings an InfluxDB 2 into the state that the other programs rely on: an
// organisation, buckets with their retention, for each program a token in a file, which permits
// what the program does and nothing else, and scrapers, by which InfluxDB reads the programs'
// metrics.
//
// Everything is idempotent: a second run changes nothing, a run after another was cut off completes
// it. Nothing is changed or deleted that another stack or a person made: what a stack makes bears
// the id of its folder of tokens.
//
// Tokens are never read back from InfluxDB, which from 2.9 on keeps hashes only. Whether a file's
// token is the right one is found out by trying what it permits.
package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"colorstream/influxdb/access"
)

// What callers tell apart.
var (
	ErrUnreachable = errors.New("InfluxDB does not answer")
	ErrPassword    = errors.New("InfluxDB rejects this user and password")
	ErrOrg         = errors.New("the organisation does not exist and cannot be made")
	ErrFolder      = errors.New("tokens cannot be written there")
)

// A Plan says what InfluxDB should have.
type Plan struct {
	Org     string
	Buckets []Bucket // at least one
	Tokens  []Token
	Folder  Folder // of the tokens
	// Scrapers are made or changed by name. Those that the stack made before and that are in its plan
	// no more are deleted.
	Scrapers []Scraper
}

// A Bucket is made if it is missing, and its retention is changed if it differs.
type Bucket struct {
	Name      string
	Retention time.Duration // whole seconds; 0 keeps everything
}

// A Token permits reading and writing the named buckets of the plan.
type Token struct {
	Name  string // of its file
	Read  []string
	Write []string
}

// Admin is who does it: made if the server is new.
type Admin struct {
	User, Password string
	// Token is an all-access token for a new server; usually "", a random one that nobody learns.
	Token string
}

// server is an InfluxDB 2 at which the administrator has signed in.
type server struct {
	log     *slog.Logger
	api     client
	plan    Plan
	orgID   string
	buckets map[string]bucket // by name, those of the plan
	// mark begins the descriptions of all tokens, and the names of all scrapers, of this stack. What
	// follows is a name and the first bucket's.
	mark string
}

// Apply makes a server match the plan. It waits for the server for some time, and for any other
// process that uses the folder: two at once would each delete the other's new tokens as old ones.
func Apply(
	ctx context.Context, log *slog.Logger, at access.Config, timeout time.Duration, admin Admin,
	plan Plan,
) error {
	lock, stack, err := plan.Folder.open(ctx, log)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	defer lock.Close()
	api, err := newClient(at)
	if err != nil {
		return err
	}
	defer api.HTTP.CloseIdleConnections()
	if err := api.wait(ctx, log, timeout); err != nil {
		return err
	}
	s := &server{
		log: log, api: api, plan: plan, buckets: map[string]bucket{}, mark: "colorstream " + stack + " ",
	}
	if err := s.onboard(ctx, admin); err != nil {
		return fmt.Errorf("set InfluxDB up: %w", err)
	}
	if err := s.signIn(ctx, admin); err != nil {
		return err
	}
	if err := s.ensureOrg(ctx); err != nil {
		return fmt.Errorf("organisation %q: %w", plan.Org, err)
	}
	for _, b := range plan.Buckets {
		if err := s.ensureBucket(ctx, b); err != nil {
			return fmt.Errorf("bucket %q: %w", b.Name, err)
		}
	}
	if err := s.ensureScrapers(ctx); err != nil {
		return fmt.Errorf("scrapers: %w", err)
	}
	for _, token := range plan.Tokens {
		if err := s.ensureToken(ctx, token); err != nil {
			return fmt.Errorf("token %q: %w", token.Name, err)
		}
	}
	return nil
}

// onboard gives a new server its administrator, organisation and first bucket.
func (s *server) onboard(ctx context.Context, admin Admin) error {
	var setup struct{ Allowed bool }
	if err := s.api.call(ctx, http.MethodGet, "/api/v2/setup", nil, nil, &setup); err != nil ||
		!setup.Allowed {
		return err
	}
	first := s.plan.Buckets[0]
	err := s.api.call(ctx, http.MethodPost, "/api/v2/setup", nil, map[string]any{
		"username": admin.User, "password": admin.Password, "token": admin.Token,
		"org": s.plan.Org, "bucket": first.Name,
		"retentionPeriodSeconds": int64(first.Retention / time.Second),
	}, nil)
	if hasStatus(err, http.StatusUnprocessableEntity) {
		return nil // somebody was faster
	}
	if err == nil {
		s.log.Info("InfluxDB was new and is set up",
			"user", admin.User, "org", s.plan.Org, "bucket", first.Name)
	}
	return err
}

func (s *server) signIn(ctx context.Context, admin Admin) error {
	address, err := url.Parse(s.api.URL)
	if err != nil {
		return err
	}
	address.User = url.UserPassword(admin.User, admin.Password)
	login := s.api
	login.URL = address.String()
	err = login.call(ctx, http.MethodPost, "/api/v2/signin", nil, nil, nil)
	if hasStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
		return ErrPassword
	}
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	return nil
}

func (s *server) ensureOrg(ctx context.Context) error {
	var found struct{ Orgs []struct{ ID string } }
	err := s.api.call(ctx, http.MethodGet, "/api/v2/orgs",
		url.Values{"org": {s.plan.Org}}, nil, &found)
	if err != nil && !hasStatus(err, http.StatusNotFound) {
		return err
	}
	if len(found.Orgs) > 0 {
		s.orgID = found.Orgs[0].ID
		return nil
	}
	var made struct{ ID string }
	err = s.api.call(ctx, http.MethodPost, "/api/v2/orgs",
		nil, map[string]any{"name": s.plan.Org}, &made)
	if hasStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
		return fmt.Errorf("%w: %w", ErrOrg, err)
	}
	if err == nil {
		s.log.Info("organisation made", "org", s.plan.Org)
		s.orgID = made.ID
	}
	return err
}
