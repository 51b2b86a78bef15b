package refmodel

import "github.com/llm-optimizer/processor/event"

// opens counts the windows that an event would open for a key.
func (q *running) opens(key []event.Value, all []bounds) (n int) {
	for _, b := range all {
		if q.lookUp(KeyText(key), b) == nil {
			n++
		}
	}
	return n
}

// exceeds says whether an event that would open so many windows of its key goes
// into the overflow group: "more live keys or windows than `limits` allow: put
// new keys into one group". Windows count for each of their keys until they are
// past the lateness, those of the group do not count.
func (q *running) exceeds(key []event.Value, opens int) bool {
	if opens == 0 {
		return false
	}
	live, windows := map[string]bool{}, 0
	for _, h := range q.windows {
		if !q.closed(h.end, q.combined) && h.name != KeyText(q.overflow()) {
			live[h.name] = true
			windows++
		}
	}
	over := (q.maxKeys > 0 && !live[KeyText(key)] && len(live) >= q.maxKeys) ||
		(q.maxWindows > 0 && windows+opens > q.maxWindows)
	if over {
		q.ledger.Overflow++
	}
	return over
}

// overflow is the key of the group: "`__overflow__` in every key field".
func (q *running) overflow() []event.Value {
	key := make([]event.Value, len(q.Key))
	for i := range key {
		key[i] = event.Text("__overflow__")
	}
	return key
}
