-- Put back what the store lacks: members with their original `at` and MAC, under new sequences. Idempotent. Marks the store.
--   ARGV  … members, concatenated; size of one; most members in the store; random text (begins the chain of a new store)
--   -> how many were added; -1: they do not fit, and none was
local ours, foreign = marked()
if foreign then return foreign end
local blob, size, most = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local state = load_state()
local members = {}
for i = 1, #blob, size do
  local member = string.sub(blob, i, i + size - 1)
  local _, deadline = bucket_of(member)
  if not deadline or deadline * 1000000 > NOW then members[#members + 1] = member end
end

local held = count()
if held + #members > most then -- close to the limit: count what is really new
  local new = 0
  for _, member in ipairs(members) do
    if not redis.call('ZSCORE', LOGS .. bucket_of(member), member) then new = new + 1 end
  end
  if new > 0 and held + new > most then return -1 end
end
if not ours then
  redis.call('SET', SCHEMA, MARK)
  state.head = redis.sha1hex(ARGV[8] .. NOW)
end
return append(state, members)
