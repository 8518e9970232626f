package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"colorstream/influxdb/access"
	"colorstream/influxdb/influxtest"
)

// A bucket is InfluxDB's description of one.
type bucket struct{ ID, OrgID string }

func describe(t *testing.T, db *influxtest.Server) bucket {
	t.Helper()
	var found struct{ Buckets []bucket }
	admin(t, db, http.MethodGet, "/api/v2/buckets?name="+db.Bucket, "", &found)
	if len(found.Buckets) != 1 {
		t.Fatal(found)
	}
	return found.Buckets[0]
}

// makeToken makes one that may write the bucket.
func makeToken(t *testing.T, db *influxtest.Server) (id, token string) {
	t.Helper()
	b := describe(t, db)
	var made struct{ ID, Token string }
	admin(t, db, http.MethodPost, "/api/v2/authorizations", fmt.Sprintf(`{"orgID":%q,"permissions":[
		{"action":"write","resource":{"type":"buckets","id":%q,"orgID":%[1]q}}]}`, b.OrgID, b.ID), &made)
	return made.ID, made.Token
}

// admin asks InfluxDB's API as the administrator. The answer may be nil.
func admin(t testing.TB, db *influxtest.Server, method, path, body string, answer any) {
	t.Helper()
	text, err := access.Client{URL: db.URL, Token: db.AdminToken}.Call(
		t.Context(), method, path, "application/json", []byte(body))
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		t.Fatal(err)
	}
}
