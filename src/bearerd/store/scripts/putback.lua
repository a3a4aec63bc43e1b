-- Put back what the store lacks: members with their original `at` and MAC, under new sequences. Idempotent. Marks the store.
--   ARGV  … members, concatenated; size of one; most members in the store; random text (begins the chain of a new store)
--   -> how many were added; -1: they do not fit, and none was
local ours, foreign = marked()
if foreign then return foreign end
local blob, size, most = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local state = load_state()
local lacking = {}
for i = 1, #blob, size do
  local member = string.sub(blob, i, i + size - 1)
  local name, deadline = bucket_of(member)
  if (not deadline or deadline * 1000000 > NOW) and not redis.call('ZSCORE', LOGS .. name, member) then
    lacking[#lacking + 1] = member
  end
end
if #lacking > 0 and count() + #lacking > most then return -1 end
if not ours then
  redis.call('SET', SCHEMA, MARK)
  state.head = redis.sha1hex(ARGV[8] .. NOW)
  redis.call('ZADD', HEADS, state.sequence, state.head)
end
for _, member in ipairs(lacking) do append(state, member) end
if #lacking > 0 or not ours then finish(state) end
return #lacking
