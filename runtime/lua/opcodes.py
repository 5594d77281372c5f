"""The instructions of Lua 5.4's virtual machine that we look for, by number (`lopcodes.h`)."""

from __future__ import annotations

MOVE, LOADK, LOADNIL, GETUPVAL, SETUPVAL, GETTABUP, GETFIELD = 0, 3, 8, 9, 10, 11, 14
SETTABUP, SETTABLE, SETFIELD, NEWTABLE, SELF = 15, 16, 18, 19, 20
POWK, POW, MMBIN, MMBINK, CONCAT, CLOSE, JMP, TEST, TESTSET = 26, 38, 46, 48, 53, 54, 56, 66, 67
CALL, TAILCALL, RETURN, RETURN1, FORLOOP, TFORLOOP, SETLIST, CLOSURE, VARARG = 68, 69, 70, 72, 73, 77, 78, 79, 80
VARARGPREP, EXTRAARG = 81, 82
#: Instructions whose A is no register that they set.
NO_TARGET = frozenset(
    {SETUPVAL, *range(SETTABUP, SETFIELD + 1), *range(MMBIN, MMBINK + 1), *range(CLOSE, TEST + 1)}
    | {*range(TAILCALL, RETURN1 + 1), SETLIST, VARARGPREP, EXTRAARG}
)
#: Behind which a register holds what no instruction before has put there: the variables of a loop.
LOOPS = frozenset({CLOSE, *range(FORLOOP, TFORLOOP + 1)})
