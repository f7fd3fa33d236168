"""The scripts that create, read, change and delete session records."""

from __future__ import annotations

from mcp_app.coordination.directory import DIRECTORY

# Stores a session, of which the creating process keeps a copy. KEYS: record, owner, copies. ARGV: seconds of
# the record, owner, idle seconds, address and seconds of the copy, then fields and values.
CREATE = (
    DIRECTORY
    + """
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
register(KEYS[3], ARGV[4], ARGV[5])
"""
)

# Changes a record if it exists: an ended session must not come back, and without an expiry at that. Returns
# the processes to notify. KEYS: record, copies, processes. ARGV: HSET or HDEL, and its arguments.
CHANGE = (
    DIRECTORY
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2)) end
return addresses(KEYS[2], KEYS[3])
"""
)

# Adds a subscription to a record, or removes one, like `CHANGE`. Returns nil instead if there would be too
# many. The record counts them, since going through them each time would make adding n of them quadratic.
# KEYS: record, copies, processes. ARGV: HSET or HDEL, field, maximum number, maximum bytes of all fields.
SUBSCRIBE = (
    DIRECTORY
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return addresses(KEYS[2], KEYS[3]) end
local function add(number)
  redis.call('HINCRBY', KEYS[1], 'subscribed', number)
  redis.call('HINCRBY', KEYS[1], 'subscribed_bytes', number * #ARGV[2])
end
if ARGV[1] == 'HDEL' then
  if redis.call('HDEL', KEYS[1], ARGV[2]) == 1 then add(-1) end
elseif redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
  local count = tonumber(redis.call('HGET', KEYS[1], 'subscribed') or 0)
  local bytes = tonumber(redis.call('HGET', KEYS[1], 'subscribed_bytes') or 0)
  if count >= tonumber(ARGV[3]) or bytes + #ARGV[2] > tonumber(ARGV[4]) then return nil end
  redis.call('HSET', KEYS[1], ARGV[2], '1')
  add(1)
end
return addresses(KEYS[2], KEYS[3])
"""
)

_RENEW = (
    DIRECTORY
    + """
local function renew(record, owner, seconds, first)
  local left = math.max(1, math.min(seconds * 1000, redis.call('PTTL', record)))
  redis.call('SET', owner, redis.call('HGET', record, 'owner') or '')
  for i = first, #KEYS do redis.call('PEXPIRE', KEYS[i], left) end
end
"""
)

# Renews a session's keys, but not beyond the record itself. Returns whether it exists. KEYS: record, owner,
# others. ARGV: seconds.
RENEW = (
    _RENEW
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
renew(KEYS[1], KEYS[2], ARGV[1], 2)
return 1
"""
)

# Reads a record for a copy, and renews the session's keys like `RENEW`. Returns one string, which redis-py
# parses faster than many. KEYS: record, copies, owner, others. ARGV: seconds, address and seconds of the
# copy.
USE = (
    _RENEW
    + """
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then return nil end
register(KEYS[2], ARGV[2], ARGV[3])
renew(KEYS[1], KEYS[3], ARGV[1], 3)
return cjson.encode(fields)
"""
)

_ENDING = (
    DIRECTORY
    + """
local function type_of(key) return redis.call('TYPE', key).ok end
local facts, found = {}, {}
if type_of(KEYS[1]) == 'hash' then
  facts = redis.call('HMGET', KEYS[1], 'owner', 'created_at', 'protocol_version', 'user', 'client')
end
for i = 1, 5 do facts[i] = facts[i] or '' end
for i = 2, 3 do
  if type_of(KEYS[i]) == 'zset' then
    for _, address in ipairs(addresses(KEYS[i])) do table.insert(found, address) end
  end
end
"""
)

# What to know before a session is deleted, even if its keys are damaged: its owner, when it was created, its
# revision, user and client; whether it exists; the processes to notify. KEYS: record, copies, processes, and
# all others.
BEFORE_ERASE = _ENDING + "return {facts, redis.call('EXISTS', unpack(KEYS)), found}"

# Deletes a session. Returns the same, whether or not another process has just stored or read it. If it is run
# again, because its reply was lost, it finds nothing; hence `BEFORE_ERASE`. KEYS: those of `BEFORE_ERASE`.
ERASE = _ENDING + "return {facts, redis.call('DEL', unpack(KEYS)), found}"
