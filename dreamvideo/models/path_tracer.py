"""Names of the operations of a network: where each stands in the modules, as torchvision's feature extraction has them.

Importing torchvision takes seconds; most networks need no more of it than these names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any, cast

from torch import fx, nn


class PathTracer(fx.Tracer):
    """Traces a network with torch.fx and gives each node the path of its module and operation.

    The path of a module that is called as a whole is its own, that of another operation ends with the operation's name.
    What comes again at a path gets `_1`, `_2` and so on.

    Args:
        autowrap_modules: whose functions are recorded as a whole.
        leaf_modules: kinds of modules that are recorded as a whole, besides those of torch.
    """

    def __init__(self, autowrap_modules: tuple[ModuleType, ...], leaf_modules: Collection[type[nn.Module]]) -> None:
        super().__init__(autowrap_modules=cast("Any", autowrap_modules))  # some versions say a tuple of one
        self.paths: dict[fx.Node, str] = {}
        self._leaf_modules = tuple(leaf_modules)
        self._module = ""  # whose `forward` is being traced
        self._counts: Counter[str] = Counter()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is recorded as a whole."""
        return isinstance(m, self._leaf_modules) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Trace into a module, or record it as a whole."""
        outer, self._module = self._module, self.path_of_module(m)
        try:
            if self.is_leaf_module(m, self._module):
                return self.create_proxy("call_module", self._module, args, kwargs)
            return forward(*args, **kwargs)
        finally:
            self._module = outer

    def create_proxy(self, kind: str, *args: Any, **kwargs: Any) -> fx.Proxy:
        """Record an operation and its path."""
        proxy = super().create_proxy(kind, *args, **kwargs)
        path = self._module
        if kind != "call_module":
            path = f"{path}.{proxy.node}" if path else str(proxy.node)
        path = re.sub(r"_[0-9]+$", "", path)  # torch.fx counts in the whole network
        count, self._counts[path] = self._counts[path], self._counts[path] + 1
        self.paths[proxy.node] = f"{path}_{count}" if count else path
        return proxy
