package redis

import (
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/state"
)

// errOverwritten: somebody changed meta between WATCH and EXEC; what he did is
// seen at the next attempt.
var errOverwritten = errors.New("the store was changed by another connection")

// errLost is the end of an instance that no longer owns the store.
var errLost = fmt.Errorf("%w: another instance has taken the store over, as this one had not renewed its lease in time", state.ErrInUse)

// hints say what to do about an error reply that begins so.
var hints = []struct{ prefix, hint string }{
	{"OOM", "the server's maxmemory is reached: give it more"},
	{"NOAUTH", "write the password into the URL"},
	{"WRONGPASS", "check user and password in the URL"},
	{"NOPERM", "the user needs +@all on the keys of the prefix"},
	{"MOVED", "the server is part of a cluster: give the node that has the key"},
	{"MISCONF", "the server cannot write to its disk"},
	{"READONLY", "this is a replica: give the primary"},
	{"invalid DB index", "the server has no database of that number: check the end of the URL"},
}

// clean takes the secrets out of an error and adds what to do about it.
func (l *link) clean(err error) error {
	if err == nil {
		return nil
	}
	if goredis.HasErrorPrefix(err, "WRONGTYPE") {
		err = fmt.Errorf("%w: a key of another kind is in the place of one of the store's: %w", state.ErrCorrupt, err)
	}
	for _, h := range hints {
		if goredis.HasErrorPrefix(err, h.prefix) {
			err = fmt.Errorf("%w (%s)", err, h.hint)
		}
	}
	return secret.Redact(err, l.secrets...)
}
