"""A jitted function as Python sees it, and the calls of it that native code does not take.

The object is callable at the cost of a builtin function. Native code looks at the arguments first
(`native.calling.entry`); what it does not know comes here: arguments of a new form, another path through the
function, tracers of a recording around the call.
"""

from __future__ import annotations

import copy
import functools
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wengert.core import tree
from wengert.core.leaves import is_input
from wengert.core.recorder import Tracer, require_array, type_of
from wengert.core.recording import own_all, settle
from wengert.errors import UnsupportedError, at_user_line
from wengert.native.calling import layout
from wengert.native.calling.vectorcall import answer_by, place_of_slot, with_room
from wengert.native.options import PLAIN, Options

if TYPE_CHECKING:
    from wengert.native.explain import Explanation

Function = Callable[..., Any]


class Compiled:
    """A function that runs as native code. Made by `wengert.jit`.

    Its methods take the function's arguments and tell about the code for them.
    """

    # Native code finds its `Door` in a slot. Calls come to `__call__` until there is one.
    __slots__ = ("__dict__", "__weakref__", "_door")
    __wrapped__: Function

    def __init__(self, f: Function, options: Options) -> None:
        functools.update_wrapper(self, f, ("__module__", "__name__", "__qualname__", "__doc__"))
        self._calls = Calls(f, options, weakref.ref(self))
        self._door: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._calls(*args, **kwargs)

    def admit(self, given: Arguments, paths: Any) -> None:
        """Let native code take calls like this one from now on."""
        from wengert.native.calling.door import Door

        if self._door is None:
            # Of several threads that come at once one makes it for all: calls may be in there already.
            self._door = vars(self).setdefault("_made", Door(self._calls, _PLACE))
            answer_by(self, self._door.runtime.enter)
        self._door.admit(given, paths)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"jit({getattr(self, '__qualname__', repr(self.__wrapped__))})"

    def __reduce__(self) -> Any:
        name = getattr(self, "__qualname__", "")
        made = compiled, (self.__wrapped__, self._calls.options)
        return name if _named(getattr(self, "__module__", ""), name) is self else made

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        f = copy.deepcopy(self.__wrapped__, memo)
        return self if f is self.__wrapped__ else compiled(f, self._calls.options)

    def memory(self, *args: Any, **kwargs: Any) -> int:
        """Bytes of the memory that a call needs for values in between."""
        return max((n.memory for n in self._calls.path(args, kwargs).run.natives()), default=0)

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """The kernels that a call with these arguments runs, as a table that can be printed."""
        from wengert.native.explain import Explanation, explained

        path = self._calls.path(args, kwargs)
        natives = path.run.natives()
        return Explanation(
            [row for native in natives for row in explained(native.plan)],
            threads=max((native.threads for native in natives), default=1),
            arena=self.memory(*args, **kwargs),
            guards=path.conditions,
            interpreted=path.run.interpreted(),
        )

    def llvm_ir(self, *args: Any, **kwargs: Any) -> str:
        """The code for these arguments in LLVM's language."""
        return "\n\n".join(n.ir for n in self._calls.path(args, kwargs).run.natives())

    def assembly(self, *args: Any, **kwargs: Any) -> str:
        """The code for these arguments in the processor's language."""
        from wengert.native.machine.host import assembly

        return "\n\n".join(assembly(n.ir) for n in self._calls.path(args, kwargs).run.natives())


def _named(module: str, name: str) -> Any:
    """What stands under a qualified name in a module, if anything."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


_CLASS = with_room(Compiled)
_PLACE = place_of_slot(_CLASS, "_door") if _CLASS is not Compiled else 0


def compiled(f: Function, options: Options = PLAIN) -> Compiled:
    """A function as one that runs as native code."""
    return _CLASS(f, options)  # type: ignore[no-any-return]


class Calls:
    """The Python form of a jitted function: records new paths."""

    def __init__(self, f: Function, options: Options, owner: Callable[[], Compiled | None]) -> None:
        self.f, self.options, self.owner = f, options, owner
        self.known: dict[Any, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        given = Arguments(args, kwargs)
        if given.traced:
            return self.f(*args, **kwargs)
        again = bool(self.known)
        paths = self.paths(given)
        results, shape = paths(given.values, given.call)
        if again:
            self._admit(given, paths)
        return tree.unflatten(shape, own_all(results, given.values[self.given(given) :]))

    def _admit(self, given: Arguments, paths: Any) -> None:
        """Let native code take calls like this one.

        Not from the first call on: what is called once would load the code that takes calls for nothing.
        """
        owner = self.owner()
        if owner is not None and paths.paths and layout.is_known():
            owner.admit(given, paths)

    def paths(self, given: Arguments) -> Any:
        """The paths for arguments of this signature."""
        from wengert.native.paths import Paths

        key = given.signature()
        try:
            known = key in self.known
        except TypeError:
            given.require_hashable()
            raise
        if not known:
            self.known.setdefault(key, Paths(self.f, self.options, self.given(given)))
        return self.known[key]

    def given(self, given: Arguments) -> int:
        """How many of the numbers, from the first on, are given away."""
        return given.count_in(self.options.given)

    def path(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The compiled path that a call with these arguments takes."""
        given = Arguments(args, kwargs)
        if given.traced:
            raise UnsupportedError(at_user_line("tracers have no native code. Give numbers and arrays."))
        self(*args, **kwargs)
        paths = self.paths(given)
        found = None if paths.interpreted else paths.follow(given.values)
        if found is None:
            why = paths.interpreted or "it uses a tracer of a recording around it"
            raise UnsupportedError(at_user_line(f"there is no native code of this function: {why}."))
        return found[0]


class Arguments:
    """The arguments of a call: their leaves, which of those are numbers, and their structure."""

    def __init__(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        leaves, self.structure = tree.flatten((tuple(args), kwargs))
        self.leaves = [settle(leaf) for leaf in leaves]
        self.traced = any(isinstance(leaf, Tracer) for leaf in self.leaves)
        self.numbers = [] if self.traced else [i for i, leaf in enumerate(self.leaves) if is_input(leaf)]
        self.values = [self.leaves[i] for i in self.numbers]
        for value in self.values:
            _require_representable(value)

    def count_in(self, count: int) -> int:
        """How many numbers there are in so many arguments, from the first on."""
        leaves = len(tree.flatten(self.args[:count])[0]) if count else 0
        return sum(i < leaves for i in self.numbers)

    def signature(self) -> Any:
        """What a trace is made for: equal for calls that may share one."""
        numbers = set(self.numbers)
        return (self.structure, *(type_of(v) if i in numbers else v for i, v in enumerate(self.leaves)))

    def require_hashable(self) -> None:
        """Refuse what is no number and cannot be told apart from others by its hash."""
        for leaf in self.leaves:
            if not is_input(leaf) and type(leaf).__hash__ is None:
                what = f"a {type(leaf).__name__}, which is no number or array and has no hash"
                raise TypeError(
                    at_user_line(f"jit was given {what}. Give its numbers, for example np.asarray(x).")
                )

    @property
    def call(self) -> Callable[[Function, Sequence[Any]], Any]:
        """How a function is called with other values in the numbers' places."""
        leaves, numbers, structure = self.leaves, self.numbers, self.structure

        def call(f: Function, values: Sequence[Any]) -> Any:
            filled = list(leaves)
            for i, value in zip(numbers, values, strict=True):
                filled[i] = value
            args, kwargs = tree.unflatten(structure, filled)
            return f(*args, **kwargs)

        return call


def _require_representable(value: Any) -> None:
    """Refuse numbers and arrays that native code would take for others."""
    require_array(value)
    if type(value) is int and not -(2**63) <= value < 2**63:
        what = f"jit takes Python's integers as numbers of 64 bits, and was given {value}"
        raise OverflowError(at_user_line(f"{what}. Give float(n) or np.uint64(n)."))
