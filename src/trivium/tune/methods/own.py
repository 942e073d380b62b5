"""Adapters of Trivium's own: modules beside the base, joined to it by hooks, and values of the base's own parameters.

The base keeps its class and its parameters' names. What is added lies under `trivium_adapters.<name>`, so several
adapters stand on one base, and a switch turns hooks on and off and copies the values of the task's head.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from trivium.errors import NotMergeable, UnknownName, UsageError
from trivium.tune.methods import card
from trivium.tune.methods.architecture import Base, Place, take_apart
from trivium.tune.methods.base import Method, Settings, check_name, none_active

SHELF = "trivium_adapters"
_ADDED, _CHANGED = "added.", "changed."  # in the saved file: new modules, values of the base's parameters

Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From a module's first input and its output, (…, d) each, to the output that goes on."""


class Adapter(nn.Module):  # type: ignore[misc]
    """What one method adds to one base: its modules, its hooks, and the base's parameters that it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Module()
        self.on = False
        self.selected: tuple[str, ...] = ()
        self.handles: list[Any] = []
        self.turns: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.penalties: list[Callable[[], torch.Tensor]] = []

    def part(self, name: str, module: nn.Module) -> Any:
        """Keep a trained module under a name with dots, and return it."""
        return nest(self.parts, name, module)

    def after(self, place: Place, change: Change) -> None:
        """Change what a module of the base gives."""
        self.across(place, place, change)

    def across(self, entry: Place, exit: Place, change: Change) -> None:
        """Change what `exit` gives, knowing what came into `entry`, which runs before it or is the same."""

        def hook(module: Any, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
            return change(args[0] if args else output, output) if self.on else output

        if entry.module is exit.module:
            self.handles.append(exit.module.register_forward_hook(hook))
            return
        came: list[torch.Tensor] = []

        def remember(module: Any, args: tuple[Any, ...]) -> None:
            if self.on:
                came[:] = [args[0]]

        def late(module: Any, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
            return change(came.pop(), output) if self.on else output

        self.handles.append(entry.module.register_forward_pre_hook(remember))
        self.handles.append(exit.module.register_forward_hook(late))

    def around(self, module: Any, before: Callable[..., Any] | None, after: Callable[..., Any] | None) -> None:
        """Change a module's arguments `before(args, kwargs) -> (args, kwargs)`, and its output `after(output)`."""

        def enter(module: Any, args: Any, kwargs: Any) -> Any:
            return before(args, kwargs) if self.on and before else None

        def leave(module: Any, args: Any, output: Any) -> Any:
            return after(output) if self.on and after else output

        if before:
            self.handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        if after:
            self.handles.append(module.register_forward_hook(leave))


@dataclass
class _Entry:
    method: Method
    settings: Settings
    task: str
    adapter: Adapter
    formula: int
    values: dict[str, torch.Tensor] = field(default_factory=dict)  # of the base's parameters, while it is not active


class Own:
    """Adapters of our own on a model; see `Attached`."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self.model = base.model
        self._entries: dict[str, _Entry] = {}
        self._active: str | None = None
        self._last = ""
        self._original: dict[str, torch.Tensor] = {}

    @property
    def method(self) -> Method:
        """The active adapter's method."""
        return self._entry().method

    @property
    def settings(self) -> Settings:
        """The active adapter's settings."""
        return self._entry().settings

    @property
    def task(self) -> str:
        """The active adapter's task."""
        return self._entry().task

    def trained(self) -> dict[str, Any]:
        """See `Attached.trained`."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def formula(self) -> int:
        """See `Attached.formula`; each method's file has its own."""
        return self._entry().formula

    def on_step(self, step: int, total: int) -> None:
        """Nothing moves between steps."""

    def penalty(self) -> Any:
        """See `Attached.penalty`."""
        return sum((term() for term in self._entry().adapter.penalties), start=0.0)

    def install(self, method: Method, settings: Settings, task: str, name: str) -> None:
        """Build an adapter of `method` under `name`, switched off; the base is frozen. A failure changes nothing."""
        check_name(name, self._entries)
        adapter = Adapter()
        try:
            count = _file(method).install(adapter, self._base, settings)
        except BaseException:
            for handle in adapter.handles:
                handle.remove()
            raise
        heads = [f"{head.name}.{part}" for head in self._base.heads() for part, _ in head.module.named_parameters()]
        beyond = [head for head in heads if head not in set(adapter.selected)]
        adapter.selected = (*adapter.selected, *beyond)
        count += sum(self.model.get_parameter(head).numel() for head in beyond)
        adapter.to(next(self.model.parameters()).device)
        if not self._entries:
            for parameter in self.model.parameters():
                parameter.requires_grad_(False)
            self.model.add_module(SHELF, nn.ModuleDict())
        for parameter in _trainable(adapter):
            parameter.requires_grad_(False)
        getattr(self.model, SHELF)[name] = adapter
        if method.switchable:
            for key in adapter.selected:
                self._original.setdefault(key, self.model.get_parameter(key).detach().clone())
        self._entries[name] = _Entry(method, settings, task, adapter, count)

    def save(self, folder: Path) -> None:
        """See `Attached.save`."""
        entry = self._present()
        folder.mkdir(parents=True, exist_ok=True)
        state = {_ADDED + key: value for key, value in entry.adapter.state_dict().items()}
        state |= {_CHANGED + key: self.model.get_parameter(key) for key in entry.adapter.selected}
        save_file({key: value.detach().contiguous() for key, value in state.items()}, folder / card.WEIGHTS)
        if hasattr(_file(entry.method), "export"):
            _file(entry.method).export(entry.adapter, self._base, entry.task, folder)
        card.write(folder, self)

    def add(self, folder: Path, name: str) -> None:
        """See `Attached.add`. It may be of any method of our own that can be switched."""
        from trivium.tune.methods import METHODS

        said = card.read(folder, self.model)
        method = METHODS[said["method"]]
        if method.carrier != "own" or not (method.switchable and self._entries["default"].method.switchable):
            raise UsageError(
                f"An adapter made by {said['method']} cannot stand beside one made by {self.method.name}.",
                "Load it onto a base of its own.",
            )
        state = _weights(folder)
        self.install(method, said["settings"], said["task"], name)
        self._fill(state, name)

    def names(self) -> tuple[str, ...]:
        """See `Attached.names`."""
        return tuple(self._entries)

    def switch(self, name: str | None) -> None:
        """See `Attached.switch`."""
        if name is not None and name not in self._entries:
            raise UnknownName("adapter", name, self._entries)
        if name == self._active:
            return
        if self._active is not None:
            self._leave(self._entries[self._active])
        self._active = name
        if name is not None:
            self._last = name
            self._enter(self._entries[name])

    def merge(self) -> Any:
        """See `Attached.merge`. Every other adapter leaves the model too."""
        entry = self._present()
        if not entry.method.mergeable:
            raise NotMergeable(
                f"{entry.method.title} cannot be merged: it adds what no weight of the base can hold.",
                "Keep the adapter beside the base, or train lora, which merges.",
            )
        if hasattr(_file(entry.method), "merge"):
            with torch.no_grad():
                _file(entry.method).merge(entry.adapter, self._base)
        for each in self._entries.values():
            if each.adapter.on:
                for _, leave in each.adapter.turns:
                    leave()
            for handle in each.adapter.handles:
                handle.remove()
        delattr(self.model, SHELF)
        for parameter in self.model.parameters():
            parameter.requires_grad_(True)
        return self.model

    def _entry(self) -> _Entry:
        return self._entries[self._last]

    def _present(self) -> _Entry:
        if self._active is None:
            raise none_active()
        return self._entry()

    def _fill(self, state: dict[str, torch.Tensor], name: str) -> None:
        entry = self._entries[name]
        entry.adapter.load_state_dict(_under(state, _ADDED))
        entry.values = _under(state, _CHANGED)

    def _enter(self, entry: _Entry) -> None:
        with torch.no_grad():
            for key, value in entry.values.items():
                self.model.get_parameter(key).copy_(value)
        entry.values = {}
        entry.adapter.on = True
        for enter, _ in entry.adapter.turns:
            enter()
        self._train(entry, True)

    def _leave(self, entry: _Entry) -> None:
        if not entry.method.switchable:
            raise UsageError(
                f"{entry.method.title} changes the base's own weights, and the base is not kept.",
                "Load the base again.",
            )
        with torch.no_grad():
            for key in entry.adapter.selected:
                parameter = self.model.get_parameter(key)
                entry.values[key] = parameter.detach().clone()
                parameter.copy_(self._original[key])
        entry.adapter.on = False
        for _, leave in entry.adapter.turns:
            leave()
        self._train(entry, False)

    def _train(self, entry: _Entry, on: bool) -> None:
        for parameter in _trainable(entry.adapter):
            parameter.requires_grad_(on)
        for key in entry.adapter.selected:
            self.model.get_parameter(key).requires_grad_(on)


def attach(model: Any, method: Method, settings: Settings, task: str) -> Own:
    """Put an adapter of our own on `model`; see `trivium.tune.methods.attach`."""
    own = Own(take_apart(model))
    if hasattr(_file(method), "prepare"):
        settings = _file(method).prepare(settings)
    own.install(method, settings, task, "default")
    own.switch("default")
    return own


def load(model: Any, method: Method, folder: Path, said: dict[str, Any]) -> Own:
    """Put a saved adapter on `model`."""
    state = _weights(folder)
    own = Own(take_apart(model))
    own.install(method, said["settings"], said["task"], "default")
    own._fill(state, "default")
    own.switch("default")
    return own


def of_output(function: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    """A change that looks at the output alone."""
    return lambda _, output: function(output)


def nest(root: nn.Module, name: str, module: nn.Module) -> Any:
    """Put a module below `root` at a path with dots, so that its parameters are named as the base's are; return it."""
    *path, last = name.split(".")
    for step in path:
        if step not in dict(root.named_children()):
            root.add_module(step, nn.Module())
        root = root.get_submodule(step)
    root.add_module(last, module)
    return module


def fixed(module: Any) -> Any:
    """Mark a module of an adapter as not trained."""
    for parameter in module.parameters():
        parameter.trivium_fixed = True
    return module


def _trainable(adapter: Adapter) -> Iterable[Any]:
    for parameter in adapter.parameters():
        if getattr(parameter, "trivium_fixed", False):
            parameter.requires_grad_(False)
        else:
            yield parameter


def _file(method: Method) -> Any:
    return importlib.import_module(f"trivium.tune.methods.{method.name}")


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    file = folder / card.WEIGHTS
    try:
        state: dict[str, torch.Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{file} cannot be read: {error}.", "Train the adapter again, or copy it again.") from None
    return state


def _under(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
