package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"colorstream/influxdb/influxtest"
)

// makeToken makes one that may write the bucket.
func makeToken(t *testing.T, db *influxtest.Server) (id, token string) {
	t.Helper()
	var found struct {
		Buckets []struct{ ID, OrgID string }
	}
	admin(t, db, http.MethodGet, "/api/v2/buckets?name="+db.Bucket, "", func(text []byte) {
		if err := json.Unmarshal(text, &found); err != nil || len(found.Buckets) != 1 {
			t.Fatalf("%v: %s", err, text)
		}
	})
	b := found.Buckets[0]
	var made struct{ ID, Token string }
	body := fmt.Sprintf(`{"orgID":%q,"permissions":[{"action":"write","resource":{"type":"buckets","id":%q,"orgID":%q}}]}`, b.OrgID, b.ID, b.OrgID)
	admin(t, db, http.MethodPost, "/api/v2/authorizations", body, func(text []byte) {
		if err := json.Unmarshal(text, &made); err != nil {
			t.Fatal(err)
		}
	})
	return made.ID, made.Token
}

// admin asks InfluxDB's API as the administrator.
func admin(t testing.TB, db *influxtest.Server, method, path, body string, answer func([]byte)) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, db.URL+path,
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+db.AdminToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	if _, err := bufio.NewReader(response.Body).WriteTo(&text); err != nil ||
		response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %v %s", method, path, response.Status, err, text.String())
	}
	if answer != nil {
		answer([]byte(text.String()))
	}
}
