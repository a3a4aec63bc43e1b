-- Heartbeat and read in one: is the caller's position known, renew its lease with that position as acknowledged, and return
-- what came after it. What is returned here is confirmed by the caller's next beat.
--   ARGV  … lease ('' = none), how long it runs (ms), most members to return
--   -> { known, marked, sequence, head, now (us), longest lease (ms), behind, members }
local ours, foreign = marked()
if foreign then return foreign end
local lease, runs, most = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local state = load_state()
local found = ours and known(state)

if lease ~= '' then
  local acknowledged = found and ARGV[3] or '-1'
  local new = redis.call('HSET', LEASES, lease, string.format('%.0f', NOW / 1000 + runs) .. ' ' .. acknowledged) == 1
  if runs > state.longest then
    state.longest = runs
    redis.call('HSET', STATE, 'longest', runs)
  end
  if new then -- the moment to sweep out those that lapsed long ago
    local all = redis.call('HGETALL', LEASES)
    for i = 1, #all, 2 do
      if tonumber(string.match(all[i + 1], '^%d+')) < NOW / 1000 - 3600000 then redis.call('HDEL', LEASES, all[i]) end
    end
  end
end

local members, behind = {}, 0
if found then
  local mine = tonumber(ARGV[3])
  if state.sequence - mine > most then
    behind = 1 -- too much for one reply: the caller pages through the buckets, then confirms this position
  elseif state.sequence > mine then
    for _, name in ipairs(redis.call('ZRANGE', BUCKETS, 0, -1)) do
      for _, member in ipairs(redis.call('ZRANGEBYSCORE', LOGS .. name, '(' .. ARGV[3], '+inf')) do
        members[#members + 1] = member
      end
    end
  end
end
return { found and 1 or 0, ours and 1 or 0, state.sequence, state.head, string.format('%.0f', NOW), state.longest, behind, members }
