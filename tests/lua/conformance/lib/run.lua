-- Runs a program (programs/*.lua) as an execution of its own: a child workflow, or on the process host a function.
-- modules: funcs workflow
return function(name, ...)
  if process.pid():find("@", 1, true) then return funcs.call("programs:" .. name, ...) end
  return workflow.exec("programs:" .. name, ...)
end
