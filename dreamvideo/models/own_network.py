"""A user's own network: `package.module:name`, a factory or a `torch.nn.Module`, copied before anything is changed."""

from __future__ import annotations

import copy
from typing import Any, Final

import torch
from torch import Tensor, nn

from dreamvideo.errors import DreamVideoError, ModelError, did_you_mean, first_line
from dreamvideo.process import importing_networks

# (wrapper, its attribute that holds the network)
_WRAPPERS: Final = (
    (nn.DataParallel, "module"),
    (nn.parallel.DistributedDataParallel, "module"),
    (torch.optim.swa_utils.AveragedModel, "module"),
)


def load_own_network(spec: str) -> nn.Module:
    """Return a user's network as it is dreamed with: a copy in float32 on the CPU, frozen, in evaluation mode.

    Args:
        spec: as for `call_factory`.

    Raises:
        ModelError: there is no such network, or it cannot be copied.
    """
    network = call_factory(spec)
    if isinstance(network, torch.jit.ScriptModule):
        raise ModelError(
            f"--model {spec}: got a torch.jit.ScriptModule, whose layers cannot be reached; expected the "
            "torch.nn.Module that it was made of"
        )
    try:
        own = copy_network(network)
        return own.float().cpu().eval().requires_grad_(False)
    except Exception as error:  # of any kind, from a user's code
        raise ModelError(
            f"--model {spec}: expected a network that copy.deepcopy can copy and that can be moved to the CPU, got "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error


def copy_network(network: nn.Module) -> nn.Module:
    """Return a deep copy, without wrappers; results that modules keep, as weight_norm does, are detached."""
    network = unwrap(network)
    memo: dict[int, Any] = {}
    for module in network.modules():
        for value in (*vars(module).values(), *module._buffers.values()):
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    own = copy.deepcopy(network, memo)
    for module in list(own.modules()):
        for name, child in module.named_children():
            if (inner := unwrap(child)) is not child:
                setattr(module, name, inner)
    return own


def unwrap(network: nn.Module) -> nn.Module:
    """Return the network inside the wrappers of torch.compile, DataParallel and the like."""
    inner = getattr(network, "_orig_mod", None)  # of torch.compile; its class is private
    for kind, attribute in _WRAPPERS:
        if isinstance(network, kind):
            inner = getattr(network, attribute)
    return unwrap(inner) if isinstance(inner, nn.Module) else network


def call_factory(spec: str) -> nn.Module:
    """Call a user's factory.

    Args:
        spec: `package.module:function`, or `package.module:network` for an instance. It is imported as usual; if it
            was named on the command line, from the current folder too, see `process.importing_networks`.

    Raises:
        ModelError: there is no such factory, it raises, or it returns something else than a `torch.nn.Module`.
    """
    path, _, function = spec.partition(":")
    if not path or not function:
        raise ModelError(f"--model {spec}: expected package.module:factory, such as mine:network")
    try:
        with importing_networks() as import_module:
            target: Any = import_module(path)
            for part in function.split("."):
                if not hasattr(target, part):
                    raise ModelError(f"--model {spec}: there is no {part!r} in {path}{did_you_mean(part, dir(target))}")
                target = getattr(target, part)
            network = target if isinstance(target, nn.Module) else target()
    except DreamVideoError:
        raise
    except ModuleNotFoundError as error:
        raise ModelError(
            f"--model {spec}: there is no Python module {error.name!r}; expected one that is installed, or a file here"
        ) from error
    except Exception as error:  # of any kind, from a user's code
        raise ModelError(f"--model {spec}: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"--model {spec}: expected a function that returns a torch.nn.Module, got {type(network).__name__}"
        )
    return network
