-- Generates the requests of each of wrk's connections. The benchmark replaces the parts in
-- angle brackets.
math.randomseed(<seed>)
local ids = {<ids>}
wrk.headers["Content-Type"] = <type>

function request()
  local id, n = ids[math.random(#ids)], math.random(100000000, 999999999)
  return wrk.format("<method>", <path>, nil, <body>)
end
