# mypy: disallow-untyped-calls=False
"""Quicker compilation of functions that only compiled functions call.

Numba turns every function it compiles into machine code of its own, optimised together with all that it calls. In a deep
tree of calls the same code is so optimised once for each of its callers, and all of it but the entry functions' is thrown
away. With `linked_pipelines` a function stops at intermediate code; the entry function at the top links and optimises it once.
"""

from __future__ import annotations

import functools
from typing import Any

APART: set[str] = set()
"""Parts of the names of functions that stay functions of their own, so that what is rare takes no registers."""


@functools.cache
def linked_pipelines() -> tuple[type[Any], type[Any]] | None:
    """Numba compilers for such functions and for the entry functions above them, or None where numba's parts are not as this needs them."""
    try:
        from numba.core.codegen import JITCodeLibrary
        from numba.core.compiler import CompilerBase, DefaultPassBuilder
        from numba.core.compiler_machinery import register_pass
        from numba.core.typed_passes import NativeLowering
    except ImportError:
        return None
    steps = ("_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals", "get_pointer_to_function")
    if not all(hasattr(JITCodeLibrary, step) for step in steps):
        return None

    class WithoutEnvironment:
        """The code generator without a place for a function's Python globals, which intermediate code does not have."""

        def __init__(self, codegen: Any) -> None:
            self._codegen = codegen

        def __getattr__(self, name: str) -> Any:
            return getattr(self._codegen, name)

        def set_env(self, name: str, environment: object) -> None:
            pass

    class LinkedLibrary(JITCodeLibrary):
        """Intermediate code of a function and of all that it calls."""

        @property
        def codegen(self) -> Any:
            return WithoutEnvironment(self._codegen)

        def _optimize_final_module(self) -> None:
            pass

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            self._ensure_finalized()
            return 0  # what numba calls a function without code of its own

    class WholeLibrary(JITCodeLibrary):
        """Machine code of an entry function, with all that it calls as its own: nobody else links to that."""

        def _optimize_final_module(self) -> None:
            for function in self._final_module.functions:
                if not function.is_declaration and function.linkage.name == "linkonce_odr":
                    function.linkage = "internal"
                    if any(mark in function.name for mark in APART):
                        function.add_function_attribute("noinline")
            super()._optimize_final_module()

    def compiler(library: type[Any], name: str) -> type[Any]:
        @register_pass(mutates_CFG=True, analysis_only=False)
        class Lowering(NativeLowering):
            _name = name

            def run_pass(self, state: Any) -> bool:
                if state.library is None:
                    state.library = library(state.targetctx.codegen(), state.func_id.func_qualname)
                    state.library.enable_object_caching()
                return bool(super().run_pass(state))

        class Compiler(CompilerBase):
            def define_pipelines(self) -> list[Any]:
                passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
                passes.passes = [(Lowering if step is NativeLowering else step, text) for step, text in passes.passes]
                passes.finalize()
                return [passes]

        return Compiler

    return compiler(LinkedLibrary, "archgym_linked_lowering"), compiler(WholeLibrary, "archgym_whole_lowering")
