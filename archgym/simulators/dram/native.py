"""Compilation of the controller's inner functions.

They get the state as a bare pointer to its first word: no reference counts, no negative indices, and a call passes one
machine word for a vector. Vectors that do not change during a run are `constant`: the compiler may keep what it has read
of them, which it must not of a vector that any store might change.
Only the entry functions in `model` take arrays; they are compiled by `archgym.simulators.jit`.
With ``ARCHGYM_JIT=0`` everything is plain Python on the arrays themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archgym.simulators.jit import ENABLED, apart, inner

__all__ = ["apart", "constant", "inner", "pointer"]


def _make_pointers() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    if not ENABLED:
        return (lambda vector: vector), (lambda vector: vector)
    import operator

    from numba import types
    from numba.core.datamodel import models, register_default
    from numba.extending import intrinsic, lower_builtin

    class Constant(types.CPointer):
        """A pointer to words that nobody changes while compiled code runs."""

        def __init__(self, dtype: Any) -> None:
            super().__init__(dtype)
            self.name = f"constant_{self.name}"

    register_default(Constant)(models.PointerModel)

    @lower_builtin(operator.getitem, Constant, types.Integer)
    def read(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        word = builder.load(builder.gep(arguments[0], [arguments[1]]))
        word.set_metadata("invariant.load", builder.module.add_metadata([]))
        return word

    def taking(kind: Any) -> Any:
        @intrinsic
        def pointer(typing_context, vector):  # type: ignore[no-untyped-def]
            signature = kind(vector.dtype)(vector)

            def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
                array = context.make_array(signature.args[0])(context, builder, arguments[0])
                pointed = context.get_data_type(signature.return_type)
                return builder.bitcast(array.data, pointed)

            return signature, code

        return pointer

    return taking(types.CPointer), taking(Constant)


pointer, constant = _make_pointers()
"""In compiled code: the address of a vector's first element, indexable like the vector."""
