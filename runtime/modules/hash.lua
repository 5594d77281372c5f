-- hash: digests and keyed digests in hexadecimal (or raw bytes), FNV-1a numbers.
return function(K)
  local hash = {}

  for _, algorithm in ipairs({ "md5", "sha1", "sha256", "sha512" }) do
    hash[algorithm] = function(data, raw)
      K.check(data, 1, algorithm, "string")
      K.check(raw, 2, algorithm, "boolean", true)
      return K.host("hash.digest", algorithm, data, raw or false)
    end
    local keyed = "hmac_" .. algorithm
    hash[keyed] = function(data, secret, raw)
      K.check(data, 1, keyed, "string")
      K.check(secret, 2, keyed, "string")
      K.check(raw, 3, keyed, "boolean", true)
      return K.host("hash.keyed", algorithm, data, secret, raw or false)
    end
  end

  for _, name in ipairs({ "fnv32", "fnv64" }) do
    hash[name] = function(data)
      K.check(data, 1, name, "string")
      return K.host("hash." .. name, data)
    end
  end

  return hash
end
