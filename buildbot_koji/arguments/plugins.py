"""The base classes of plugins, whose arguments are declared once, in the body of the class.

A class says what it takes::

    class KojiTag(KojiStep):
        tag = required(checks.text, "the tag")
        force = flag("also against the tag's rules")

The checks of ``buildbot checkconfig``, the signature, the list of arguments in the docstring, and
the reference pages in ``docs/`` are derived from that. Each kind of plugin has a base class:
:class:`DeclaredStep`, :class:`DeclaredService` (change sources, reporters) and
:class:`DeclaredObject` (what ``buildbot.plugins.util`` offers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from buildbot.config.checks import check_param_bool
from buildbot.config.errors import error as config_error
from buildbot.config.master import MasterConfig
from buildbot.interfaces import IRenderable
from buildbot.process.buildstep import BuildStep
from buildbot.util.twisted import async_to_deferred
from zope.interface import implementer

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.checks import is_renderable
from buildbot_koji.arguments.declaration import (
    Argument,
    documentation,
    from_renderable,
    mistakes,
    signature,
    words_for,
    wrong_value,
    wrong_values,
)
from buildbot_koji.arguments.places import Place, loaded_config, place_in_config
from buildbot_koji.arguments.www_plugins import mistakes_in_plugins
from buildbot_koji.error_messages import cause_of, was_cancelled
from txkoji import login_problem, one_line, profiles
from txkoji.exceptions import ConfigurationError


class DeclaredArguments:
    """Gives a class the arguments that it and its base classes declare.

    Attributes:
        arguments: all of them, those of the base classes first.
        withdrawn: the names of inherited arguments that a class does not take.
        renders: whether an argument may be a renderable if its declaration does not say.
        passed_on: the arguments that Buildbot's own class takes, each with its check.
        passed_on_help: what these are, in a few words.
        declared_values: the values of all arguments as the configuration gives them, defaults
            included.
    """

    arguments: ClassVar[Mapping[str, Argument]] = {}
    withdrawn: ClassVar[Sequence[str]] = ()
    renders: ClassVar[bool] = False
    passed_on: ClassVar[Mapping[str, checks.Check]] = {}
    passed_on_help: ClassVar[str] = ""
    declared_values: dict[str, Any]
    _are_misplaced = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own: dict[str, Argument] = {}
        for name, each in list(vars(cls).items()):
            if isinstance(each, Argument):
                asked = each.renderable
                own[name] = replace(each, renderable=cls.renders if asked is None else asked)
                delattr(cls, name)
        inherited: dict[str, Argument] = {}
        for parent in reversed(cls.__bases__):
            inherited.update(getattr(parent, "arguments", {}))
        cls._take_declarations(own, inherited)
        for name in vars(cls).get("withdrawn", ()):
            del inherited[name]
        cls.arguments = {**inherited, **own}
        for name, each in cls.arguments.items():
            for other in (*each.required_unless, *each.requires):
                if other not in cls.arguments:
                    raise TypeError(f"{cls.__name__}.{name} names {other}, which is not declared")
        own_text = vars(cls).get("__doc__")
        cls.__doc__ = documentation(own_text, cls.arguments, cls.passed_on_help)
        cls.__signature__ = signature(  # type: ignore[attr-defined]
            cls.arguments, others=bool(cls.passed_on)
        )

    @property
    def logs_in(self) -> bool:
        """Whether the plugin logs in to the hub of its argument ``profile``."""
        return False

    @classmethod
    def _take_declarations(
        cls, own: Mapping[str, Argument], inherited: Mapping[str, Argument]
    ) -> None:
        """Process the arguments that a class declares, as the kind of plugin requires."""

    def complaints_about(self, values: Mapping[str, Any]) -> list[str]:
        """Return one line for each mistake in the arguments; None is "not given"."""
        return mistakes(self.arguments, values) or list(self.check_together(values))

    def check_together(self, values: Mapping[str, Any]) -> Iterable[str]:
        """Return what is wrong with the combination of valid values. A subclass may override it.

        Args:
            values: the arguments by name; those that may be renderables may not be rendered yet.
        """
        return ()

    def complaints_at_load(self, values: Mapping[str, Any], place: Place) -> Iterable[str]:
        """Return what is wrong with valid values on this machine, or next to other plugins.

        It is called only while Buildbot loads a configuration. A subclass may add to it.

        Args:
            values: the arguments by their names.
            place: the line of the configuration that makes the plugin.
        """
        profile = values.get("profile")
        if isinstance(profile, str) and "profile" in self.arguments:
            try:
                loaded = profiles.load(profile)
            except ConfigurationError as error:
                yield str(error)
            else:
                problem = login_problem(loaded) if self.logs_in else None
                if problem is not None:
                    yield problem

    def _report(self, complaints: Iterable[str], place: Place | None = None) -> None:
        for complaint in complaints:
            place = place or place_in_config()
            where = "" if place is None else f"{place}: "
            config_error(f"{where}{type(self).__name__}: {one_line(complaint)}")

    def _check(self, values: Mapping[str, Any]) -> None:
        """Report each mistake in the values and in the files that they name."""
        complaints = self.complaints_about(values)
        self._report(complaints)
        place = None if complaints or self._are_misplaced else place_in_config()
        if place is not None:
            # All plugins of a hub name the same profile: once is enough.
            self._report(
                each for each in self.complaints_at_load(values, place) if place.note(each) is None
            )

    def _take(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the values of all arguments; return those to pass on to Buildbot, report others."""
        plugin = type(self).__name__
        positional = [name for name, each in self.arguments.items() if each.positional]
        given = dict(zip(positional, args, strict=False))
        if len(args) > len(positional):
            after = f" after {positional[-1]}" if positional else ""
            self._report([f"give all arguments{after} by their names"])
            self._are_misplaced = True
            # Don't report as missing what was meant.
            absent = (
                name
                for name, each in self.arguments.items()
                if each.required and name not in given and name not in kwargs
            )
            given.update(zip(absent, args[len(positional) :], strict=False))
        self._report(f"{name} is given twice" for name in given if name in kwargs)
        given.update(kwargs)
        unknown = [name for name in given if name not in {*self.arguments, *self.passed_on}]
        for name in unknown:
            value = given.pop(name)
            known = [*self.arguments, *self.passed_on]
            meant = checks.nearest(name, known)
            hint = checks.did_you_mean(name, known)
            self._report([f"{name} is not an argument of {plugin}{hint}"])
            if meant is not None and meant in self.arguments:
                # Don't report it as missing as well.
                given.setdefault(meant, value)
        self.declared_values = {
            name: given.pop(name, each.default) for name, each in self.arguments.items()
        }
        for name, value in list(given.items()):
            is_later = value is None or (self.renders and is_renderable(value))
            complaint = None if is_later else self.passed_on[name](value)
            if complaint is not None:
                self._report([wrong_value(name, given.pop(name), complaint)])
        return given


LARGE = 200
"""Members of a constant that is not rendered one by one, as Buildbot would."""


@implementer(IRenderable)
class _Constant:
    """A large value that renders to itself at once."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def getRenderingFor(self, properties: Any) -> Any:
        """Return the value."""
        return self.value


class Unrenderable:
    """What a renderable that fails is rendered to: a mistake of the configuration's code."""

    def __init__(self, error: BaseException | None) -> None:
        self.reason = f"{type(error).__name__}: {one_line(error)}"


@implementer(IRenderable)
class CheckedRenderable:
    """A value of the configuration, whose failing renderables are mistakes beside the others."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @async_to_deferred
    async def getRenderingFor(self, properties: Any) -> Any:
        """Return what the value is rendered to, an :class:`Unrenderable` if that fails."""
        try:
            return await properties.render(self.value)
        except Exception as error:
            if was_cancelled(error):
                raise
            return Unrenderable(cause_of(error))


class DeclaredStep(DeclaredArguments, BuildStep):
    """A build step whose arguments are declared; each is an attribute and is rendered."""

    _is_template = False

    renders: ClassVar[bool] = True
    passed_on: ClassVar[Mapping[str, checks.Check]] = {
        **{  # Buildbot's own check names no line.
            name: checks.flag if check is check_param_bool else checks.anything
            for name, check in BuildStep._params_config  # noqa: SLF001
        },
        **dict.fromkeys(
            ("description", "descriptionDone", "descriptionSuffix"), checks.text_or_texts
        ),
        "doStepIf": checks.flag_or_function,
        "hideStepIf": checks.flag_or_function,
        "locks": checks.locks,
        "logEncoding": checks.text,
        "name": checks.short_name,
        "progressMetrics": checks.texts,
        "useProgress": checks.flag,
        "workdir": checks.text,
    }
    passed_on_help: ClassVar[str] = "Buildbot's own arguments of every step"
    renderables: Sequence[str] = ()

    @classmethod
    def _take_declarations(
        cls, own: Mapping[str, Argument], inherited: Mapping[str, Argument]
    ) -> None:
        for name, each in own.items():
            if name not in inherited and hasattr(cls, name):
                raise TypeError(f"{cls.__name__}: its parents have another {name!r}")
            setattr(cls, name, each.default)
        # Buildbot itself merges the renderables of all base classes.
        rendered = [name for name, each in own.items() if each.renderable]
        cls.renderables = (*vars(cls).get("renderables", ()), *rendered)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Mark the step of a configuration: it is the template of those of its builds."""
        self = super().__new__(cls, *args, **kwargs)
        # Buildbot makes the steps of a build without this method.
        self._is_template = True
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        others = self._take(args, kwargs)
        for name, value in self.declared_values.items():
            setattr(self, name, value)
        self._constants: dict[str, _Constant] = {}
        super().__init__(**others)
        if self._is_template:
            # The step of a build checks what its arguments are rendered to.
            self._check(self.declared_values)
            return
        for name, each in self.arguments.items():
            value = self.declared_values[name] if each.renderable else None
            if is_renderable(value):
                setattr(self, name, CheckedRenderable(value))
            elif isinstance(value, (list, tuple, Mapping)) and len(value) >= LARGE:
                self._constants[name] = _Constant(value)
                setattr(self, name, self._constants[name])

    def __repr__(self) -> str:
        """Return what Buildbot logs of each step that ends; its own has all values in full."""
        given = [
            f"{name}={words_for(value)}"
            for name, value in self.declared_values.items()
            if value is not self.arguments[name].default and not self.arguments[name].secret
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    __str__ = __repr__

    def take_rendered(self) -> None:
        """Convert the values that Buildbot rendered: numbers may be text, None is the default."""
        for name, each in self.arguments.items():
            value = getattr(self, name)
            if value is not None:
                value = checks.rendered(each.check, value)
            elif each.required and each.check is checks.flag:
                # Buildbot renders a property whose value is False as None.
                value = False
            else:
                value = each.default
            setattr(self, name, value)

    def complaints(self) -> list[str]:
        """Return one line for each mistake in the arguments that are rendered by now."""
        values = {name: getattr(self, name) for name in self.arguments}
        failed = [
            f"{name} can't be rendered: {value.reason}"
            for name, value in values.items()
            if isinstance(value, Unrenderable)
        ]
        # Constants were checked when the configuration was loaded.
        found = failed or self.complaints_about({**values, **self._constants})
        given = {
            name: value
            for name, value in self.declared_values.items()
            if is_renderable(value) and not self.arguments[name].secret
        }
        return [from_renderable(each, given) for each in found]

    def hub_options(self) -> dict[str, Any]:
        """Return the options of a hub call, without those that equal the hub's defaults."""
        return {
            name if each.option is True else each.option: getattr(self, name)
            for name, each in self.arguments.items()
            if each.option is not None and getattr(self, name) != each.default
        }


class DeclaredService(DeclaredArguments):
    """A Buildbot service whose arguments are declared, including ``name``.

    List it before Buildbot's class among the bases. Buildbot passes the values of all arguments
    except ``name`` to ``reconfigService``, by name, including the defaults.
    """

    _name: str | None = None
    _made_at: Place | None = None
    _start_failed = False

    @property
    def name(self) -> Any:
        """The service's name. Buildbot asks for it last when it loads a configuration."""
        loaded = None if self._made_at is None else loaded_config()
        if loaded is not None:
            (config, file), (place, self._made_at) = loaded, (self._made_at, None)
            for mistake in mistakes_in_plugins(config.www, file):
                # Buildbot checks no www plugin then: the first of our services reports it.
                if place is not None and place.note(mistake) is None:
                    config_error(mistake)
            again = None if place is None else place.complaint_about_name("service", self._name)
            if again is not None:
                self._report([again], place)
                # Buildbot would say so once more, without the lines.
                self._name = f"{self._name} at {place}"
            if not self.complaints_about(self.declared_values):
                self._report(self.complaints_in(config), place)
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name

    def complaints_in(self, config: MasterConfig) -> Iterable[str]:
        """Return what does not fit the rest of the configuration. A subclass may override it.

        Args:
            config: the configuration, with builders, workers, schedulers and change sources.
        """
        return ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._made_at = place_in_config()
        self._take(args, kwargs)
        values = self.declared_values
        for each, declared in self.arguments.items():
            if values[each] is None:
                values[each] = declared.default
        name = values["name"]
        mistakes_in_name = list(wrong_values(self.arguments, {"name": name}))
        self._report(mistakes_in_name)
        if name is None or mistakes_in_name:
            values["name"] = self.default_name(values)
        super().__init__(**values)

    @async_to_deferred
    async def reconfigServiceWithSibling(self, sibling: Any) -> None:
        """Apply the arguments of the new configuration, and remember them.

        A reconfiguration that fails is repeated by the next one, even if that goes back to the
        earlier arguments; a service whose start failed is started. Buildbot does neither.
        """
        config = sibling.getConfigDict()
        if sibling is not self and self._start_failed:
            self._config_args, self._config_kwargs = config["args"], config["kwargs"]
            await self.startService()  # type: ignore[attr-defined]  # Buildbot's class
            return
        try:
            await super().reconfigServiceWithSibling(sibling)  # type: ignore[misc]  # Buildbot's
        except BaseException:
            self.configured = False
            self._start_failed = sibling is self
            raise
        self._start_failed = False
        # Buildbot compares the next configuration with these; it would miss a change back.
        self._config_args, self._config_kwargs = config["args"], config["kwargs"]

    def default_name(self, values: Mapping[str, Any]) -> str:
        """Return the name of a service without the argument ``name``."""
        return type(self).__name__

    def checkConfig(self, *_args: Any, **values: Any) -> None:
        """Check the arguments; each mistake is a line of ``buildbot checkconfig``."""
        self._check(values)


class DeclaredObject(DeclaredArguments):
    """An object of ``master.cfg`` whose arguments are declared."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        others = self._take(args, kwargs)
        self._check(self.declared_values)
        try:
            super().__init__(**others)
        except (TypeError, ValueError, re.error) as error:
            # Buildbot's own class refuses a value.
            self._report([str(error)])
