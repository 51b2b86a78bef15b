package redis

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"
)

// The scripts. Each is atomic. Those that change something bear being run
// again after a lost reply: they tell by an owner's or a call's own token that
// they have been run.
var (
	// acquireScript takes the lease, unless somebody else than the instance
	// ARGV[3], which is known to be gone, holds it. With ARGV[4] = 1 it also
	// makes the store, or sees that it is whole.
	acquireScript = source(`
local lease, keys, values, meta = unpack(KEYS)
local holder = redis.call('HGET', lease, 'owner')
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then
  return {'held', holder, redis.call('HGET', lease, 'beat') or ''}
end
local there = redis.call('EXISTS', meta) == 1
local n, m = redis.call('ZCARD', keys), redis.call('HLEN', values)
if ARGV[4] == '1' then
  if there then
    local f = redis.call('HMGET', meta, 'format', 'keys')
    if f[1] ~= ARGV[5] then return {'format', f[1] or ''} end
    if f[2] ~= tostring(n) or n ~= m then return {'counts', f[2] or '', n, m} end
  elseif n > 0 or m > 0 then
    return {'counts', 'unknown', n, m}
  else
    redis.call('HSET', meta, 'format', ARGV[5], 'applied', 0, 'keys', 0, 'call', ARGV[1])
    there = true
  end
end
redis.call('HSET', lease, 'owner', ARGV[1], 'beat', 0)
redis.call('PEXPIRE', lease, ARGV[2])
if there then redis.call('HSET', meta, 'owner', ARGV[1]) end
return {'ok', redis.call('HGET', meta, 'applied') or '0'}`)

	// renewScript renews the lease and the copies that readers need. A lease
	// that has run out is taken again as long as nobody else has. It also says
	// how much memory the store takes, going by ARGV[4] values of each key, or
	// -1 where this may not be asked.
	renewScript = source(`
local lease, keys, values, meta = unpack(KEYS)
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'lost'} end
redis.call('HSET', lease, 'owner', ARGV[1])
redis.call('HINCRBY', lease, 'beat', 1)
redis.call('PEXPIRE', lease, ARGV[2])
for i = 5, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
local size = 0
for _, key in ipairs({keys, values, meta}) do
  local n = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', ARGV[4])
  if type(n) == 'table' then return {'ok', -1} end
  size = size + (n or 0)
end
return {'ok', size}`)

	// releaseScript gives the lease back. It changes meta, so that no
	// transaction still on its way takes effect any more.
	releaseScript = source(`
local lease, meta = KEYS[1], KEYS[2]
if redis.call('HGET', lease, 'owner') == ARGV[1] then redis.call('DEL', lease) end
if redis.call('HGET', meta, 'owner') == ARGV[1] then redis.call('HSET', meta, 'owner', '') end
return {'ok'}`)

	// rangeScript deletes the keys between two bounds.
	rangeScript = `
while true do
  local found = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, 1000)
  if #found == 0 then return 'OK' end
  redis.call('ZREM', KEYS[1], unpack(found))
  redis.call('HDEL', KEYS[2], unpack(found))
end`

	// finishScript is the last of a transaction: it counts, and renews the
	// lease, whose time may have run out while the transaction was under way.
	finishScript = `
local lease, keys, meta = unpack(KEYS)
redis.call('HSET', meta, 'applied', ARGV[2], 'keys', redis.call('ZCARD', keys))
redis.call('HSET', lease, 'owner', ARGV[1])
redis.call('HINCRBY', lease, 'beat', 1)
redis.call('PEXPIRE', lease, ARGV[3])
return 'OK'`

	// pageScript reads a page between two bounds: up to ARGV[3] keys and about
	// ARGV[4] bytes. The store must be that of the owner ARGV[5], and as it was
	// at the moment ARGV[6] if that is not empty. If there is a copy, that is
	// read; with ARGV[7] = 1 there has to be one.
	pageScript = source(`
local keys, values, meta, copiedKeys, copiedValues = unpack(KEYS)
local m = redis.call('HMGET', meta, 'owner', 'applied', 'call')
if m[1] ~= ARGV[5] then return {'lost'} end
if ARGV[6] ~= '' and (m[2] or '') .. ' ' .. (m[3] or '') ~= ARGV[6] then return {'lost'} end
if copiedKeys and redis.call('EXISTS', copiedKeys) == 1 then
  keys, values = copiedKeys, copiedValues
elseif ARGV[7] == '1' then
  return {'gone'}
end
local found = redis.call('ZRANGEBYLEX', keys, ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local more, out, size = #found == tonumber(ARGV[3]), {}, 0
for i, key in ipairs(found) do
  local value = redis.call('HGET', values, key)
  if not value then return {'hole', key} end
  out[2 * i - 1], out[2 * i] = key, value
  size = size + #key + #value
  if size >= tonumber(ARGV[4]) and i < #found then
    more = true
    break
  end
end
return {'ok', more and 1 or 0, out}`)

	// viewScript finds a store to read. One that is in use it copies, if
	// ARGV[1] = 1, for ARGV[2] milliseconds.
	viewScript = source(`
local lease, keys, values, meta, copiedKeys, copiedValues, copiedMeta = unpack(KEYS)
if redis.call('EXISTS', meta) == 0 then return {'none'} end
local m = redis.call('HMGET', meta, 'owner', 'applied', 'format', 'keys', 'call')
local used = redis.call('EXISTS', lease) == 1
if used and ARGV[1] == '1' then
  for from, to in pairs({[keys] = copiedKeys, [values] = copiedValues, [meta] = copiedMeta}) do
    redis.call('UNLINK', to)
    redis.call('COPY', from, to)
    redis.call('PEXPIRE', to, ARGV[2])
  end
end
local moment = (m[2] or '') .. ' ' .. (m[5] or '')
return {used and 'used' or 'free', m[1] or '', moment, m[3] or '', m[4] or '', redis.call('ZCARD', keys), redis.call('HLEN', values)}`)

	// checkpointScript copies a store under a name.
	checkpointScript = source(`
local list, keys, values, meta, toKeys, toValues, toMeta = unpack(KEYS)
if redis.call('HGET', meta, 'owner') ~= ARGV[1] then return {'lost'} end
if redis.call('EXISTS', toMeta) == 1 then
  return {redis.call('HGET', toMeta, 'call') == ARGV[3] and 'ok' or 'exists'}
end
redis.call('COPY', keys, toKeys, 'REPLACE')
redis.call('COPY', values, toValues, 'REPLACE')
redis.call('COPY', meta, toMeta)
redis.call('HSET', toMeta, 'call', ARGV[3], 'owner', '')
local last = redis.call('ZRANGE', list, -1, -1, 'WITHSCORES')
redis.call('ZADD', list, (tonumber(last[2]) or 0) + 1, ARGV[2])
return {'ok'}`)

	// dropScript removes a checkpoint.
	dropScript = source(`
local list, keys, values, meta = unpack(KEYS)
redis.call('UNLINK', keys, values, meta)
return {redis.call('ZREM', list, ARGV[1]) == 1 and 'ok' or 'none'}`)

	// replaceScript moves the store aside and, with ARGV[3] = 1, puts a copy of
	// a checkpoint in its place. ARGV[2] is the call's token.
	replaceScript = source(`
local lease, keys, values, meta, asideKeys, asideValues, asideMeta, fromKeys, fromValues, fromMeta = unpack(KEYS)
if redis.call('HGET', asideMeta, 'call') == ARGV[2] then return {'ok', 1} end
if redis.call('HGET', meta, 'call') == ARGV[2] then return {'ok', 0} end
if redis.call('HGET', lease, 'owner') ~= ARGV[1] then return {'lost'} end
if redis.call('EXISTS', asideKeys, asideValues, asideMeta) > 0 then return {'taken'} end
local restore = ARGV[3] == '1'
if restore and redis.call('EXISTS', fromMeta) == 0 then return {'none'} end
local moved = 0
for from, to in pairs({[keys] = asideKeys, [values] = asideValues, [meta] = asideMeta}) do
  if redis.call('EXISTS', from) == 1 then
    redis.call('RENAME', from, to)
    moved = 1
  end
end
if moved == 1 then redis.call('HSET', asideMeta, 'call', ARGV[2], 'owner', '') end
if restore then
  redis.call('COPY', fromKeys, keys)
  redis.call('COPY', fromValues, values)
  redis.call('COPY', fromMeta, meta)
  redis.call('HSET', meta, 'call', ARGV[2], 'owner', '')
end
return {'ok', moved}`)
)

// source is a script that is sent by its hash once the server knows it.
func source(text string) *goredis.Script { return goredis.NewScript(text) }

// answer is what a script returned: a word, and what belongs to it.
type answer struct {
	word string
	rest []any
}

// run runs a script.
func run(ctx context.Context, client *goredis.Client, script *goredis.Script, keys []string, args ...any) (answer, error) {
	list, err := script.Run(ctx, client, keys, args...).Slice()
	if err != nil {
		return answer{}, err
	}
	if len(list) == 0 {
		return answer{}, final("the server's answer is empty")
	}
	word, _ := list[0].(string)
	return answer{word, list[1:]}, nil
}

// text returns the i-th of what belongs to the word.
func (a answer) text(i int) string {
	if i >= len(a.rest) {
		return ""
	}
	return fmt.Sprint(a.rest[i])
}

func (a answer) number(i int) int64 {
	if i >= len(a.rest) {
		return 0
	}
	n, _ := a.rest[i].(int64)
	return n
}

// unexpected is for a word that the caller does not know.
func (a answer) unexpected() error { return final("the server's answer is %q", a.word) }
