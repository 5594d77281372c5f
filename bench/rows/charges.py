"""What the library functions are charged: processor seconds for ten million instructions of budget, which a step may spend before its clock does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from bench.plan import Plan, Row
from bench.result import Result
from runtime.errors import LIMIT_EXCEEDED
from runtime.lua import protocol
from runtime.lua.session import Session
from runtime.testing import program_from_source

MODULES = ("base64", "channel", "crypto", "ctx", "hash", "json", "time", "uuid", "yaml")
BOOT = {"class": "function", "pid": "{p|1}", "seed": 7, "ctx": {}, "info": {}}
#: Instructions that a loop spends, and those that the seconds are for.
SPENT, FOR = 2_000_000, 10_000_000
#: Seconds: less is a function that is charged for what it does not take, more one that spends a step's clock before its budget.
LOW, HIGH = 0.1, 0.5


#: What is set up once, and what is done again and again, by what it shows.
LOOPS: Mapping[str, tuple[str, str]] = {
    "plain loop": ("", "local x=1"),
    "tonumber 200": ("local s=('1'):rep(200)", "tonumber(s)"),
    "arith on text 200": ("local s=('1'):rep(200)", "local _=s+1"),
    "tostring int": ("local i=12345678", "tostring(i)"),
    "tostring float": ("local i=1/3", "tostring(i)"),
    "format %.99f": ("", "('%.99f'):format(1/3)"),
    "format %.99f big": ("", "('%.99f'):format(1e308)"),
    "format %99d": ("", "('%99d'):format(3)"),
    "format %q 100K": ("local s=('a'):rep(100000)", "('%q'):format(s)"),
    "format %q nul": ("local s=('\\0'):rep(100000)", "('%q'):format(s)"),
    "format long fmt": ("local s=('ab%%'):rep(10000)", "s:format()"),
    "format 10 args": ("", "('%d %d %d %d %d %d %d %d %d %d'):format(1,2,3,4,5,6,7,8,9,10)"),
    "format %a": ("", "('%a'):format(1/3)"),
    "upper 100K": ("local s=('a'):rep(100000)", "s:upper()"),
    "upper 256": ("local s=('a'):rep(256)", "s:upper()"),
    "reverse 100K": ("local s=('a'):rep(100000)", "s:reverse()"),
    "byte 1000": ("local s=('a'):rep(100000)", "s:byte(1,1000)"),
    "char 200": ("local t={} for i=1,200 do t[i]=65 end", "string.char(table.unpack(t))"),
    "rep 1x100K": ("", "('x'):rep(100000)"),
    "rep 1K": ("", "('x'):rep(1000)"),
    "rep sep": ("", "('x'):rep(10000,',')"),
    "pack long fmt": ("local f=('!8'):rep(10000)", "string.pack(f)"),
    "utf8.len 100K": ("local s=('a'):rep(100000)", "utf8.len(s)"),
    "utf8.codepoint": ("local s=('a'):rep(100000)", "utf8.codepoint(s,1,1000)"),
    "utf8.char": ("", "utf8.char(8364,8364,8364,8364)"),
    "utf8.codes cont": ("local s='a'..('\\x80'):rep(100000)", "pcall(function() for _ in utf8.codes(s) do end end)"),
    "table.concat 1000 ints": ("local t={} for i=1,1000 do t[i]=(i*7919)%1000 end", "table.concat(t,',')"),
    "table.concat 10x10K": ("local t={} for i=1,10 do t[i]=('x'):rep(10000) end", "table.concat(t)"),
    "table.concat floats": ("local t={} for i=1,1000 do t[i]=i/7 end", "table.concat(t,',')"),
    "table.unpack 200": ("local t={} for i=1,1000 do t[i]=(i*7919)%1000 end", "local _=table.unpack(t,1,200)"),
    "table.pack": ("local t={} for i=1,1000 do t[i]=(i*7919)%1000 end", "table.pack(table.unpack(t,1,200))"),
    "table.insert front": (
        "local t={} for i=1,1000 do t[i]=(i*7919)%1000 end",
        "table.insert(t,1,1) table.remove(t,1)",
    ),
    "table.insert end": (
        "local t={} for i=1,1000 do t[i]=(i*7919)%1000 end",
        "t[#t+1]=nil table.insert(t,1) table.remove(t)",
    ),
    "table.move": ("local t={} for i=1,1000 do t[i]=(i*7919)%1000 end", "table.move(t,1,1000,1,{})"),
    "sort ints": ("local t={} for i=1,1000 do t[i]=(i*7919)%1000 end", "table.sort(t)"),
    "sort ints shuffled": (
        "local t={} for i=1,1000 do t[i]=(i*7919)%1000 end",
        "for i=1,1000 do t[i]=(i*7919)%1009 end table.sort(t)",
    ),
    "sort strings": ("local t={} for i=1,1000 do t[i]='k'..(i*7919)%1000 end", "table.sort(t)"),
    "sort alike nul": (
        "local z=('\\0'):rep(500) local t={} for i=1,1000 do t[i]=z..string.pack('>I4',(i*7919)%1000) end",
        "table.sort(t)",
    ),
    "pairs 1000 strings": ("local t={} for i=1,1000 do t['k'..(i*7919)%1000]=i end", "for _ in pairs(t) do break end"),
    "pairs alike nul": (
        "local z=('\\0'):rep(500) local t={} for i=1,1000 do t[z..string.pack('>I4',(i*7919)%1000)]=i end",
        "for _ in pairs(t) do break end",
    ),
    "next 1000 strings": ("local t={} for i=1,1000 do t['k'..(i*7919)%1000]=i end", "next(t)"),
    "pairs 10": ("local t={} for i=1,10 do t['k'..i]=i end", "for _ in pairs(t) do end"),
    "find plain product2": ("local s=('a'):rep(3000) local p=('a'):rep(500)..'b'", "s:find(p,1,true)"),
    "find class miss": ("local s=('a'):rep(100000)", "s:find('%d')"),
    "find a-b": ("local s=('a'):rep(1000)", "s:find('a-b')"),
    "find a*b 100K": ("local s=('a'):rep(100000)", "s:find('a*b')"),
    "find set": ("local s=('a'):rep(100000)", "s:find('[bcdefghijklmnopqrstuvwxyz0123456789]')"),
    "find border": ("local s=('a'):rep(100000)", "s:find('%f[%d]')"),
    "find back": ("local s=('a'):rep(300)", "s:find('(.-)%1b')"),
    "gmatch .": ("local s=('a'):rep(100000)", "for _ in s:gmatch('.') do end"),
    "gsub a b": ("local s=('a'):rep(100000)", "s:gsub('a','b')"),
    "gsub miss": ("local s=('a'):rep(100000)", "s:gsub('b','a')"),
    "gsub . table": ("local s=('a'):rep(100000) local t={a='b'}", "s:gsub('.',t)"),
    "gsub . fn": ("local s=('a'):rep(100000) local f=function() return 'b' end", "s:gsub('.',f)"),
    "gsub . %0%0": ("local s=('a'):rep(100000)", "s:gsub('.','%0%0')"),
    "gsub captures": ("local s=('a'):rep(100000)", "s:gsub('(.)(.)(.)','%3%2%1')"),
    "gsub empty": ("local s=('a'):rep(100000)", "s:gsub('','-')"),
    "gsub 900": ("local s=('a'):rep(900)", "s:gsub('a','b')"),
    "re2 gsub": ("local s=('a'):rep(100000)", "s:gsub('a-a-a-b','x')"),
    "re2 find": ("local s=('a'):rep(100000)", "s:find('a-a-a-b')"),
    "re2 short": ("local s=('a'):rep(100)", "s:find('a*a*a*a*b')"),
    "long pattern": ("local s='x' local p=('a?'):rep(600)", "s:find(p)"),
    "new pattern": ("local n=0 local s='x' local p=('[abc]*x'):rep(10)", "n=n+1 s:find(p..n)"),
    "print 64K": ("local s=('x'):rep(65536)", "print(s)"),
    "print x": ("", "print('x')"),
    "base64.encode 10K": ("local s=('x'):rep(10000)", "base64.encode(s)"),
    "base64.decode 10K": ("local s=base64.encode(('x'):rep(10000))", "base64.decode(s)"),
    "hash sha512 10K": ("local s=('x'):rep(10000)", "hash.sha512(s)"),
    "hash.fnv 10K": ("local s=('x'):rep(10000)", "hash.fnv32(s)"),
    "json.encode": ("local t={} for i=1,1000 do t[i]=(i*7919)%1000 end", "json.encode(t)"),
    "json.decode": ("local t={} for i=1,1000 do t[i]=(i*7919)%1000 end local s=json.encode(t)", "json.decode(s)"),
    "json.encode text": ("local s=('a'):rep(100000)", "json.encode(s)"),
    "json.decode text": ("local s=('a'):rep(100000) s=json.encode(s)", "json.decode(s)"),
    "json.validate": ("local c={type='integer'}", "json.validate(c,5)"),
    "json.validate new": ("local n=0", "n=n+1 json.validate({type='integer',minimum=n},5)"),
    "json.validate array": (
        "local t={} for i=1,1000 do t[i]=(i*7919)%1000 end local c={type='array',items={type='integer'}}",
        "json.validate(c,t)",
    ),
    "yaml.encode": ("local t={} for i=1,1000 do t[i]=(i*7919)%1000 end", "yaml.encode(t)"),
    "yaml.decode": ("local s=('- a: 1\\n'):rep(1000)", "yaml.decode(s)"),
    "yaml.decode dense": ("local s='['..('a,'):rep(5000)..']'", "yaml.decode(s)"),
    "yaml.decode 1": ("", "yaml.decode('a: 1')"),
    "uuid.v4": ("", "uuid.v4()"),
    "uuid.v5": ("", "uuid.v5('6ba7b810-9dad-11d1-80b4-00c04fd430c8','x')"),
    "uuid.parse": ("", "uuid.parse('6ba7b810-9dad-11d1-80b4-00c04fd430c8')"),
    "os.date": ("", "os.date('%Y-%m-%d %H:%M:%S')"),
    "os.date long": ("local s=('%c'):rep(5000)", "os.date(s)"),
    "time.parse": ("", "time.parse('2006-01-02','2024-01-01')"),
    "crypto.hmac": ("", "crypto.hmac.sha256('x','k')"),
    "crypto.pbkdf2": ("", "crypto.pbkdf2('p','saltsalt',10000,32)"),
    "crypto.random": ("", "crypto.random.bytes(1000)"),
    "crypto.aes": ("local k=('k'):rep(32)", "crypto.encrypt.aes('x',k)"),
    "crypto.jwt": ("", "crypto.jwt.encode({a=1},'k')"),
    "refusal": ("", "time.sleep(0)"),
    "refusal, deep": ("local function f(n) if n > 0 then return 1 + f(n - 1) end time.sleep(0) return 0 end", "f(150)"),
    "refusal of ctx": ("", "ctx.get('a')"),
    "channel": ("", "channel.new(1)"),
    "channel, sent and received": ("local c=channel.new(10)", "c:send(1) c:receive()"),
    "coroutine": ("", "coroutine.spawn(function() end)"),
    "select": ("local c=channel.new(1)", "channel.select{c:case_receive(), default=true}"),
    "load 1K": ("local s=('local x=1 '):rep(100)", "load(s)"),
    "load 5K": ("local s=('f(x,1) '):rep(700)", "load(s)"),
    "load 100K": ("local s=('f(x,1) '):rep(14000)", "load(s)"),
    "load strings": ("local s='return {'..('\"a b c d\",'):rep(2000)..'}'", "load(s)"),
}


class Charges:
    """Processor seconds of 10 million instructions of budget, for each library function in a loop. It fails where they are not between 0.1 and 0.5.

    Operators are not among them: what `..`, `<` and `==` take in C for long text nobody can charge.
    """

    name: ClassVar[str] = "charges"
    quick: ClassVar[bool] = False

    async def measure(self, plan: Plan) -> list[Result]:
        async def once(name: str) -> float:
            return seconds(*LOOPS[name])

        values = await plan.interleaved(list(LOOPS), once, plan.rounds or 3, warm=False)
        result = Result("10 million instructions", "s", "plain loop", values, dict.fromkeys(LOOPS, HIGH), absolute=True)
        outside = [name for name in LOOPS if not LOW <= min(values[name]) <= HIGH]
        if outside:
            plan.fail(f"charges: not between {LOW} and {HIGH} s: {', '.join(outside)}")
        return [result]


def seconds(setup: str, body: str) -> float:
    """Of the fastest end that a loop comes to: by its budget, which is a part of what the seconds are for."""
    source = f"return function() {setup} while true do {body} end end"
    session = Session(program_from_source(source, modules=MODULES, instructions=SPENT), BOOT)
    session.limit_time(HIGH * 20)
    began = time.thread_time()
    try:
        error = session.step([protocol.start([])], protocol.Clock(1)).error
    finally:
        taken = time.thread_time() - began
        session.close()
    if error is None or error.kind != LIMIT_EXCEEDED:
        raise RuntimeError(f"a loop of {body!r} ended otherwise: {error}")
    return taken * FOR / SPENT


ROWS: Sequence[Row] = [Charges()]
