-- KEYS[1] is the lock, KEYS[2] the numbers of all locks, in one slot; holder, life in milliseconds.
local holder, ends = unpack(redis.call('HMGET', KEYS[1], 'holder', 'ends'))
if holder and holder ~= ARGV[2] and tonumber(ends) > now then
    return false
end
local life = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'holder', ARGV[2], 'ends', string.format('%.0f', now + life))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life + GRACE))
-- One number for all, never cleared away, and never before the time: it grows even over a loss of the server's memory.
local number = string.format('%.0f', math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, now))
redis.call('SET', KEYS[2], number)
return number
