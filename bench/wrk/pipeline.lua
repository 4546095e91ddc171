-- Sixteen requests in one write, as `wrk -s pipeline.lua URL`.
init = function(args)
    local r = {}
    for i = 1, 16 do
        r[i] = wrk.format(nil)
    end
    req = table.concat(r)
end

request = function()
    return req
end
