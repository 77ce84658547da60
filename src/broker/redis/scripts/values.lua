-- What the scripts about values share. What has run out by the time in ARGV[1] (0 = the server's) is as good as absent;
-- the server clears it away a minute later by itself, so that no clock but that one decides.
local now = tonumber(ARGV[1])
if now == 0 then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local GRACE = 60000
