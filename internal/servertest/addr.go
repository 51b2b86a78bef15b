package servertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports are below those that systems give to whoever asks for any: a port
// of ours is free again after a server has been killed, and a client that
// calls there meanwhile cannot be connected with itself.
const (
	firstPort = 12_000
	lastPort  = 32_000
)

// FreeAddr returns a loopback address where nobody listens now. Somebody may
// before its server does, so starting one is tried more than once.
func FreeAddr() (string, error) {
	var last error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		last = err
	}
	return "", errors.Join(errors.New("looking for a free port"), last)
}
