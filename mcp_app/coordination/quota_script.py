"""The Lua script of the quotas."""

# Leases units to a process, which says how many it keeps: it gets those that it needs, all or none, and some
# to spare, fewer the nearer the limit is. Units that it keeps count even if they are past the limit. Requests
# are taken from a bucket that refills steadily; what is owed may leave it below zero. The clock of Redis may
# go back, as in a failover: no lease then lasts longer than one given now. If a reply is lost, the client
# repeats the script over another connection, twice at most. For units that changes nothing; requests, those
# that are owed included, are taken again, and the person waits for the refill of as many more.
#
# KEYS: quota. ARGV: address, seconds; rate, its seconds, requests needed, to spare and owed; for each kind
# its name, limit, units kept, needed and to spare. Returns requests, the seconds until there are enough; for
# each kind the units leased, and how many of all are past the limit; and the other processes.
LEASE = """
local clock = redis.call('TIME')
local time = clock[1] + clock[2] / 1000000
local address, seconds, others, taken = ARGV[1], tonumber(ARGV[2]), {}, {}
local till = time + seconds
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local field = fields[i]
  local kind, process = string.match(field, '^(%l+) (.+)$')
  if kind then
    local units, ends = string.match(fields[i + 1], '^(%d+) (.+)$')
    if tonumber(ends) > till then redis.call('HSET', KEYS[1], field, units .. ' ' .. till) end
    if tonumber(ends) <= time then
      redis.call('HDEL', KEYS[1], field)
    elseif process ~= address then
      taken[kind] = (taken[kind] or 0) + units
      others[process] = true
    end
  end
end
local function lease(kind, limit, kept, needed, spare)
  local room = math.max(0, limit - kept - (taken[kind] or 0))
  local granted = needed <= room and needed or 0
  local leased = kept + granted + math.min(spare, math.floor((room - granted) / 4))
  local field = kind .. ' ' .. address
  if leased > 0 then
    redis.call('HSET', KEYS[1], field, leased .. ' ' .. till)
  else
    redis.call('HDEL', KEYS[1], field)
  end
  return leased, math.max(0, kept + (taken[kind] or 0) - limit)
end
local function spend(rate, period, needed, spare, owed)
  if rate == 0 then return 0, 0, 0 end
  local level, given, enough = rate, 0, math.min(needed, rate)
  local last = redis.call('HGET', KEYS[1], 'requests')
  if last then
    local left, since = string.match(last, '^(%S+) (.+)$')
    level = math.min(rate, left + math.max(0, time - since) * rate / period)
  end
  level = level - owed
  if level >= enough then given = math.max(needed, math.min(spare, math.floor(level / 4))) end
  level = level - given
  redis.call('HSET', KEYS[1], 'requests', level .. ' ' .. time)
  return given, math.max(0, enough - level) * period / rate, (rate - level) * period / rate
end
local n = {}
for i = 1, #ARGV do n[i] = tonumber(ARGV[i]) end
local given, wait, full = spend(n[3], n[4], n[5], n[6], n[7])
local reply = {given, tostring(wait)}
for i = 8, #ARGV, 5 do
  local leased, excess = lease(ARGV[i], n[i + 1], n[i + 2], n[i + 3], n[i + 4])
  table.insert(reply, leased)
  table.insert(reply, excess)
end
redis.call('EXPIRE', KEYS[1], math.ceil(math.max(seconds, n[4], full)))
for process in pairs(others) do table.insert(reply, process) end
return reply
"""
