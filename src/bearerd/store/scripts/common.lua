-- Shared by every script of the revocation log; prepended to each.
--   KEYS  schema state heads buckets leases bell     (one hash slot; buckets are named from ARGV[2])
--   ARGV  mark, prefix of the buckets, the caller's sequence ('' = it has no position), its head, then the script's own
-- A member is an entry of 32 bytes (key 16, cut-off u32be, expiry u32be, at u64be) and, with a fleet key, its MAC.
local SCHEMA, STATE, HEADS, BUCKETS, LEASES, BELL = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local MARK, LOGS = ARGV[1], ARGV[2]
local HEADS_KEPT = 65536 -- positions that can still be found; whoever is further behind reads everything
local FOREVER = 4294967295
local HOUR = 3600

local time = redis.call('TIME')
local NOW = time[1] * 1000000 + time[2] -- microseconds: exact in a double until the year 2255

-- true: ours. false: no schema key (new or flushed), or no chain. An error reply: another version, or another fleet key.
local function marked()
  local mark = redis.call('GET', SCHEMA)
  if mark and mark ~= MARK then
    return nil, redis.error_reply('FOREIGN the store is marked for another schema version or fleet key')
  end
  return mark and redis.call('HEXISTS', STATE, 'head') == 1
end

local function load_state()
  local s = redis.call('HMGET', STATE, 'sequence', 'head', 'at', 'longest')
  return { sequence = tonumber(s[1] or 0), head = s[2] or '', at = tonumber(s[3] or 0), longest = tonumber(s[4] or 0) }
end

-- Is the caller's position in this store's history? Heads are chained from a random one, so that a store that was flushed,
-- restored or failed over with loss cannot show it by accident; nor can one that is just being filled again by put-backs.
local function known(state)
  if ARGV[3] == '' then return false end
  local sequence, head = tonumber(ARGV[3]), ARGV[4]
  if sequence == state.sequence then return head == state.head end
  local found = redis.call('ZSCORE', HEADS, head)
  return found and tonumber(found) == sequence or false
end

local function expiry_of(member) return (struct.unpack('>I4', member, 21)) end
local function at_of(member)
  local high, low = struct.unpack('>I4I4', member, 25)
  return high * 4294967296 + low
end
local function bucket_of(member)
  local expiry = expiry_of(member)
  if expiry == FOREVER then return 'forever', nil end
  local hour = math.floor(expiry / HOUR)
  return string.format('%d', hour), (hour + 2) * HOUR -- gone an hour late: clocks of workers may lag ours
end

local function count()
  local n = 0
  for _, name in ipairs(redis.call('ZRANGE', BUCKETS, 0, -1)) do n = n + redis.call('ZCARD', LOGS .. name) end
  return n
end

-- Append those of these members that the log does not hold; returns how many. Positions are told between scripts only, so the
-- chain takes one step a call, over everything that the call added.
local function append(state, members)
  local added, touched = {}, {}
  for _, member in ipairs(members) do
    local name, deadline = bucket_of(member)
    if redis.call('ZADD', LOGS .. name, 'NX', state.sequence + 1, member) == 1 then
      state.sequence = state.sequence + 1
      state.at = math.max(state.at, at_of(member))
      added[#added + 1] = member
      touched[name] = deadline or 0
    end
  end
  for name, deadline in pairs(touched) do
    redis.call('ZADD', BUCKETS, deadline == 0 and '+inf' or name, name)
    if deadline > 0 then redis.call('EXPIREAT', LOGS .. name, deadline) end
  end
  if #added > 0 then
    state.head = redis.sha1hex(state.head .. table.concat(added))
    redis.call('XADD', BELL, 'MAXLEN', '~', 256, '*', 'log', state.sequence) -- a doorbell: nobody believes what it says
  end
  redis.call('HSET', STATE, 'sequence', state.sequence, 'head', state.head, 'at', string.format('%.0f', state.at))
  redis.call('ZADD', HEADS, state.sequence, state.head)
  redis.call('ZREMRANGEBYSCORE', HEADS, '-inf', state.sequence - HEADS_KEPT)
  redis.call('ZREMRANGEBYSCORE', BUCKETS, '-inf', '(' .. math.floor(NOW / 1000000 / HOUR) - 1)
  return #added
end
