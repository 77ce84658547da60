-- KEYS[1] is the value; its life in milliseconds, its bytes.
local life = tonumber(ARGV[2])
redis.call('SET', KEYS[1], string.format('%016.0f', now + life) .. ARGV[3], 'PX', life + GRACE)
return 1
