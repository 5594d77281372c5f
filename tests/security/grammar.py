"""Lua sources from a grammar: they compile, and do what nobody in his right mind would."""

from __future__ import annotations

from hypothesis import strategies as st

_NAMES = st.sampled_from(["a", "b", "c"])
_FUNCTIONS = """string.rep string.format string.find string.gsub string.match string.pack string.unpack string.byte string.sub
    table.concat table.insert table.remove table.unpack table.move table.sort table.pack math.random math.floor utf8.char
    utf8.len utf8.offset tostring tonumber type next pairs ipairs select rawget rawset rawlen rawequal setmetatable
    getmetatable pcall xpcall error assert load require print coroutine.create coroutine.resume coroutine.wrap
    coroutine.close coroutine.status coroutine.running coroutine.spawn coroutine.yield channel.new channel.select errors.new
    errors.wrap errors.is payload.new payload.bytes json.encode json.decode json.validate time.sleep time.after time.date
    time.parse time.parse_duration time.unix funcs.call funcs.async funcs.all funcs.any process.send process.listen
    process.inbox process.events process.spawn process.pid process.set_options workflow.version workflow.query workflow.wait
    workflow.attrs workflow.status workflow.detached ctx.get uuid.v4 uuid.parse crypto.random.bytes hash.md5 base64.decode
    yaml.decode expr.eval saga.new outcome.retry os.date os.time"""
_LIBRARY = st.sampled_from(_FUNCTIONS.split())
_CONSTANTS = st.one_of(
    st.integers(-(2**63) + 1, 2**63 - 1).map(str),
    st.integers(-3, 40).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        [
            "nil",
            "true",
            "false",
            "0/0",
            "1/0",
            "{}",
            "''",
            "'%s'",
            "'[a-z]*'",
            "'1s'",
            "'a:b'",
            "'\\xff\\0'",
            "'{\"a\":[1]}'",
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'\\"), max_size=12).map(
        lambda text: f"'{text}'"
    ),
)


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.lists(inner, max_size=4).map(", ".join)
    operators = st.sampled_from(
        ["+", "-", "*", "/", "//", "%", "^", "..", "==", "<", "<=", "and", "or", "&", "|", "<<"]
    )
    methods = st.sampled_from(["send", "receive", "close", "kind", "await", "call", "rep", "format", "add", "data"])
    events = st.sampled_from(
        ["index", "newindex", "call", "tostring", "len", "eq", "lt", "concat", "pairs", "close", "name"]
    )
    return st.one_of(
        st.tuples(_LIBRARY, some).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(inner, operators, inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(st.sampled_from(["not ", "-", "#", "~"]), inner).map(lambda p: f"({p[0]}{p[1]})"),
        some.map(lambda items: "{" + items + "}"),
        st.tuples(inner, inner).map(lambda p: f"({{[1] = {p[0]}, x = {p[1]}}})"),
        st.tuples(inner, methods, some).map(lambda p: f"({p[0]}):{p[1]}({p[2]})"),
        inner.map(lambda body: f"function(...) return {body} end"),
        st.tuples(events, inner).map(lambda p: f"setmetatable({{}}, {{__{p[0]} = {p[1]}}})"),
    )


expressions: st.SearchStrategy[str] = st.recursive(st.one_of(_NAMES, _CONSTANTS, _LIBRARY), _wider, max_leaves=8)

_statements = st.one_of(
    st.tuples(_NAMES, expressions).map(lambda p: f"{p[0]} = {p[1]}"),
    st.tuples(_NAMES, expressions).map(lambda p: f"local _, {p[0]} = pcall(function() return {p[1]} end)"),
    st.tuples(_NAMES, expressions).map(lambda p: f"pcall(function() {p[0]}[{p[1]}] = {p[1]} end)"),
    expressions.map(lambda e: f"for k, v in pairs(type({e}) == 'table' and {e} or {{}}) do a, b = k, v end"),
    expressions.map(lambda e: f"coroutine.spawn(function() pcall(function() return {e} end) end)"),
    expressions.map(lambda e: f"do local z <close> = setmetatable({{}}, {{__close = function() return {e} end}}) end"),
)

#: Whole files: a main of a few statements, most of them guarded, and a result.
scripts = st.tuples(st.lists(_statements, max_size=6), expressions).map(
    lambda p: "return function(...)\nlocal a, b, c\n" + "\n".join(p[0]) + f"\nreturn {p[1]}\nend\n"
)
