-- KEYS[1] names all counters; from which name to which (as ZRANGEBYLEX takes them), how many. Answers names, values
-- and whether each still counts.
local VALUES, NAMES, ENDS = KEYS[1] .. ':values', KEYS[1] .. ':names', KEYS[1] .. ':ends'
local found = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', NAMES, ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])) do
    local ends = redis.call('ZSCORE', ENDS, name)
    local over = ends and tonumber(ends) <= now
    table.insert(found, { name, redis.call('HGET', VALUES, name) or '0', over and 0 or 1 })
end
return found
