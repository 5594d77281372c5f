-- stream: nothing yet. Scripts that only use the streams of `http` and `http_client` may list it.
return function() return {} end, "lasts"
