-- Many calls in a sliding window, counted in constant space: this window's number and the last
-- one's, weighted by how much of it still lies within the sliding window.
-- KEYS: counter. ARGV: window in ms, limit, calls wanted, calls needed at least.
-- Answers {granted, left, ms}: ms is how long the window lasts, or how long a refused caller waits.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local window, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local wanted, needed = tonumber(ARGV[3]), tonumber(ARGV[4])
local bucket = math.floor(now / window)
local elapsed = now - bucket * window
local stored = redis.call('HMGET', KEYS[1], 'bucket', 'count', 'before')
local count, before = tonumber(stored[2]) or 0, tonumber(stored[3]) or 0
local at = tonumber(stored[1]) or bucket
if at ~= bucket then
  before = at == bucket - 1 and count or 0
  count = 0
end
local left = math.floor(limit - count - before * (window - elapsed) / window)
if left < needed then
  local wait
  if count + needed <= limit then
    wait = window * (1 - (limit - count - needed) / before) - elapsed
  else
    local full = count > 0 and math.max(0, limit - needed) / count or 1
    wait = window - elapsed + window * math.max(0, 1 - full)
  end
  return {0, math.max(0, left), math.ceil(math.max(1, wait))}
end
local granted = math.min(wanted, left)
redis.call('HSET', KEYS[1], 'bucket', bucket, 'count', count + granted, 'before', before)
redis.call('PEXPIRE', KEYS[1], window * 2)
return {granted, left - granted, window - elapsed}
