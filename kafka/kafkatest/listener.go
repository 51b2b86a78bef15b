package kafkatest

// listener is a way to the broker beside the plain one.
type listener struct {
	name, protocol, addr string
	settings             []string
}

// ListenerAddr is HOST:PORT of a listener that an option has added.
func (b *Broker) ListenerAddr(name string) string {
	for _, l := range b.listeners {
		if l.name == name {
			return l.addr
		}
	}
	return ""
}
