package top

import (
	"fmt"
	"net"
)

// DefaultURL is where a pipeline on the same machine is looked for.
const DefaultURL = "http://127.0.0.1:8080"

// URLOf is the address by which a server on this machine is reached that
// listens at listen, such as "127.0.0.1:8080" or ":8080".
func URLOf(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "" {
		return "", fmt.Errorf("server.listen %q is not of the form HOST:PORT", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
