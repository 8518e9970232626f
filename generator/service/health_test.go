package service

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		h := new(Health)
		want := func(ready bool, states ...conditionState) {
			t.Helper()
			if diff := cmp.Diff(answer{ready, states}, h.answer()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		}
		want(true)
		redis := h.Condition("redis", "not tried yet")
		want(false, conditionState{Name: "redis", OK: false, Since: start, Reason: "not tried yet"})
		time.Sleep(time.Second)
		redis.Set(nil)
		up := start.Add(time.Second)
		want(true, conditionState{Name: "redis", OK: true, Since: up, Reason: ""})
		time.Sleep(time.Second)
		redis.Set(nil) // nothing new: since stays
		redis.Note("a standby")
		want(true, conditionState{Name: "redis", OK: true, Since: up, Note: "a standby"})
		redis.Note("")
		redis.Set(errors.New("gone"))
		down := start.Add(2 * time.Second)
		time.Sleep(time.Second)
		redis.Set(errors.New("still gone")) // another reason, but since the same time
		want(false, conditionState{Name: "redis", OK: false, Since: down, Reason: "still gone"})

		var full error
		h.Probe("disk", func() error { return full })
		added := start.Add(3 * time.Second)
		want(false, conditionState{Name: "redis", OK: false, Since: down, Reason: "still gone"},
			conditionState{Name: "disk", OK: true, Since: added, Reason: ""})
		redis.Set(nil)
		full = errors.New("full")
		time.Sleep(time.Second)
		want(false, conditionState{Name: "redis", OK: true, Since: added, Reason: ""},
			conditionState{Name: "disk", OK: false, Since: start.Add(4 * time.Second), Reason: "full"})
	})
}

func TestHealthIsSafe(t *testing.T) {
	t.Parallel()
	h := new(Health)
	c := h.Condition("a", "")
	h.Probe("b", func() error { return nil })
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for range 100 {
				if i%2 == 0 {
					c.Set(errors.New("x"))
				} else {
					c.Set(nil)
				}
				h.answer()
			}
		})
	}
	wait.Wait()
}

func TestReadyz(t *testing.T) {
	t.Parallel()
	h := new(Health)
	c := h.Condition("redis", "a < b")
	get := func(status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if w.Code != status || w.Header().Get("Content-Type") != "application/json" ||
			w.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(w.Body.String(), body) {
			t.Errorf("status %d, %v, %s", w.Code, w.Header(), w.Body)
		}
	}
	get(http.StatusServiceUnavailable,
		`{"ready":false,"conditions":[{"name":"redis","ok":false,"since":"`+
			c.state.Since.Format(time.RFC3339Nano)+`","reason":"a < b"}]}`)
	c.Set(nil)
	get(http.StatusOK, `{"ready":true,"conditions":[{"name":"redis","ok":true,"since":"`)
}
