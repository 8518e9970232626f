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

// ensureToken sees to it that a token's file has one that suits. One that does is kept, and so the
// programs that read it at their start need no restart.
func (s *server) ensureToken(ctx context.Context, want Token) error {
	folder := s.plan.Folder
	old, err := folder.read(want.Name)
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	suits := false
	if old != "" {
		if suits, err = s.suits(ctx, old, want); err != nil {
			return fmt.Errorf("try the one in its file: %w", err)
		}
	}
	if suits {
		return folder.protect(want.Name)
	}
	if err := s.grant(ctx, want); err != nil {
		return err
	}
	s.log.Info("token made: there was none, or it was rejected or permits something else",
		"token", want.Name, "folder", folder.Path, "reads", want.Read, "writes", want.Write)
	return nil
}

// grant makes a new token, writes it to its file, and deletes those that this stack had before
// under its name.
func (s *server) grant(ctx context.Context, want Token) error {
	permissions := []any{}
	for action, buckets := range map[string][]string{"read": want.Read, "write": want.Write} {
		for id := range s.ids(buckets) {
			permissions = append(permissions, map[string]any{
				"action": action, "resource": map[string]string{"type": "buckets", "id": id, "orgID": s.orgID},
			})
		}
	}
	const path = "/api/v2/authorizations"
	mark := s.mark + want.Name + " "
	var made struct{ ID, Token string }
	err := s.api.call(ctx, http.MethodPost, path, nil, map[string]any{
		"orgID": s.orgID, "description": mark + s.plan.Buckets[0].Name, "permissions": permissions,
	}, &made)
	if err != nil {
		return fmt.Errorf("make the token: %w", err)
	}
	if err := s.plan.Folder.write(want.Name, made.Token); err != nil {
		// Nobody will ever know it, so nobody should have it.
		_ = s.api.remove(context.WithoutCancel(ctx), path+"/"+made.ID)
		return err
	}
	// Only now, so that being cut off leaves one token too many, not one too few.
	all, err := s.api.list(ctx, path, url.Values{"orgID": {s.orgID}})
	if err != nil {
		return fmt.Errorf("list the tokens: %w", err)
	}
	for _, a := range all {
		if strings.HasPrefix(a.Description, mark) && a.ID != made.ID {
			if err := s.api.remove(ctx, path+"/"+a.ID); err != nil {
				return fmt.Errorf("delete the old token: %w", err)
			}
		}
	}
	return nil
}

// suits reports whether a token permits exactly what it should. A token cannot be asked for its
// permissions, so it is tried: it lists the buckets that it may read, and writes nothing at all
// into each bucket that it might be permitted to write to. The system's buckets are among those,
// which gives away a token for everything.
func (s *server) suits(ctx context.Context, token string, want Token) (bool, error) {
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false, nil // no header could carry it
	}
	c := s.api.with(token)
	readable, err := c.list(ctx, "/api/v2/buckets", url.Values{"limit": {"100"}})
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
	system, err := s.api.list(ctx, "/api/v2/buckets",
		url.Values{"orgID": {s.orgID}, "name": {"_monitoring"}})
	if err != nil {
		return false, err
	}
	tried := slices.Collect(maps.Values(s.buckets))
	for _, b := range system {
		tried = append(tried, b.ID)
	}
	mayWrite := s.ids(want.Write)
	for _, id := range tried {
		err := c.call(ctx, http.MethodPost, "/api/v2/write",
			url.Values{"orgID": {s.orgID}, "bucket": {id}}, nil, nil)
		if err != nil && !hasStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
			return false, fmt.Errorf("write nothing to bucket %s: %w", id, err)
		}
		if (err == nil) != mayWrite[id] {
			return false, nil
		}
	}
	return true, nil
}

// ids is the set of the ids of buckets of the plan.
func (s *server) ids(names []string) map[string]bool {
	ids := map[string]bool{}
	for _, name := range names {
		ids[s.buckets[name]] = true
	}
	return ids
}
