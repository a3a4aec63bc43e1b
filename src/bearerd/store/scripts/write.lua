-- Write one entry at the end of the log. `at` was proposed by the writer, who needs it to seal the entry; it is accepted only
-- if it is later than every `at` here and the proposal is fresh.
--   ARGV  … member, most members in the store
--   -> { "ok" | "retry" | "lost" | "full", now (us), largest at, sequence, head }
local ours, foreign = marked()
if foreign then return foreign end
local member, most = ARGV[5], tonumber(ARGV[6])
local state = load_state()
local answer = 'ok'
if not ours or not known(state) then
  answer = 'lost' -- the writer does not know what this store was: it must read and put back first
elseif count() >= most then
  answer = 'full'
elseif at_of(member) <= state.at or at_of(member) < NOW - 1000000 then
  answer = 'retry'
else
  append(state, { member })
end
return { answer, string.format('%.0f', NOW), string.format('%.0f', state.at), state.sequence, state.head }
