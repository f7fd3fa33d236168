"""Atomic changes of a task's record, in Lua.

KEYS[1] is the record, KEYS[2] the lease; both have the task's hash tag. Runs are fenced: their writes count
only while they are the record's current run. Only `ADD` has another key.

A script is run again if no reply arrives, and then returns the same. A run identifies the changes that began
and ended it, and the time of a change, in microseconds, identifies any other.
"""

_FENCED = """
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'status') ~= 'working' then
  return 0
end
"""

_FINISH = """
local function finish(first)
  redis.call('HDEL', KEYS[1], 'message')
  redis.call('HSET', KEYS[1], 'updated', ARGV[first], 'status', ARGV[first + 1], 'run', '')
  for i = first + 2, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
  redis.call('DEL', KEYS[2])
  return 1
end
"""

ADD = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4], 'GT')
redis.call('EXPIRE', KEYS[1], ARGV[4], 'NX')
return 1
"""
"""KEYS: the owner's index. ARGV: task, now, when it expires, seconds until then, the maximum number.

Returns 0 if there are too many.
"""

TAKE_OVER = """
if redis.call('HGET', KEYS[1], 'run') == ARGV[1] then return 1 end
if redis.call('HGET', KEYS[1], 'status') ~= 'working' or redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
if redis.call('HGET', KEYS[1], 'run') ~= '' then
  redis.call('HINCRBY', KEYS[1], 'lost', 1)
end
redis.call('HSET', KEYS[1], 'run', ARGV[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""ARGV: the new run, lease in ms. Takes over a task whose lease expired, which counts as a lost run, or was
released."""

RELEASE = (
    _FENCED
    + """
redis.call('HSET', KEYS[1], 'run', '')
redis.call('DEL', KEYS[2])
return 1
"""
)
"""ARGV: run. Releases a run, which is no longer the current one."""

SET_MESSAGE = (
    _FENCED
    + """
redis.call('HSET', KEYS[1], 'updated', ARGV[2], 'message', ARGV[3])
return 1
"""
)
"""ARGV: run, now, message."""

FINISH_RUN = (
    """
local last = redis.call('HMGET', KEYS[1], 'ended_run', 'status')
if last[1] == ARGV[1] and last[2] == ARGV[3] then return 1 end
"""
    + _FENCED
    + _FINISH
    + """
redis.call('HSET', KEYS[1], 'ended_run', ARGV[1])
return finish(2)
"""
)
"""ARGV: run, now, status, then fields and values. The end of a run: by a result, an error or questions."""

END = (
    _FINISH
    + """
local last = redis.call('HMGET', KEYS[1], 'updated', 'status')
local status = last[2]
if last[1] == ARGV[1] and status == ARGV[2] then return 1 end
if status ~= 'working' and status ~= 'input_required' then
  return 0
end
return finish(1)
"""
)
"""ARGV: now, status, then fields and values. The end of a task from outside: cancelled or out of time."""

ANSWER = """
local last = redis.call('HMGET', KEYS[1], 'run', 'updated', 'status')
if last[1] == ARGV[2] then return 2 end
if last[3] ~= 'input_required' then return 0 end
if last[2] == ARGV[1] then return 1 end
local taken = 0
for i = 4, #ARGV, 3 do
  if redis.call('HDEL', KEYS[1], 'ask:' .. ARGV[i]) == 1 then
    redis.call('HSET', KEYS[1], 'answer:' .. ARGV[i + 1], ARGV[i + 2])
    taken = 1
  end
end
if taken == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'updated', ARGV[1])
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 4) == 'ask:' then
    return 1
  end
end
redis.call('HSET', KEYS[1], 'status', 'working', 'run', ARGV[2])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 2
"""
"""ARGV: now, the next run, lease in ms, then (wire key, tool's key, answer) for each.

Returns 0 when nothing was outstanding, 1 when something still is, 2 when the next run may begin.
"""
