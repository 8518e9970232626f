package access

import (
	"net/http"
	"strings"
	"testing"

	"colorstream/generator/certs"
	"colorstream/generator/certs/certstest"
)

// A private authority signed InfluxDB's certificate, and InfluxDB asks for the program's. Errors
// name the variable and its file.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := certstest.New(t), certstest.New(t)
	server := ours.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	files, foreign := ours.Issue(t, t.TempDir()), theirs.Issue(t, t.TempDir())
	const some = " " // the server may hang up before its alert is read
	try := func(url string, files certs.Files, want string) {
		t.Helper()
		config := Config{URL: url, CA: files.CA, Cert: files.Cert, Key: files.Key}
		err := config.Validate()
		if err == nil {
			err = get(t, config)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s with %+v: got %v, want %q", url, files, err, want)
		}
	}
	try(server.URL, files, "")
	try(server.URL, certs.Files{Cert: files.Cert, Key: files.Key},
		"INFLUX_CA_FILE is not set: the certificate is rejected")
	try(server.URL, certs.Files{CA: theirs.File, Cert: files.Cert, Key: files.Key},
		`INFLUX_CA_FILE="`+theirs.File+`": the certificate is rejected`)
	try(server.URL, certs.Files{CA: ours.File}, some)
	try(server.URL, certs.Files{CA: ours.File, Cert: foreign.Cert, Key: foreign.Key}, some)
	try(server.URL, certs.Files{CA: "none.pem"}, "INFLUX_CA_FILE: open none.pem")
	try(server.URL, certs.Files{CA: files.Key}, "no certificate in PEM form")
	try(server.URL, certs.Files{Cert: files.Cert}, "INFLUX_CERT_FILE")
	try("http://127.0.0.1:1", files, "need an INFLUX_URL with TLS (https://)")
}

func get(t *testing.T, c Config) error {
	transport, err := c.Transport(&http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err == nil {
		_ = answer.Body.Close()
	}
	return err
}

func TestURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://localhost:8086": "", "https://db.example/path": "",
		"localhost:8086":     `INFLUX_URL="localhost:8086": is not an address`,
		"http://":            "is not an address",
		"http://h?org=x":     "is not an address",
		"http://h#x":         "is not an address",
		"ftp://u:secret@h":   `INFLUX_URL="ftp://u:xxxxx@h": is not an address`,
		"http://u:secret@h ": "INFLUX_URL: is not a URL",
	} {
		err := Config{URL: url}.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", url, err, want)
		}
	}
}
