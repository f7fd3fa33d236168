"""The scripts that append to event logs and read them, in Lua."""

from __future__ import annotations

from mcp_app.coordination.directory import DIRECTORY

_FIELD = """
local function place(entry, name)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == name then return i + 1 end
  end
end
local function field(entry, name) return entry[2][place(entry, name) or 0] or '' end
"""
"""`field`, which returns a field of an entry that was read, or ''; another release may have written it."""

PUT = (
    DIRECTORY
    + _FIELD
    + """
local function is_repeated(appended, id) return redis.call('ZSCORE', appended, id) end
local function remember(appended, id, seconds, once)
  redis.call('ZADD', appended, now(), id)
  redis.call('ZREMRANGEBYSCORE', appended, '-inf', now() - once)
  redis.call('EXPIRE', appended, math.min(seconds, once))
end
local function store(log, tails, counter, cap, bytes, entry)
  local size, count = tonumber(redis.call('HGET', tails, counter) or 0), redis.call('XLEN', log)
  while count > 0 and (count >= tonumber(cap) or size + #entry[4] > tonumber(bytes)) do
    local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    redis.call('XDEL', log, oldest[1])
    size, count = size - #field(oldest, 'data'), count - 1
  end
  if count == 0 then size = 0 end
  redis.call('HSET', tails, counter, size + #entry[4])
  return redis.call('XADD', log, '*', unpack(entry))
end
local function prune(log, tails, cap)
  if redis.call('HLEN', tails) < 2 * tonumber(cap) then return end
  local function age(position) return tonumber(string.match(position, '^%d+') or -1) end
  local known = redis.call('HGETALL', tails)
  local function delete_before(limit)
    for i = 1, #known, 2 do
      local counts = known[i] == 'bytes' or known[i] == 'pending'
      if not counts and age(known[i + 1]) < limit then redis.call('HDEL', tails, known[i]) end
    end
  end
  delete_before(0)  -- 'ended' and 'cancelled'
  if redis.call('HLEN', tails) < 2 * tonumber(cap) then return end
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  delete_before(oldest and age(oldest[1]) or 0)
end
local function cancel(log, tails, cap, seconds, stream)
  redis.call('HSET', tails, stream, 'cancelled')
  prune(log, tails, cap)
  redis.call('EXPIRE', tails, seconds)
end
local function add(log, tails, cap, bytes, stream, data, final)
  local last = redis.call('HMGET', tails, stream, 'newest')
  local previous = last[1] or '0-0'
  if previous == 'ended' or previous == 'cancelled' then return end
  local entry = {'stream', stream, 'data', data, 'previous', previous, 'follows', last[2] or '0-0'}
  if final then
    table.insert(entry, 'final')
    table.insert(entry, '1')
  end
  local position = store(log, tails, 'bytes', cap, bytes, entry)
  redis.call('HSET', tails, stream, final and 'ended' or position, 'newest', position)
  prune(log, tails, cap)
end
local function put(log, tails, cap, bytes, seconds, stream, data, final)
  if stream == 'pending' then
    store(log, tails, 'pending', cap, bytes, {'stream', 'pending', 'data', data})
  else
    add(log, tails, cap, bytes, stream, data, final)
  end
  redis.call('EXPIRE', tails, seconds)
  redis.call('EXPIRE', log, seconds)
end
"""
)
"""`put`, for scripts that append to an event log or to the pending messages, `is_repeated` and `remember`, by
which they recognize that they are run again because the reply was lost, and `cancel`, for those that end a
stream without a response.

Each entry has the positions of the previous entry of its stream and of the previous entry in the log, so that
readers notice gaps. Nothing is added to a stream after its final event or after it was cancelled. The oldest
entries make room for a new one, which is kept whatever its size; so no append takes long. The tails also
count the bytes of the log and of the pending messages.

Once there are many tails, those of ended streams are deleted. An open stream needs its tail however long it
is silent. Only if that many streams are open, most of them left behind by clients that opened another, those
without events in the log lose theirs."""

# Moves pending messages onto a standalone stream, if it holds the claim or can take it. Returns nil if not,
# otherwise how many were dropped since they are no messages. KEYS: claim, pending, events, tails. ARGV:
# stream, holder, seconds of the claim, "1" to take over, length, bytes and seconds of the log, how many
# messages to move, after how many bytes to stop.
TAKE = (
    PUT
    + """
local holder = redis.call('GET', KEYS[1])
if not holder or ARGV[4] == '1' then holder = ARGV[2] end
if holder ~= ARGV[2] then return nil end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
local moved, size, dropped = 0, 0, 0
while moved < tonumber(ARGV[8]) and size < tonumber(ARGV[9]) do
  local entry = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  if not entry then break end
  local data = field(entry, 'data')
  redis.call('XDEL', KEYS[2], entry[1])
  redis.call('HINCRBY', KEYS[4], 'pending', 0 - #data)
  if string.find(data, '^{.*}$') then
    put(KEYS[3], KEYS[4], ARGV[5], ARGV[6], ARGV[7], ARGV[1], data)
  else
    dropped = dropped + 1
  end
  moved, size = moved + 1, size + #data
end
if moved > 0 and redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[2])
  redis.call('HDEL', KEYS[4], 'pending')
end
return dropped
"""
)

# Appends a message, idempotently: the connection may break after Redis has appended it and before the reply
# arrives, and then the client retries. Returns the processes to wake. KEYS: log, recent appends, tails,
# processes. ARGV: stream, message, id of this append, length, bytes and seconds of the log, seconds to
# remember the id.
APPEND = (
    PUT
    + """
if not is_repeated(KEYS[2], ARGV[3]) then
  remember(KEYS[2], ARGV[3], ARGV[6], ARGV[7])
  put(KEYS[1], KEYS[3], ARGV[4], ARGV[5], ARGV[6], ARGV[1], ARGV[2])
end
return addresses(KEYS[4])
"""
)

# Reads a page of a log: its entries, without the data of streams that are not wanted, and whether there may
# be more. KEYS: log. ARGV: position to start after, maximum entries, bytes after which to stop, beginnings of
# the names of the streams that are wanted.
READ = (
    _FIELD
    + """
local function is_wanted(stream)
  for i = 4, #ARGV do
    if string.sub(stream, 1, #ARGV[i]) == ARGV[i] then return true end
  end
end
local found, size, after = {}, 0, ARGV[1]
while #found < tonumber(ARGV[2]) and size < tonumber(ARGV[3]) do
  local entry = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 1)[1]
  if not entry then return {found, 0} end
  size, after = size + #field(entry, 'data'), entry[1]
  local data = place(entry, 'data')
  if data and not is_wanted(field(entry, 'stream')) then entry[2][data] = '' end
  table.insert(found, entry)
end
return {found, 1}
"""
)
