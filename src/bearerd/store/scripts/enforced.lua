-- Is an entry still here, and has every live lease acknowledged it? Writes something, so that a WAIT after it covers the
-- entry's own write.
--   ARGV  … member
--   -> { "ok" | "lost" | "gone" | "waiting", sequence, longest lease (ms), leases that lack it }
local ours, foreign = marked()
if foreign then return foreign end
local member = ARGV[5]
local state = load_state()
if not ours or not known(state) then return { 'lost', 0, state.longest, {} } end
local sequence = redis.call('ZSCORE', LOGS .. bucket_of(member), member)
if not sequence then return { 'gone', 0, state.longest, {} } end
sequence = tonumber(sequence)
redis.call('HSET', STATE, 'asked', string.format('%.0f', NOW))
local missing = {}
local all = redis.call('HGETALL', LEASES)
for i = 1, #all, 2 do
  local lapses, acknowledged = string.match(all[i + 1], '^(%d+) (-?%d+)$')
  if tonumber(lapses) * 1000 > NOW and tonumber(acknowledged) < sequence then missing[#missing + 1] = all[i] end
end
local answer = (#missing > 0 or tonumber(ARGV[3]) < sequence) and 'waiting' or 'ok'
return { answer, sequence, state.longest, missing }
