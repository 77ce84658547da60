-- KEYS[1] names all counters; name, what to add, the life in milliseconds or nothing, most cleared away.
local VALUES, NAMES, ENDS = KEYS[1] .. ':values', KEYS[1] .. ':names', KEYS[1] .. ':ends'
local name = ARGV[2]
local function forget(gone)
    redis.call('HDEL', VALUES, gone)
    redis.call('ZREM', NAMES, gone)
    redis.call('ZREM', ENDS, gone)
end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '-inf', now, 'LIMIT', 0, ARGV[5])) do
    forget(gone)
end
local ends = redis.call('ZSCORE', ENDS, name)
if ends and tonumber(ends) <= now then
    forget(name)
end
-- A counter's end is set when it starts and stays.
if redis.call('HEXISTS', VALUES, name) == 0 then
    redis.call('ZADD', NAMES, 0, name)
    if ARGV[4] ~= '' then
        redis.call('ZADD', ENDS, now + tonumber(ARGV[4]), name)
    end
end
redis.call('HINCRBY', VALUES, name, ARGV[3])
-- As text: Lua's numbers are not exact beyond 53 bits.
return redis.call('HGET', VALUES, name)
