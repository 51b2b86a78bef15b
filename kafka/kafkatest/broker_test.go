package kafkatest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBroker(t *testing.T) {
	b := Start(t)
	b.CreateTopic(t, "a", 2, nil)
	b.Produce(t, "a", 1, "x", "y")
	b.Kill()
	b.Restart(t)
	b.Produce(t, "a", 0, "z")
	got := b.Read(t, "a")
	if len(got) != 3 || string(got[0].Value) != "z" || string(got[2].Value) != "y" {
		t.Errorf("it holds %v", got)
	}
}
