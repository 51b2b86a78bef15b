package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServerConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("canary-7d1f\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ section, listen, token string }{
		{`server: {}`, "127.0.0.1:8080", ""},
		{`server: {token: ""}`, "127.0.0.1:8080", ""},
		{`server: {listen: ":0", token: "${KAFKA_PASSWORD}"}`, ":0", "canary-7d1f"},
		{`server: {listen: "[::1]:65535", token_file: ` + file + `}`, "[::1]:65535", "canary-7d1f"},
	} {
		s := parseWith(t, kafkaConfig+c.section+"\n").Server
		if s == nil || s.Listen != c.listen || s.Token.Reveal() != c.token {
			t.Errorf("%s is %+v", c.section, s)
		}
		if text := fmt.Sprintf("%+v %#v", s, *s); strings.Contains(text, "canary") {
			t.Errorf("it shows its token: %s", text)
		}
	}
	if s := parseWith(t, kafkaConfig).Server; s != nil {
		t.Errorf("without a section it is %+v", s)
	}
	env := parseWith(t, kafkaConfig, "PROCESSOR_SERVER__LISTEN=0.0.0.0:9", "PROCESSOR_SERVER__TOKEN=canary-7d1f").Server
	if env == nil || env.Listen != "0.0.0.0:9" || env.Token.Reveal() != "canary-7d1f" {
		t.Errorf("from the environment it is %+v", env)
	}
}
