# mypy: disallow-untyped-calls=False
"""Quicker compilation of functions that only compiled functions call.

Numba turns every function it compiles into machine code of its own, optimised together with all that it calls. In a deep
tree of calls the same code is so optimised once for each of its callers, and all of it but the entry functions' is thrown
away. With `linked_pipelines` a function stops at intermediate code; the entry function at the top links and optimises it once.

Most of what is left is Numba's own work in Python. Passes that change nothing in such functions are left out, and what
an operator gives for two types is looked up once, not at each of its thousands of uses.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

APART: set[str] = set()
"""Parts of the names of functions that stay functions of their own, so that what is rare takes no registers."""

NEEDLESS = (
    "WithLifting", "InlineClosureLikes", "RewriteSemanticConstants", "DeadBranchPrune", "GenericRewrites", "RewriteDynamicRaises",
    "MakeFunctionToJitFunction", "InlineInlinables", "FindLiterallyCalls", "LiteralUnroll",
    "LiteralPropagationSubPipelinePass", "InlineOverloads", "NopythonRewrites", "IRLegalization", "AnnotateTypes",
    "DumpParforDiagnostics",
)  # fmt: skip
"""Numba's passes for closures, exceptions, literals, array expressions, lifetimes: functions that raise nothing need none."""
OPERATORS = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "and_", "or_", "xor", "lshift", "rshift", "invert",
    "iadd", "isub", "imul", "iand", "ior", "ilshift", "irshift", "eq", "ne", "lt", "le", "gt", "ge", "not_", "getitem", "setitem",
)  # fmt: skip


class Uncoloured:
    """What Numba writes its error texts with, without colours: it builds thousands of texts that nobody sees."""

    def __getattr__(self, style: str) -> Callable[[str], str]:
        return str


@contextlib.contextmanager
def quicker_typing(context: Any) -> Iterator[None]:
    """Let operators remember what they give for numbers, and for pointers and arrays indexed by them, while compiling.

    Numba tries all implementations of an operator at each use, arrays' first, and builds an error text for each that fails.
    """
    import numba
    from numba import types

    errors: Any = numba.core.errors  # stubs do not know what is private
    plain = (types.Number, types.Boolean, types.CPointer, types.Array, types.UniTuple)
    functions = [context.resolve_value_type(getattr(operator, name)) for name in OPERATORS]
    functions += [context.resolve_value_type(function) for function in (builtins.min, builtins.max)]
    functions = [function for function in functions if "get_call_type" not in vars(function)]

    def remembering(resolve: Callable[..., Any]) -> Callable[..., Any]:
        known: dict[Any, Any] = {}

        def get_call_type(asking: Any, arguments: Any, keywords: Any) -> Any:
            key = tuple(types.unliteral(each) for each in arguments)
            if asking is not context or keywords or not all(isinstance(each, plain) for each in key):
                return resolve(asking, arguments, keywords)
            if key not in known:
                known[key] = resolve(asking, key, keywords)
            return known[key]

        return get_call_type

    for function in functions:
        function.get_call_type = remembering(function.get_call_type)
    colours = errors._termcolor_inst
    errors._termcolor_inst = Uncoloured()
    try:
        yield
    finally:
        errors._termcolor_inst = colours
        for function in functions:
            del function.get_call_type


@functools.cache
def linked_pipelines() -> tuple[type[Any], type[Any], type[Any]] | None:
    """Numba compilers for such functions, for entry functions above them, and for such functions that raise nothing.

    None where numba's parts are not as this needs them.
    """
    try:
        from numba.core import errors
        from numba.core.codegen import JITCodeLibrary
        from numba.core.compiler import CompilerBase, DefaultPassBuilder
        from numba.core.compiler_lock import global_compiler_lock
        from numba.core.compiler_machinery import register_pass
        from numba.core.typed_passes import NativeLowering
    except ImportError:
        return None
    steps = (
        "_optimize_functions",
        "_optimize_final_module",
        "_finalize_dynamic_globals",
        "finalize",
        "get_pointer_to_function",
    )
    if not all(hasattr(JITCodeLibrary, step) for step in steps) or not hasattr(errors, "_termcolor_inst"):
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
        """Intermediate code of a function, and the libraries of what it calls."""

        @property
        def codegen(self) -> Any:
            return WithoutEnvironment(self._codegen)

        def _optimize_functions(self, module: Any) -> None:
            module.data_layout = self._codegen._data_layout

        def finalize(self) -> None:
            self._raise_if_finalized()
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            self._ensure_finalized()
            return 0  # what numba calls a function without code of its own

    class WholeLibrary(JITCodeLibrary):
        """Machine code of an entry function, with all that it calls as its own: nobody else links to that."""

        def finalize(self) -> None:
            for library in self._linking_libraries:  # grows while it is read
                if isinstance(library, LinkedLibrary):
                    self._linking_libraries += [
                        called for called in library._linking_libraries if called not in self._linking_libraries
                    ]
            super().finalize()

        def _optimize_final_module(self) -> None:
            for function in self._final_module.functions:
                if not function.is_declaration and function.linkage.name == "linkonce_odr":
                    function.linkage = "internal"
                    if any(mark in function.name for mark in APART):
                        function.add_function_attribute("noinline")
            super()._optimize_final_module()

    def compiler(library: type[Any], name: str, needless: tuple[str, ...] = ()) -> type[Any]:
        @register_pass(mutates_CFG=True, analysis_only=False)
        class Lowering(NativeLowering):
            _name = name

            def run_pass(self, state: Any) -> bool:
                if state.library is None:
                    state.library = library(state.targetctx.codegen(), state.func_id.func_qualname)
                    state.library.enable_object_caching()
                return bool(super().run_pass(state))

        built: list[Any] = []

        class Compiler(CompilerBase):
            def define_pipelines(self) -> list[Any]:
                if built:  # the passes keep nothing of a function
                    return built
                passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
                passes.passes = [
                    (Lowering if step is NativeLowering else step, text)
                    for step, text in passes.passes
                    if step.__name__ not in needless
                ]
                passes.finalize()
                built.append(passes)
                return built

            def compile_extra(self, func: Any) -> Any:
                with global_compiler_lock, quicker_typing(self.state.typingctx):
                    return super().compile_extra(func)

        return Compiler

    return (
        compiler(LinkedLibrary, "archgym_linked_lowering"),
        compiler(WholeLibrary, "archgym_whole_lowering"),
        compiler(LinkedLibrary, "archgym_plain_lowering", NEEDLESS),
    )
