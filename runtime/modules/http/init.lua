-- http: the request a handler answers, and its response. A large body is read when it is asked for; what is said of the response goes to
-- the host as it is said, without waiting, except for a flush.
return function(K)
  local about = K.boot.info and K.boot.info.request
  local http = {}

  http.METHOD = K.freeze({
    GET = "GET", POST = "POST", PUT = "PUT", PATCH = "PATCH", DELETE = "DELETE", HEAD = "HEAD", OPTIONS = "OPTIONS",
  }, "http.METHOD")
  http.STATUS = K.freeze({
    OK = 200, CREATED = 201, ACCEPTED = 202, NO_CONTENT = 204, PARTIAL_CONTENT = 206, MOVED_PERMANENTLY = 301,
    FOUND = 302, SEE_OTHER = 303, NOT_MODIFIED = 304, TEMPORARY_REDIRECT = 307, PERMANENT_REDIRECT = 308,
    BAD_REQUEST = 400, UNAUTHORIZED = 401, PAYMENT_REQUIRED = 402, FORBIDDEN = 403, NOT_FOUND = 404,
    METHOD_NOT_ALLOWED = 405, NOT_ACCEPTABLE = 406, CONFLICT = 409, GONE = 410, PRECONDITION_FAILED = 412,
    PAYLOAD_TOO_LARGE = 413, UNSUPPORTED_MEDIA_TYPE = 415, UNPROCESSABLE = 422, UNPROCESSABLE_ENTITY = 422,
    TOO_MANY_REQUESTS = 429, INTERNAL_ERROR = 500, INTERNAL_SERVER_ERROR = 500, NOT_IMPLEMENTED = 501,
    BAD_GATEWAY = 502, SERVICE_UNAVAILABLE = 503, GATEWAY_TIMEOUT = 504,
  }, "http.STATUS")
  http.CONTENT = K.freeze({
    JSON = "application/json", FORM = "application/x-www-form-urlencoded", MULTIPART = "multipart/form-data",
    TEXT = "text/plain", HTML = "text/html", XML = "application/xml", STREAM = "application/octet-stream",
    EVENTS = "text/event-stream",
  }, "http.CONTENT")
  http.TRANSFER = K.freeze({ CHUNKED = "chunked", SSE = "sse" }, "http.TRANSFER")

  local Request = K.use("modules/http/request")
  local Response = K.use("modules/http/response")

  local request, response
  local function check_handler(name)
    if about then return end
    K.misuse("http.%s() works only in the function of an http.endpoint while it answers a request; what else it calls is "
      .. "given what it needs as arguments", name)
  end

  function http.request()
    check_handler("request")
    request = request or Request.new(about)
    return request
  end

  function http.response()
    check_handler("response")
    response = response or Response.new({ headers = {} })
    return response
  end

  return http
end
