-- the age in milliseconds, most removed at once.
local since = '(' .. digits(now - tonumber(ARGV[2]))
local old = redis.call('ZRANGEBYSCORE', ENDED, '-inf', since, 'LIMIT', 0, ARGV[3])
for _, id in ipairs(old) do
    redis.call('ZREM', ENDED, id)
    redis.call('ZREM', listed('done'), id)
    redis.call('ZREM', listed('failed'), id)
    redis.call('UNLINK', job(id))
end
return #old
