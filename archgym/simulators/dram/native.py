"""Compilation of the controller's inner functions.

They get the state as a bare pointer to its first word: no reference counts, no negative indices, and a call passes one
machine word for a vector. Only the entry functions in `model` take arrays; they are compiled by `archgym.simulators.jit`.
With ``ARCHGYM_JIT=0`` everything is plain Python on the arrays themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archgym.simulators.jit import ENABLED, inner

__all__ = ["inner", "pointer"]


def _make_pointer() -> Callable[[Any], Any]:
    if not ENABLED:
        return lambda vector: vector
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    @intrinsic
    def pointer(typing_context, vector):  # type: ignore[no-untyped-def]
        signature = types.CPointer(vector.dtype)(vector)

        def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            pointed = context.get_data_type(signature.return_type)
            return builder.bitcast(array.data, pointed)

        return signature, code

    del cgutils
    return pointer


pointer = _make_pointer()
"""In compiled code: the address of a vector's first element, indexable like the vector."""
