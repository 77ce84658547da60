-- id, worker, length of a lease.
local state, worker = unpack(redis.call('HMGET', job(ARGV[2]), 'state', 'worker'))
if state ~= 'running' or worker ~= ARGV[3] then
    return 0
end
redis.call('ZADD', LEASES, now + tonumber(ARGV[4]), ARGV[2])
return 1
