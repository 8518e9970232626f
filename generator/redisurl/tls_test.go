package redisurl

import (
	"strings"
	"testing"

	"colorstream/generator/certs"
	"colorstream/generator/certs/certstest"
	"colorstream/generator/redistest"
)

// A private authority signed Redis's certificate, and Redis asks for the program's.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := certstest.New(t), certstest.New(t)
	its := ours.Issue(t, t.TempDir())
	server := redistest.Start(t)
	url := server.ServeTLS(its.CA, its.Cert, its.Key)
	dir := t.TempDir()
	files, foreign := ours.Issue(t, dir), theirs.Issue(t, t.TempDir())
	const some = " " // Redis may hang up before its alert is read
	try := func(url string, files certs.Files, want string) {
		t.Helper()
		target, err := Config{URL: url, CA: files.CA, Cert: files.Cert, Key: files.Key}.Target()
		if err == nil {
			client := target.Open(nil)
			defer client.Close()
			err = client.Ping(t.Context()).Err()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s with %+v: got %v, want %q", url, files, err, want)
		}
	}
	try(url, files, "")
	try(url, certs.Files{Cert: files.Cert, Key: files.Key}, "signed by unknown authority")
	try(url, certs.Files{CA: theirs.File, Cert: files.Cert, Key: files.Key},
		"signed by unknown authority")
	try(url, certs.Files{CA: ours.File}, some)
	try(url, certs.Files{CA: ours.File, Cert: foreign.Cert, Key: foreign.Key}, some)
	try(url+"?addr="+server.Addr(), certs.Files{CA: dir + "/none"}, "REDIS_CA_FILE: open "+dir+"/none")
	try(url, certs.Files{CA: files.Key}, "no certificate in PEM form")
	try(url, certs.Files{Cert: files.Cert}, "REDIS_CERT_FILE")
	try(server.URL(), files, "need a REDIS_URL with TLS (rediss://)")
	try("http://u:secret@h", files, "REDIS_URL: is not a Redis URL")
}
