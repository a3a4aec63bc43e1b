-- Asks bearerd about a request.  In haproxy.cfg:  http-request lua.bearerd NAME      Guide: README.md beside this file.
--
-- Only a 200 lets the request go on (txn.bearerd_allowed).  Every refusal is answered here, as bearerd meant it; whatever
-- goes wrong in this file leaves the variable unset, and haproxy.cfg answers 503.

-- Where bearerd listens (or "unix@/run/bearerd.sock"), and how long an answer may take (milliseconds).
local BEARERD = "127.0.0.1:9180"
local PATIENCE = 5000

-- Exactly the identity headers of the resource, and the signed one.
local IDENTITY = { "x-auth-subject", "x-auth-issuer", "x-auth-client", "x-auth-scopes", "x-auth-roles", "x-auth-identity" }
-- What bearerd reads of the client's own fields.  All others are no business of its, and some would cost it its fast path.
local TOLD = {
    "authorization", "origin", "access-control-request-method", "traceparent",
    "accept",                            -- in what form the client reads a refusal
    "sec-fetch-mode", "sec-fetch-dest",  -- whether it is a browser that goes to a page, for login_redirect
    -- What is called, of an MCP server (docs/mcp.md), without the first hyphens.
    --"mcp-method", "mcp-name", "mcp-protocol-version",
}
-- What clients get of a refusal.
local RETURNED = {
    "www-authenticate", "retry-after", "cache-control", "content-type", "x-auth-request-id",
    "vary", "location", "content-security-policy", "x-content-type-options",
}

-- Every value of a field; nil where it is not there.  haproxy counts from 0.
local function every(fields, name)
    local values, given = {}, fields[name]
    while given ~= nil and given[#values] ~= nil do
        values[#values + 1] = given[#values]
    end
    return values[1] and values
end

local function question(txn)
    local sent, told = txn.http:req_get_headers(), {}
    for _, name in ipairs(TOLD) do
        told[name] = every(sent, name)  -- two credentials are told as two, and refused
    end
    told["x-forwarded-method"] = { txn.f:method() }
    told["x-forwarded-uri"] = { txn.f:url() }
    told["x-forwarded-host"] = { txn.f:req_fhdr("host") }
    told["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    return told
end

local function identify(txn, fields)
    for _, name in ipairs(IDENTITY) do
        local values = every(fields, name)
        txn.http:req_del_header(name)
        if values and values[1] ~= "" then
            txn.http:req_add_header(name, values[1])
        end
    end
end

local function refuse(txn, answer)
    local reply = txn:reply({ status = answer.status, body = answer.body })
    for _, name in ipairs(RETURNED) do
        for _, value in ipairs(every(answer.headers, name) or {}) do
            reply:add_header(name, value)
        end
    end
    txn:done(reply)
end

core.register_action("bearerd", { "http-req" }, function(txn, resource)
    local answer = core.httpclient():get({
        url = "http://bearerd/auth/" .. resource,
        headers = question(txn),
        dst = BEARERD,
        timeout = PATIENCE,
    })
    if answer.status == 200 then
        identify(txn, answer.headers)
        txn:set_var("txn.bearerd_allowed", true)
    elseif every(answer.headers, "x-auth-request-id") then  -- else it is no word of bearerd's: it is gone, or silent
        refuse(txn, answer)
    end
end, 1)
