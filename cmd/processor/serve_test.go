package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// watchedBuffer is what a process writes, to be read meanwhile.
type watchedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *watchedBuffer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *watchedBuffer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// TestRunServes asks a run from its start to its end.
func TestRunServes(t *testing.T) {
	const token = "canary-5c2a"
	config := writeFile(t, "c.yaml", withServer("127.0.0.1:0"))
	stdin, feed := io.Pipe()
	var stdout, stderr watchedBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- command{environ: []string{"PROCESSOR_SERVER__TOKEN=" + token}, stdin: stdin, stdout: &stdout, stderr: &stderr}.run([]string{"-c", config})
	}()
	url := regexp.MustCompile(`url=(http://127\.0\.0\.1:\d+) actions=true`)
	for deadline := time.Now().Add(30 * time.Second); !url.MatchString(stderr.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not say where it listens:\n%s", stderr.String())
		}
	}
	base := url.FindStringSubmatch(stderr.String())[1]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	do := func(method, path, body string) (int, string) {
		r, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/livez", "", "ok\n"},
		{"GET", "/api/v1/plan", "", `"config":"c.yaml"`},
		{"GET", "/api/v1/status", "", `"name":"test"`},
		{"GET", "/metrics", "", "go_goroutines"},
		{"GET", "/", "", "<html"},
		{"PUT", "/api/v1/log/level", `{"level":"debug"}`, `{"level":"debug"}`},
	} {
		if status, body := do(c.method, c.path, c.body); status != http.StatusOK || !strings.Contains(body, c.want) {
			t.Errorf("%s %s answers %d with %s", c.method, c.path, status, body)
		}
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d:\n%s", code, stderr.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	if _, err := client.Get(base + "/livez"); err == nil {
		t.Error("it listens after its end")
	}
	if strings.Contains(stderr.String(), token) {
		t.Errorf("the log has the token:\n%s", stderr.String())
	}
}

func TestRunWithAPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := execute(t, "", nil, "-c", writeFile(t, "c.yaml", withServer(l.Addr().String())))
	if c.code != exitFailure || c.stdout != "" || !strings.Contains(c.stderr, "another process listens on "+l.Addr().String()) {
		t.Errorf("exit code %d, stdout %q, stderr %q", c.code, c.stdout, c.stderr)
	}
}
