package setup

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// permission is one as the API wants it.
type permission struct {
	Action   string   `json:"action"`
	Resource resource `json:"resource"`
}

type resource struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	OrgID string `json:"orgID"`
}

// grant makes a new token, hands it to keep, and deletes those that this stack
// had before under its name.
func (s *Server) grant(ctx context.Context, want Token, keep func(token string) error) error {
	var permissions []permission
	add := func(action string, buckets []string) {
		for _, name := range buckets {
			permissions = append(permissions,
				permission{action, resource{"buckets", s.buckets[name].ID, s.orgID}})
		}
	}
	add("read", want.Read)
	add("write", want.Write)
	mark := s.plan.mark() + want.Name + " "
	var made struct{ ID, Token string }
	err := s.api.call(ctx, http.MethodPost, "/api/v2/authorizations", nil, map[string]any{
		"orgID": s.orgID, "description": mark + s.plan.Buckets[0].Name, "permissions": permissions,
	}, &made)
	if err != nil {
		return fmt.Errorf("make the token: %w", err)
	}
	if err := keep(made.Token); err != nil {
		// Nobody will ever know it, so nobody should have it.
		_ = s.revoke(context.WithoutCancel(ctx), made.ID)
		return err
	}
	// Only now, so that being cut off leaves one token too many, not one too few.
	var all struct {
		Authorizations []struct{ ID, Description string }
	}
	if err := s.api.call(ctx, http.MethodGet, "/api/v2/authorizations", url.Values{"orgID": {s.orgID}}, nil, &all); err != nil {
		return fmt.Errorf("list the tokens: %w", err)
	}
	for _, a := range all.Authorizations {
		if strings.HasPrefix(a.Description, mark) && a.ID != made.ID {
			if err := s.revoke(ctx, a.ID); err != nil {
				return fmt.Errorf("delete the old token: %w", err)
			}
		}
	}
	return nil
}

func (s *Server) revoke(ctx context.Context, id string) error {
	return s.api.remove(ctx, "/api/v2/authorizations/"+id)
}

// suits reports whether a token permits exactly what it should. A token cannot be asked for its
// permissions, so it is tried: it lists the buckets that it may read, and writes nothing at all
// into each bucket that it might be permitted to write to. The system's buckets are among those,
// which gives away a token for everything.
func (s *Server) suits(ctx context.Context, token string, want Token) (bool, error) {
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false, nil // no header could carry it
	}
	c := s.api.with(token)
	readable, err := c.buckets(ctx, url.Values{"limit": {"100"}})
	if hasStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	mayRead := map[string]bool{}
	for _, b := range readable {
		mayRead[b.ID] = true
	}
	if !maps.Equal(mayRead, s.ids(want.Read)) {
		return false, nil
	}
	system, err := s.api.buckets(ctx, url.Values{"orgID": {s.orgID}, "name": {"_monitoring"}})
	if err != nil {
		return false, err
	}
	mayWrite := s.ids(want.Write)
	for _, b := range slices.Concat(slices.Collect(maps.Values(s.buckets)), system) {
		err := c.call(ctx, http.MethodPost, "/api/v2/write",
			url.Values{"orgID": {s.orgID}, "bucket": {b.ID}}, nil, nil)
		if err != nil && !hasStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
			return false, fmt.Errorf("try to write nothing to bucket %q: %w", b.Name, err)
		}
		if (err == nil) != mayWrite[b.ID] {
			return false, nil
		}
	}
	return true, nil
}

func (s *Server) ids(names []string) map[string]bool {
	ids := map[string]bool{}
	for _, name := range names {
		ids[s.buckets[name].ID] = true
	}
	return ids
}
