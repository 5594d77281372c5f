-- crypto: in a workflow all randomness is the run's own, so a replay makes the same bytes.
return function(K)
  local MAX_RANDOM = 1024 * 1024
  local DEFAULT_CHARSET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
  local crypto, random, hmac, encrypt, decrypt, jwt = {}, {}, {}, {}, {}, {}

  local function sized(n, fname)
    K.check(n, 1, fname, "integer")
    if n < 1 or n > MAX_RANDOM then return K.invalid("length %d is not from 1 to %d", n, MAX_RANDOM) end
    return true
  end

  function random.bytes(n)
    local ok, err = sized(n, "bytes")
    if not ok then return nil, err end
    return K.random_bytes(n)
  end

  function random.string(n, charset)
    local ok, err = sized(n, "string")
    if not ok then return nil, err end
    K.check(charset, 2, "string", "string", true)
    charset = charset or DEFAULT_CHARSET
    if charset == "" then return K.invalid("the charset is empty") end
    local out = {}
    for i = 1, n do
      local at = K.random_int(1, #charset)
      out[i] = charset:sub(at, at)
    end
    return table.concat(out)
  end

  function random.uuid() return K.host("uuid.v4", K.random_bytes(16)) end

  for _, algorithm in ipairs({ "sha256", "sha512" }) do
    hmac[algorithm] = function(key, data)
      K.check(key, 1, algorithm, "string")
      K.check(data, 2, algorithm, "string")
      return K.host("crypto.hmac", algorithm, key, data)
    end
  end

  for _, cipher in ipairs({ "aes", "chacha20" }) do
    local function checked(data, key, aad)
      K.check(data, 1, cipher, "string")
      K.check(key, 2, cipher, "string")
      K.check(aad, 3, cipher, "string", true)
    end
    encrypt[cipher] = function(data, key, aad)
      checked(data, key, aad)
      return K.host("crypto.encrypt", cipher, data, key, K.random_bytes(12), aad)
    end
    decrypt[cipher] = function(data, key, aad)
      checked(data, key, aad)
      return K.host("crypto.decrypt", cipher, data, key, aad)
    end
  end

  local function text_of(value, what)
    local text, problem = K.json_encode(K.object(value))
    if not text then return K.invalid("%s: %s", what, problem) end
    return text
  end

  -- Fields of `_header` in the claims go to the token's header.
  function jwt.encode(claims, key, algorithm)
    K.check(claims, 1, "encode", "table")
    K.check(key, 2, "encode", "string")
    K.check(algorithm, 3, "encode", "string", true)
    if key == "" then return K.invalid("the key is empty") end
    local rest = K.merged(claims)
    rest._header = nil
    local body, err = text_of(rest, "claims")
    if not body then return nil, err end
    local header
    header, err = text_of(K.merged(claims._header), "header")
    if not header then return nil, err end
    return K.host("crypto.jwt_encode", body, header, key, algorithm or "HS256")
  end

  function jwt.verify(token, key, algorithm, require_exp)
    K.check(token, 1, "verify", "string")
    K.check(key, 2, "verify", "string")
    K.check(algorithm, 3, "verify", "string", true)
    K.check(require_exp, 4, "verify", "boolean", true)
    if key == "" then return K.invalid("the key is empty") end
    local claims, err = K.host("crypto.jwt_verify", token, key, algorithm or "HS256", require_exp ~= false, K.now())
    if not claims then return nil, err end
    return (K.json_decode(claims))
  end

  function crypto.pbkdf2(password, salt, iterations, length, algorithm)
    K.check(password, 1, "pbkdf2", "string")
    K.check(salt, 2, "pbkdf2", "string")
    K.check(iterations, 3, "pbkdf2", "integer")
    K.check(length, 4, "pbkdf2", "integer")
    K.check(algorithm, 5, "pbkdf2", "string", true)
    -- Half a second for what is allowed at most; more is refused.
    if iterations > 0 and length > 0 then
      K.limits.charge(math.min(6000000, 10.0 * iterations * math.max(1, length // 20)) // 1 | 0)
    end
    return K.host("crypto.pbkdf2", password, salt, iterations, length, algorithm or "sha256")
  end

  function crypto.constant_time_compare(a, b)
    K.check(a, 1, "constant_time_compare", "string")
    K.check(b, 2, "constant_time_compare", "string")
    return K.host("crypto.compare", a, b)
  end

  crypto.random, crypto.hmac = K.freeze(random, "crypto.random"), K.freeze(hmac, "crypto.hmac")
  crypto.encrypt, crypto.decrypt = K.freeze(encrypt, "crypto.encrypt"), K.freeze(decrypt, "crypto.decrypt")
  crypto.jwt = K.freeze(jwt, "crypto.jwt")
  return crypto
end
