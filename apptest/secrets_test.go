package apptest

import (
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
)

// canary is a password that must not be seen anywhere.
const canary = "canary-5e9d1c"

const secretConfig = `name: secrets
source:
  kafka: {brokers: ["${BROKER}"], topics: [in], sasl: {mechanism: scram-sha-512, username: nobody, password: "${PASSWORD}"}}
event: {time: {field: ts, format: unix_ms}}
queries:
  - name: q
    window: {tumbling: 1s}
    aggregate: {n: count()}
sinks:
  - stdout: {}
  - postgres: {url: "postgres://me:${PASSWORD}@127.0.0.1:1/db?connect_timeout=1", table: t}
state: {backend: memory}
log: {level: debug}
`

// TestSecretsStaySecret looks for a password in all that the program says, of
// a server that refuses it too.
func TestSecretsStaySecret(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Secured())
	config := write(t, "config.yaml", secretConfig)
	env := []string{"BROKER=" + b.ListenerAddr(kafkatest.ListenerSASL), "PASSWORD=" + canary}
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"validate", "--config", config}, 0, "is valid"},
		{[]string{"explain", "--config", config}, 0, "q"},
		{[]string{"--config", config}, 1, "sasl"},
	} {
		p, code := run(t, env, test.args...)
		text := p.out.String() + p.err.String()
		if code != test.code || !strings.Contains(strings.ToLower(text), test.says) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s", test.args, code, test.code, test.says, text)
		}
		if strings.Contains(text, canary) {
			t.Errorf("%v shows the password:\n%s", test.args, text)
		}
	}
	// A mistake elsewhere in the config must not show it either.
	bad := write(t, "bad.yaml", strings.Replace(secretConfig, "table: t}", "tabel: t}", 1))
	p, code := run(t, env, "validate", "--config", bad)
	if text := p.err.String(); code != 2 || strings.Contains(text, canary) {
		t.Errorf("a bad config: exit code %d\n%s", code, text)
	}
}
