-- One call in a sliding window, exactly counted: a sorted set with one entry per call.
-- KEYS: window. ARGV: window in ms, limit, member. Answers {allowed, count, ms to wait}.
-- The server's clock decides, so machines whose clocks differ share one window. Refused calls are
-- not counted: a client that polls at the limit recovers.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local window = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
if count < tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], window)
  return {1, count + 1, 0}
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
-- RESP3 answers {{member, score}}, RESP2 a flat list.
local first = type(oldest[1]) == 'table' and oldest[1][2] or oldest[2]
return {0, count, tonumber(first) + window - now}
