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
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"colorstream/influxdb/access"
)

// A Plan says what InfluxDB should have.
type Plan struct {
	Org     string
	Buckets []Bucket // at least one
	Tokens  []Token
	Folder  Folder // of the tokens
	// Scrapers are made anew where they differ. Those that the stack made before and that are in its
	// plan no more are deleted.
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

// server is an InfluxDB 2 on its way to match the plan.
type server struct {
	log     *slog.Logger
	api     client
	admin   Admin
	plan    Plan
	lock    *flock.Flock
	isNew   bool // nobody has set it up
	orgID   string
	buckets map[string]string // name → id, those of the plan
	// mark begins the descriptions of all tokens, and the names of all scrapers, of this stack. What
	// follows is a name and the first bucket's.
	mark string
}

// A step makes one thing as it should be. Its errors begin with the name: the variable that a
// person can change, if there is one.
type step struct {
	name string
	do   func(context.Context) error
}

// Apply makes a server match the plan. It waits for the server for some time, and for any other
// process that uses the folder: two at once would each delete the other's new tokens as old ones.
func Apply(
	ctx context.Context, log *slog.Logger, at access.Config, timeout time.Duration, admin Admin,
	plan Plan,
) error {
	api, err := newClient(at)
	if err != nil {
		return err
	}
	defer api.HTTP.CloseIdleConnections()
	s := &server{
		log: log, api: api, admin: admin, plan: plan, buckets: map[string]string{},
		lock: flock.New(filepath.Join(plan.Folder.Path, ".lock")),
	}
	defer s.lock.Close()
	address := "INFLUX_URL=" + redacted(at.URL)
	steps := []step{
		{"INFLUX_TOKEN_DIR=" + plan.Folder.Path, s.openFolder},
		{address, func(ctx context.Context) (err error) {
			s.isNew, err = api.wait(ctx, log, timeout)
			return err
		}},
		{address + ": set it up", s.onboard},
		{address + ": sign in", s.signIn},
		{"INFLUX_ORG=" + plan.Org, s.ensureOrg},
	}
	for _, b := range plan.Buckets {
		do := func(ctx context.Context) error { return s.ensureBucket(ctx, b) }
		steps = append(steps, step{fmt.Sprintf("%s: bucket %q", address, b.Name), do})
	}
	steps = append(steps, step{address + ": scrapers", s.ensureScrapers})
	for _, t := range plan.Tokens {
		do := func(ctx context.Context) error { return s.ensureToken(ctx, t) }
		steps = append(steps, step{fmt.Sprintf("%s: token %q", address, t.Name), do})
	}
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// onboard gives a new server its administrator, organisation and first bucket.
func (s *server) onboard(ctx context.Context) error {
	if !s.isNew {
		return nil
	}
	first := s.plan.Buckets[0]
	err := s.api.call(ctx, http.MethodPost, "/api/v2/setup", nil, map[string]any{
		"username": s.admin.User, "password": s.admin.Password, "token": s.admin.Token,
		"org": s.plan.Org, "bucket": first.Name,
		"retentionPeriodSeconds": int64(first.Retention / time.Second),
	}, nil)
	if hasStatus(err, http.StatusUnprocessableEntity) {
		return nil // somebody was faster
	}
	if err == nil {
		s.log.Info("InfluxDB was new and is set up",
			"user", s.admin.User, "org", s.plan.Org, "bucket", first.Name)
	}
	return err
}

func (s *server) signIn(ctx context.Context) error {
	address, err := url.Parse(s.api.URL)
	if err != nil {
		return err
	}
	address.User = url.UserPassword(s.admin.User, s.admin.Password)
	login := s.api
	login.URL = address.String()
	err = login.call(ctx, http.MethodPost, "/api/v2/signin", nil, nil, nil)
	if hasStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
		return fmt.Errorf("it rejects INFLUX_ADMIN_USER=%s with INFLUX_ADMIN_PASSWORD. It keeps those "+
			"that it was first set up with; setting the variables does not change them. Set them to "+
			"the first ones, or delete InfluxDB's data to start afresh", s.admin.User)
	}
	return err
}

func (s *server) ensureOrg(ctx context.Context) error {
	found, err := s.api.list(ctx, "/api/v2/orgs", url.Values{"org": {s.plan.Org}})
	if err != nil {
		return err
	}
	var org resource
	if len(found) > 0 {
		org = found[0]
	} else {
		body := map[string]any{"name": s.plan.Org}
		err = s.api.call(ctx, http.MethodPost, "/api/v2/orgs", nil, body, &org)
		if hasStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
			return errors.Join(errors.New("it does not exist and cannot be made"), err)
		}
		if err == nil {
			s.log.Info("organisation made", "org", s.plan.Org)
		}
	}
	s.orgID = org.ID
	return err
}

func (s *server) ensureBucket(ctx context.Context, want Bucket) error {
	found, err := s.api.list(ctx, "/api/v2/buckets",
		url.Values{"orgID": {s.orgID}, "name": {want.Name}})
	if err != nil {
		return err
	}
	seconds := int64(want.Retention / time.Second)
	body := map[string]any{
		"orgID": s.orgID, "name": want.Name,
		// InfluxDB chooses anew how long a shard is, which may not be longer than the retention.
		"retentionRules": []map[string]any{{
			"type": "expire", "everySeconds": seconds, "shardGroupDurationSeconds": 0,
		}},
	}
	method, path, done := http.MethodPost, "/api/v2/buckets", "bucket made"
	if len(found) > 0 {
		had := int64(0)
		for _, rule := range found[0].RetentionRules {
			had = rule.EverySeconds
		}
		if s.buckets[want.Name] = found[0].ID; had == seconds {
			return nil
		}
		method, path, done = http.MethodPatch, path+"/"+found[0].ID, "retention changed"
		delete(body, "orgID")
	}
	var b resource
	if err = s.api.call(ctx, method, path, nil, body, &b); err == nil {
		s.buckets[want.Name] = b.ID
		s.log.Info(done, "bucket", want.Name, "retention", want.Retention)
	}
	return err
}
