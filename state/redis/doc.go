// Package redis keeps a pipeline's state on a Redis server, for machines
// without disks of their own.
//
// The server needs Redis 6.2 or newer, maxmemory-policy noeviction, and an
// append-only file if the state is to outlive it. A server that has lost what
// it had acknowledged is found out: by the number of Applies while the store
// is open, by the number of keys at the next Open.
//
// # Layout
//
// All keys of a store begin with its prefix in braces, so that a cluster keeps
// them in one slot:
//
//	{PREFIX}:keys         sorted set of all keys, score 0: their order
//	{PREFIX}:values       hash from key to value
//	{PREFIX}:meta         hash: format, owner, applied (a count), keys (a
//	                      count), call (what made it)
//	{PREFIX}:lease        hash with a lifetime: owner, beat (a count)
//	{PREFIX}:checkpoints  sorted set of the checkpoints' names, oldest first
//
// keys, values and meta make up a store. A checkpoint has its own three under
// {PREFIX}:checkpoint:NAME, what was moved aside under {PREFIX}:aside:TIME, and
// the copies that readers need for a while under {PREFIX}:copy:ID.
//
// # Writing
//
// An Apply is one MULTI … EXEC. It watches meta, where the owner is, and so
// takes effect only while this instance owns the store: whoever takes over
// writes his name there. It also counts: after a connection is lost, the
// count tells whether the EXEC whose reply is missing took effect, and if not
// all is sent again.
//
// # Reading
//
// A page of a Scan is one script and thus sees the store between two Applies.
// For all its pages to see the same store, an Apply that touches what a Scan
// of this instance has still to read first copies the store, in the same
// transaction, and the Scan goes on in the copy. Ranges that do not change are
// read without one, however long it takes: a sink that lags far behind reads
// the outbox so.
//
// A View of a store that is in use reads a copy, made when it opens. One of a
// store that is not in use reads the store itself, and ends with ErrInUse when
// somebody opens it meanwhile.
//
// Copies, checkpoints among them, cost the server as much memory as the store
// and stop it for about a second for every million keys.
package redis
