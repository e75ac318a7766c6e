"""Byte scanner for memory traces: numba kernels that turn the bytes of a text trace into arrays.

A kernel never raises: it returns how many requests it read, and where and why it stopped.
The accepted grammar of each format is stated once, in `parse_line` and the functions under it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.jit import jit

Bytes = NDArray[np.uint8]
Integer = np.int64
Integers = NDArray[np.int64]
Request = tuple[int, Integer, Integer, bool]
"""Reason, time, address, is write."""

# Formats.
STL = 0
RSTL = 1
LOAD_STORE = 2
READ_WRITE_VECTOR = 3
DRAMSIM3 = 4

# Why a line was refused.
OK = 0
BAD_TIME = 1
NEGATIVE_TIME = 2
TIME_TOO_LARGE = 3
NO_COLON = 4
BAD_COMMAND = 5
BAD_ADDRESS = 6
ADDRESS_TOO_LARGE = 7
BAD_LENGTH = 8
BAD_DATA = 9
EXTRA_TEXT = 10
BAD_VECTOR = 11
VECTOR_TOO_LARGE = 12

# Status of one scanned number.
_NUMBER = 0
_MISSING = 1
_OVERFLOW = 2

_LARGEST = np.int64(2**63 - 1)
_LARGEST_TENTH = np.int64((2**63 - 1) // 10)

_NEWLINE, _TAB, _RETURN, _SPACE, _HASH = 10, 9, 13, 32, 35
_OPEN, _CLOSE, _COMMA, _MINUS, _ZERO, _NINE, _COLON = 40, 41, 44, 45, 48, 57, 58

_READ = np.frombuffer(b"read", np.uint8)
_WRITE = np.frombuffer(b"write", np.uint8)
_LD = np.frombuffer(b"LD", np.uint8)
_ST = np.frombuffer(b"ST", np.uint8)
_R = np.frombuffer(b"R", np.uint8)
_W = np.frombuffer(b"W", np.uint8)
_READ_UPPER = np.frombuffer(b"READ", np.uint8)
_WRITE_UPPER = np.frombuffer(b"WRITE", np.uint8)


@jit
def count_lines(data: Bytes) -> int:
    """Number of lines, a last one without newline included."""
    lines = 0
    for i in range(data.size):
        if data[i] == _NEWLINE:
            lines += 1
    if data.size > 0 and data[data.size - 1] != _NEWLINE:
        lines += 1
    return lines


@jit
def _is_blank(byte: int) -> bool:
    return byte in (_SPACE, _TAB, _RETURN)


@jit
def _skip_blanks(data: Bytes, at: int, end: int) -> int:
    while at < end and _is_blank(data[at]):
        at += 1
    return at


@jit
def _ends_token(data: Bytes, at: int, end: int) -> bool:
    return at >= end or _is_blank(data[at])


@jit
def _match(data: Bytes, at: int, end: int, word: Bytes) -> int:
    """Position after ``word`` if the token at ``at`` is exactly that word, else -1."""
    if at + word.size > end:
        return -1
    for i in range(word.size):
        if data[at + i] != word[i]:
            return -1
    after = at + word.size
    return after if _ends_token(data, after, end) else -1


@jit
def _decimal(data: Bytes, at: int, end: int) -> tuple[int, Integer, int]:
    """(status, value, position after) of the decimal digits at ``at``."""
    value = np.int64(0)
    start = at
    while at < end and _ZERO <= data[at] <= _NINE:
        digit = np.int64(data[at]) - _ZERO
        if value >= _LARGEST_TENTH and (value > _LARGEST_TENTH or digit > 7):  # 2^63 - 1 ends in 7
            return _OVERFLOW, value, at
        value = value * 10 + digit
        at += 1
    return (_NUMBER if at > start else _MISSING), value, at


@jit
def _hex_digit(byte: int) -> Integer:
    if 48 <= byte <= 57:
        return np.int64(byte) - 48
    if 97 <= byte <= 102:
        return np.int64(byte) - 87
    if 65 <= byte <= 70:
        return np.int64(byte) - 55
    return np.int64(-1)


@jit
def _has_0x(data: Bytes, at: int, end: int) -> bool:
    return at + 1 < end and data[at] == _ZERO and (data[at + 1] == 120 or data[at + 1] == 88)


@jit
def _hexadecimal(data: Bytes, at: int, end: int) -> tuple[int, Integer, int]:
    """(status, value, position after) of ``0x`` and the hexadecimal digits after it."""
    value = np.int64(0)
    if not _has_0x(data, at, end):
        return _MISSING, value, at
    at += 2
    start = at
    while at < end:
        digit = _hex_digit(data[at])
        if digit < 0:
            break
        if value > (_LARGEST >> 4):
            return _OVERFLOW, value, at
        value = (value << 4) | digit
        at += 1
    return (_NUMBER if at > start else _MISSING), value, at


@jit
def _address(data: Bytes, at: int, end: int, decimal_allowed: bool) -> tuple[int, Integer, int]:
    """(reason, address, position after) of an address token."""
    if decimal_allowed and not _has_0x(data, at, end):
        status, value, at = _decimal(data, at, end)
    else:
        status, value, at = _hexadecimal(data, at, end)
    if status == _OVERFLOW:
        return ADDRESS_TOO_LARGE, value, at
    if status == _MISSING or not _ends_token(data, at, end):
        return BAD_ADDRESS, value, at
    return OK, value, at


@jit
def _time(data: Bytes, at: int, end: int) -> tuple[int, Integer, int]:
    """(reason, cycles, position after) of a time stamp; what follows it is the caller's concern."""
    if at < end and data[at] == _MINUS:
        return NEGATIVE_TIME, np.int64(0), at
    status, value, at = _decimal(data, at, end)
    if status == _OVERFLOW:
        return TIME_TOO_LARGE, value, at
    if status == _MISSING:
        return BAD_TIME, value, at
    return OK, value, at


@jit
def _word(data: Bytes, at: int, end: int, read: Bytes, write: Bytes) -> tuple[int, bool, int]:
    """(reason, is write, position after) of a command word."""
    after = _match(data, at, end, read)
    if after >= 0:
        return OK, False, after
    after = _match(data, at, end, write)
    if after >= 0:
        return OK, True, after
    return BAD_COMMAND, False, at


@jit
def _skip_length(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """(reason, position after) of the optional ``(bytes)`` token of newer DRAMSys versions."""
    if at >= end or data[at] != _OPEN:
        return OK, at
    status, _, at = _decimal(data, at + 1, end)
    if status != _NUMBER or at >= end or data[at] != _CLOSE or not _ends_token(data, at + 1, end):
        return BAD_LENGTH, at
    return OK, at + 1


@jit
def _skip_data(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """(reason, position after) of the optional ``0x…`` data word (any length)."""
    at = _skip_blanks(data, at, end)
    if at >= end or data[at] == _HASH:
        return OK, at
    if not _has_0x(data, at, end):
        return EXTRA_TEXT, at
    at += 2
    start = at
    while at < end and _hex_digit(data[at]) >= 0:
        at += 1
    return (OK if at > start and _ends_token(data, at, end) else BAD_DATA), at


@jit
def _finish(data: Bytes, at: int, end: int) -> int:
    """OK if nothing but blanks or a comment is left on the line."""
    at = _skip_blanks(data, at, end)
    return OK if at >= end or data[at] == _HASH else EXTRA_TEXT


@jit
def _stl_line(data: Bytes, at: int, end: int) -> Request:
    """``<cycle>: [(<bytes>)] read|write 0x<address> [0x<data>]``"""
    nothing = np.int64(0)
    reason, time, at = _time(data, at, end)
    if reason != OK:
        return reason, nothing, nothing, False
    if at >= end or data[at] != _COLON or not _ends_token(data, at + 1, end):
        digits_only = _ends_token(data, at, end) or data[at] == _COLON
        return (NO_COLON if digits_only else BAD_TIME), nothing, nothing, False
    reason, at = _skip_length(data, _skip_blanks(data, at + 1, end), end)
    if reason != OK:
        return reason, nothing, nothing, False
    reason, is_write, at = _word(data, _skip_blanks(data, at, end), end, _READ, _WRITE)
    if reason != OK:
        return reason, nothing, nothing, False
    reason, address, at = _address(data, _skip_blanks(data, at, end), end, False)
    if reason != OK:
        return reason, nothing, nothing, False
    reason, at = _skip_data(data, at, end)
    if reason == OK:
        reason = _finish(data, at, end)
    return reason, time, address, is_write


@jit
def _load_store_line(data: Bytes, at: int, end: int) -> Request:
    """``LD|ST <0x… or decimal address>``"""
    nothing = np.int64(0)
    reason, is_write, at = _word(data, at, end, _LD, _ST)
    if reason != OK:
        return reason, nothing, nothing, False
    reason, address, at = _address(data, _skip_blanks(data, at, end), end, True)
    if reason == OK:
        reason = _finish(data, at, end)
    return reason, nothing, address, is_write


@jit
def _dramsim3_line(data: Bytes, at: int, end: int) -> Request:
    """``0x<address> READ|WRITE <cycle>``"""
    nothing = np.int64(0)
    reason, address, at = _address(data, at, end, False)
    if reason != OK:
        return reason, nothing, nothing, False
    at = _skip_blanks(data, at, end)
    reason, is_write, after = _word(data, at, end, _READ_UPPER, _WRITE_UPPER)
    if reason != OK:
        reason, is_write, after = _word(data, at, end, _READ, _WRITE)
    if reason != OK:
        return reason, nothing, nothing, False
    reason, time, at = _time(data, _skip_blanks(data, after, end), end)
    if reason != OK:
        return reason, nothing, nothing, False
    if not _ends_token(data, at, end):
        return BAD_TIME, nothing, nothing, False
    return _finish(data, at, end), time, address, is_write


@jit
def _vector_line(data: Bytes, at: int, end: int, bits: Integers, widths: Integers) -> Request:
    """``R|W <level>,<level>,…``, each level's number laid onto that level's address bits (lowest first)."""
    nothing = np.int64(0)
    reason, is_write, at = _word(data, at, end, _R, _W)
    if reason != OK:
        return reason, nothing, nothing, False
    at = _skip_blanks(data, at, end)
    address = np.int64(0)
    for level in range(widths.size):
        if level > 0:
            if at >= end or data[at] != _COMMA:
                return BAD_VECTOR, nothing, nothing, False
            at += 1
        status, value, at = _decimal(data, at, end)
        if status == _MISSING:
            return BAD_VECTOR, nothing, nothing, False
        if status == _OVERFLOW or value >> widths[level] != 0:
            return VECTOR_TOO_LARGE, nothing, nothing, False
        for bit in range(widths[level]):
            address |= ((value >> bit) & 1) << bits[level, bit]
    if not _ends_token(data, at, end):
        return BAD_VECTOR, nothing, nothing, False
    return _finish(data, at, end), nothing, address, is_write


@jit
def parse_line(data: Bytes, at: int, end: int, form: int, bits: Integers, widths: Integers) -> Request:
    """(reason, time, address, is write) of the non-blank line whose text starts at ``at``."""
    if form in (STL, RSTL):
        return _stl_line(data, at, end)
    if form == LOAD_STORE:
        return _load_store_line(data, at, end)
    if form == DRAMSIM3:
        return _dramsim3_line(data, at, end)
    return _vector_line(data, at, end, bits, widths)


@jit
def scan(
    data: Bytes,
    form: int,
    bits: Integers,
    widths: Integers,
    time: Integers,
    address: Integers,
    is_write: NDArray[np.bool_],
) -> tuple[int, int, int, int, int, int]:
    """Read every request of ``data`` (uint8) into the arrays, which hold at least one entry a line.

    Formats without time stamps offer one request a cycle: the time is the request's number.

    Returns:
        requests, reason, line number and first byte of the refused line (reason ``OK``: all lines were read),
        line number and first byte of the first request whose absolute time is below its predecessor's (0: none).
    """
    at, line, requests = 0, 0, 0
    drop_line, drop_start = 0, 0
    timed = form in (STL, RSTL, DRAMSIM3)
    while at < data.size:
        line += 1
        start = at
        end = start
        while end < data.size and data[end] != _NEWLINE:
            end += 1
        at = _skip_blanks(data, start, end)
        if at < end and data[at] != _HASH:
            reason, when, where, writes = parse_line(data, at, end, form, bits, widths)
            if reason != OK:
                return requests, reason, line, start, drop_line, drop_start
            if not timed:
                when = np.int64(requests)
            if form != RSTL and requests > 0 and when < time[requests - 1] and drop_line == 0:
                drop_line, drop_start = line, start
            time[requests] = when
            address[requests] = where
            is_write[requests] = writes
            requests += 1
        at = end + 1
    return requests, OK, 0, 0, drop_line, drop_start
