"""The command line: parse, call, print, exit code; computes nothing."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, final

import click

from auditkit import __version__, supervisor
from auditkit.errors import AuditkitError, ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from auditkit.checks.base import Check
    from auditkit.data.presence import Presence
    from auditkit.findings import Outcome
    from auditkit.models.load import ModelSpec
    from auditkit.plan import Plan
    from auditkit.policy import Policy
    from auditkit.result import Execution, Result
    from auditkit.run import Audit, Progress, Request

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("html", "json", "junit", "md")  # written unless others are named
MORE_FORMATS = ("sarif", "gitlab", "github", "csv", "parquet", "card", "badge")
PRINTED = ("pdf", "tensorboard")  # of a finished result alone
FILE_OR_NAME = click.Path(readable=False)  # completed as a file; what it is, is decided later


def main() -> NoReturn:
    """Run the command line and exit: 0 pass, 1 fail, 2 user error, 3 incomplete, 4 a bug."""
    _open_standard_streams()
    left = supervisor.handover()
    if left is None and supervisor.is_wanted(sys.argv[1:]):
        sys.exit(supervisor.supervise(sys.argv[1:]))
    from auditkit.limits import keep_freed_memory

    keep_freed_memory()
    code = _exit_code(left)
    _flush()
    supervisor.leave(code)


def _exit_code(left: supervisor.Handover | None) -> int:
    try:
        code = cli.main(prog_name="audit", standalone_mode=False, obj=left)
        return code if isinstance(code, int) else 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except AuditkitError as error:
        _print_error(error)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return 3
    except Exception:  # noqa: BLE001 - whatever is left is our own fault, and says so
        import traceback

        traceback.print_exc()
        click.echo("\nThis is a bug in auditkit, not in your model. Please report it.", err=True)
        return 4


def _open_standard_streams() -> None:
    """Make sure that files opened later do not become standard output, and that any text fits."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal in another character set


def _flush() -> None:
    """Write out what is left; a reader that has gone is no error."""
    with suppress(BrokenPipeError, AttributeError):
        sys.stdout.flush()
        return
    with suppress(OSError):  # or Python itself tries again at exit, and complains
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _print_error(error: AuditkitError) -> None:
    with suppress(BrokenPipeError):
        click.echo(f"Error: {_plain(error.message)}", err=True)
        if error.hint:
            click.echo(f"  {_plain(error.hint)}", err=True)


def _plain(text: str) -> str:
    """Strip control characters: the text may quote a file."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable())


@final
class _Commands(click.Group):
    """Commands whose reader may leave, as in `| head -1`, without that being an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click itself would exit with 1, which here means "fail"
            raise click.exceptions.Exit(0) from None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "AUDIT"},
)
@click.version_option(__version__, prog_name="auditkit")
def cli() -> None:
    r"""Audit a trained classifier before you trust it.

    \b
    audit run digits-cnn                      try it on a built-in model
    audit run model.pt --data images/         your own model and data
    audit list models                         what comes with auditkit

    Exit codes: 0 pass, 1 fail, 2 usage or input error, 3 incomplete, 4 a bug in auditkit.
    """
    try:
        Path.cwd()
    except FileNotFoundError as error:  # torch would not even start
        raise ConfigError(
            "The current folder does not exist any more.", hint="Change into one that does: cd ~"
        ) from error


# --- run -----------------------------------------------------------------------------------------


def _numbers(count: int | None) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    def parse(
        _context: click.Context, _parameter: click.Parameter, value: str | None
    ) -> tuple[float, ...] | None:
        if value is None:
            return None
        try:
            numbers = tuple(float(part) for part in value.split(","))
        except ValueError as error:
            raise click.BadParameter(
                f"{value!r} is not a list of numbers such as 0.5,0.5"
            ) from error
        if count is not None and len(numbers) != count:
            raise click.BadParameter(f"{value!r} has {len(numbers)} numbers, expected {count}")
        return numbers

    return parse


def _words(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    return None if value is None else tuple(part.strip() for part in value.split(","))


def _completed_formats(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return what the last of several formats with commas between them may become."""
    before, comma, last = incomplete.rpartition(",")
    known = (*FORMATS, *MORE_FORMATS, *(() if context.command.name == "run" else PRINTED))
    return [f"{before}{comma}{one}" for one in known if one.startswith(last)]


def _formats(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[str, ...]:
    names = FORMATS if value is None else tuple(part.strip() for part in value.split(","))
    for name in names:
        if name in PRINTED:
            raise click.BadParameter(
                f"{name!r} is made of a finished result: audit render RESULT --format {name}"
            )
        if name not in FORMATS + MORE_FORMATS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(FORMATS + MORE_FORMATS)}")
    return names


def _formats_of_a_result(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...]:
    """Return formats of a finished result: also those that need a browser or another package."""
    parts = [] if value is None else [part.strip() for part in value.split(",")]
    printed = tuple(part for part in PRINTED if part in parts)
    others = [part for part in parts if part not in printed]
    if printed and not others:
        return printed
    return (*_formats(context, parameter, ",".join(others) if others else None), *printed)


def _formats_asked_for(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    return None if value is None else _formats_of_a_result(context, parameter, value)


def _duration(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> float | None:
    if value is None:
        return None
    from auditkit.policy import seconds_of

    try:
        return float(str(seconds_of(value)))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no duration, expected 90s, 10m or 1h") from error


def _bytes(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    number, unit = value.rstrip("KMGiBb"), value.lstrip("0123456789.")
    powers = {"KiB": 10, "MiB": 20, "GiB": 30}
    try:
        return int(float(number) * 2 ** powers[unit])
    except (KeyError, ValueError) as error:
        raise click.BadParameter(f"{value!r} is no size, expected 512MiB or 4GiB") from error


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return several options that commands share as one decorator."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_data_options = _together(
    click.option("--columns", callback=_words, metavar="[TEXT,]LABEL", help="Columns of a table."),
    click.option(
        "--split",
        type=click.Choice(["train", "validation", "test"]),
        default="test",
        show_default=True,
        help="Which part of a known data set.",
    ),
)
_group_options = _together(
    click.option(
        "--sensitive", multiple=True, metavar="COLUMN", help="Column that compares people."
    ),
    click.option(
        "--attributes",
        metavar="FILE",
        type=FILE_OR_NAME,
        help="Further columns, joined by the file's column id.",
    ),
)
_exhibit_options = _together(
    click.option(
        "--no-exhibits", is_flag=True, help="Privacy: show no input, text or name of an input."
    ),
    click.option("--blur", is_flag=True, help="Privacy: show inputs so that nobody knows them."),
)
_model_options = _together(
    click.option(
        "--arch",
        metavar="MODULE:FACTORY|auto",
        help="What builds the network of a state dict; auto tries known ones on the data.",
    ),
    click.option(
        "--input-shape", callback=_numbers(3), metavar="C,H,W", help="Shape of one image."
    ),
    click.option(
        "--bounds", callback=_numbers(2), metavar="LOW,HIGH", help="Range of a raw pixel."
    ),
    click.option(
        "--mean", callback=_numbers(None), metavar="A,B,C", help="Subtracted per channel."
    ),
    click.option("--std", callback=_numbers(None), metavar="A,B,C", help="Divided by per channel."),
    click.option(
        "--normalise",
        metavar="NAME",
        help="Mean and std by name: imagenet, cifar10, cifar10-scripts, mnist, fashion-mnist,"
        " half, none.",
    ),
    click.option(
        "--scale",
        type=float,
        metavar="FACTOR",
        help="What a pixel is multiplied by before: 255 for a network that reads 0 to 255.",
    ),
    click.option(
        "--layout",
        type=click.Choice(["nchw", "nhwc", "bgr", "nhwc-bgr"]),
        help="How the network reads images; nchw by default.",
    ),
    click.option("--classes", callback=_words, metavar="A,B,...", help="Names in logit order."),
    click.option(
        "--features",
        callback=_words,
        metavar="A,B,...",
        help="Columns that a model of a table reads, where it does not say so itself.",
    ),
    click.option(
        "--weights",
        metavar="KEY",
        help="Which weights of a torch file that holds several: ema.",
    ),
    click.option(
        "--trust-code",
        is_flag=True,
        help="Run the code in a model file, in a limited process of its own.",
    ),
    click.option(
        "--vocabulary",
        metavar="FILE",
        type=FILE_OR_NAME,
        help="Words of a text model and their ids.",
    ),
    click.option("--max-length", type=int, metavar="N", help="Tokens per text; the rest is cut."),
    click.option(
        "--words",
        callback=_words,
        metavar="lower,spaces,...",
        help="How texts are split into words; told from vocabulary and data by default.",
    ),
    click.option("--pad-token", metavar="WORD", help="Word that fills up short texts."),
    click.option("--unk-token", metavar="WORD", help="Word that unknown words read as."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1."),
)


@cli.command()
@click.argument("model", type=FILE_OR_NAME, required=False)
@click.option(
    "--endpoint",
    metavar="URL",
    help="Ask a served model in place of MODEL: instances, predictions.",
)
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Requests per second to the endpoint.",
)
@click.option(
    "--request-timeout",
    callback=_duration,
    metavar="30s",
    help="How long the endpoint may take; 30 s by default.",
)
@click.option(
    "--data",
    metavar="DATA",
    type=FILE_OR_NAME,
    help="Embedded name, image folder, .npz, .csv, .tsv, .parquet.",
)
@click.option(
    "--scores",
    type=click.Choice(["probabilities", "logits"]),
    help="What a function or endpoint answers with; told by its first answer.",
)
@_data_options
@_group_options
@click.option(
    "--suite", type=click.Choice(["quick", "standard", "deep"]), help="Preset; quick by default."
)
@click.option(
    "--check",
    "checks",
    multiple=True,
    envvar="AUDIT_RUN_CHECK",
    metavar="ID",
    help="Run only this check; repeatable.",
)
@click.option(
    "--policy",
    metavar="FILE",
    type=FILE_OR_NAME,
    help="Limits and settings; 'none' judges nothing.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="RESULT",
    help="Reference for limits with max_drop_against, and for changes in the report.",
)
@click.option(
    "--other-model",
    metavar="MODEL",
    type=FILE_OR_NAME,
    help="A second model, for transfer, label-free-accuracy, regression and"
    " attribution-regression.",
)
@click.option(
    "--train-data",
    metavar="DATA",
    type=FILE_OR_NAME,
    help="What the model was trained on, for generalisation.",
)
@click.option(
    "--synonyms",
    metavar="FILE",
    type=FILE_OR_NAME,
    help="Words that token-swap may replace, and by what.",
)
@click.option(
    "--identity-terms",
    metavar="FILE",
    type=FILE_OR_NAME,
    help="Terms that counterfactual-identity swaps, in TOML.",
)
@click.option(
    "--deployment",
    multiple=True,
    metavar="COLUMN=GROUP:SHARE,...",
    help="What-if: the shares that groups have where the model is used; repeatable.",
)
@click.option(
    "--shift",
    multiple=True,
    metavar="[NAME=]DATA",
    help="Deployment data, labels optional, for the checks of shift that read them.",
)
@click.option(
    "--max-inputs", type=click.IntRange(min=1), help="Random sample, stratified by label."
)
@click.option(
    "--min-cell",
    type=click.IntRange(min=1),
    metavar="N",
    help="Privacy: say nothing about fewer than N inputs of a group.",
)
@_exhibit_options
@click.option(
    "--until-decided",
    is_flag=True,
    default=None,
    help="Look at few inputs first, and at more only where a limit is not decided.",
)
@click.option(
    "--budget",
    callback=_duration,
    metavar="10m",
    help="As --until-decided, and start nothing after this time.",
)
@click.option(
    "--check-timeout", callback=_duration, metavar="10m", help="Give up a check that takes longer."
)
@click.option("--memory", callback=_bytes, metavar="4GiB", help="Stay below so much memory.")
@click.option("--seed", type=int, help="Seed of every random choice; 0 by default.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; reports/<model> by default.")
@click.option(
    "--format",
    "formats",
    shell_complete=_completed_formats,
    callback=_formats,
    envvar="AUDIT_RUN_FORMAT",
    metavar="html,json,...",
    help="Files to write.",
)
@click.option(
    "--workers", default="auto", show_default=True, metavar="N", help="Processes to spread over."
)
@click.option(
    "--execution",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Reuse a result's settings.",
)
@click.option("--resume", is_flag=True, help="Take over what an interrupted run had finished.")
@_model_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print the verdict alone.")
@click.option(
    "--print-config",
    is_flag=True,
    help="Print what would be followed and who set it, and audit nothing.",
)
def run(
    model: str | None,
    as_json: bool,
    quiet: bool,
    print_config: bool,
    formats: tuple[str, ...],
    **options: Any,
) -> None:
    """Audit MODEL: a built-in name, a model file, or a function package.module:predict."""
    if print_config:
        click.echo(_config(options), nl=False)
        return
    request = _request(model, formats, options)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _Interrupt())
    supervisor.tell(limit=request.policy.check_timeout)
    with _standard_output_kept():
        audit = _run_with_progress(request, quiet=quiet or as_json)
    with suppress(BrokenPipeError):  # whoever reads it may stop; the verdict stands
        _print_result(audit.result, as_json=as_json, quiet=quiet)
        if not (as_json or quiet):
            name = "report.html" if "html" in formats else "result.json"
            click.echo(f"Report: {audit.folder / name}")
        if "github" in formats:
            _tell_github(audit.result, audit.folder, err=as_json)
    sys.exit(audit.result.verdict.exit_code)


def _config(options: dict[str, Any]) -> str:
    """Return the policy that applies; an option beats a variable, which beats the file."""
    from auditkit.policy import Policy, origins
    from auditkit.resolved import config_text

    given = {
        one.name: value
        for one in click.get_current_context().command.params
        if (value := _given(one)) is not None
    }
    policy = _policy(options)
    known = origins(options["policy"], suite=options["suite"])
    known |= {key: who for key, who in given.items() if key in Policy.model_fields}
    pairs = dict.fromkeys((o, c) for o, c, _ in (*_PARAMETERS, *_OF_SHIFT, *_OF_TRAINING))
    for option, check in pairs:
        if option in given:
            before = known.get(f"parameters.{check}")
            known[f"parameters.{check}"] = ", ".join(filter(None, (before, given[option])))
    shown = click.get_current_context().params
    others = {
        str(name): f"{_plain(str(shown[name]))} ({who})"
        for name, who in given.items()
        if name not in Policy.model_fields and name not in ("print_config", "endpoint")
    }
    return config_text(policy, known, others)


def _given(parameter: click.Parameter) -> str | None:
    """Return who set an option, None where nobody did."""
    from click.core import ParameterSource

    source = click.get_current_context().get_parameter_source(parameter.name)
    if source is ParameterSource.COMMANDLINE:
        return parameter.opts[0] if isinstance(parameter, click.Option) else "command line"
    if source is ParameterSource.ENVIRONMENT:
        return str(parameter.envvar or f"AUDIT_RUN_{parameter.name.upper()}")
    return None


def _tell_github(result: Result, folder: Path, *, err: bool) -> None:
    """Print annotations, and show the job summary where GitHub Actions looks for it."""
    from auditkit.render import format_of
    from auditkit.render.github import commands

    for line in commands(result):
        click.echo(line, err=err)
    shown = os.environ.get("GITHUB_STEP_SUMMARY")
    if shown:
        with Path(shown).open("a", encoding="utf-8") as file:
            file.write((folder / format_of("github").file).read_text(encoding="utf-8"))


def _request(model: str | None, formats: tuple[str, ...], options: dict[str, Any]) -> Request:
    from auditkit.data.load import DataSpec
    from auditkit.run import Request

    _refuse_two_models(model, options)
    data = options["data"]
    more = options["shift"] or options["train_data"]
    of_data = ["sensitive", "attributes", *([] if more else ["columns"])]
    if data is None and any(options[one] for one in of_data):
        raise ConfigError(
            "--columns, --sensitive and --attributes say how to read --data, which is missing.",
            hint="Add --data DATA.",
        )
    return Request(
        model=_served(options) if model is None else _model(model, options),
        data=None
        if data is None
        else DataSpec(
            source=data,
            columns=_columns_of_data(data, options),
            sensitive=options["sensitive"],
            split=options["split"],
            attributes=options["attributes"],
        ),
        policy=_policy(options),
        out=options["out"],
        formats=formats,
        against=options["against"],
        workers=_workers(options["workers"]),
        execution=_execution(options["execution"]),
        resume=options["resume"],
        memory=options["memory"],
        left=click.get_current_context().find_object(supervisor.Handover) or supervisor.Handover(),
        command=_typed(options["endpoint"]),
    )


def _columns_of_data(data: str, options: dict[str, Any]) -> tuple[str, ...] | None:
    """Return --columns, unless a known data set is audited: then they are those of other data."""
    from auditkit.data.catalogue import DATA

    others = options["shift"] or options["train_data"]
    return None if others and data in DATA else options["columns"]


def _refuse_two_models(model: str | None, options: dict[str, Any]) -> None:
    if model is None and options["endpoint"] is None:
        raise ConfigError(
            "There is no model to audit.",
            hint="Type: audit run MODEL, which is a built-in name, a file or"
            " package.module:predict; or: audit run --endpoint URL",
        )
    if model is not None and options["endpoint"] is not None:
        raise ConfigError(
            f"Both {model} and --endpoint name a model.", hint="Leave out one of them."
        )
    for name in ("rate_limit", "request_timeout"):
        if options[name] is not None and options["endpoint"] is None:
            option = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{option} is about an endpoint, and none is named.",
                hint=f"Add --endpoint URL, or leave out {option}.",
            )


def _served(options: dict[str, Any]) -> ModelSpec:
    from auditkit.models.endpoint import TIMEOUT, Endpoint, shown

    url = options["endpoint"]
    endpoint = Endpoint(
        url=url,
        rate_limit=options["rate_limit"],
        timeout=options["request_timeout"] or TIMEOUT,
    )
    return replace(_model(shown(url), options), endpoint=endpoint)


def _typed(endpoint: str | None) -> str:
    """Return the command line, without what may be secret in an address."""
    words = sys.argv[1:]
    if endpoint is not None:
        from auditkit.models.endpoint import shown

        words = [word.replace(endpoint, shown(endpoint)) for word in words]
    return shlex.join(["audit", *words])


def _model(source: str, options: dict[str, Any]) -> ModelSpec:
    from auditkit.models.load import ModelSpec
    from auditkit.models.texts.options import TextOptions

    shape = options["input_shape"]
    return ModelSpec(
        source=source,
        input_shape=(int(shape[0]), int(shape[1]), int(shape[2])) if shape else None,
        memory=options.get("memory"),
        texts=TextOptions(**{name: options[name] for name in _OF_TEXTS}),
        **{name: options[name] for name in _OF_MODEL},
        scores=options.get("scores"),  # of `run` alone
    )


_OF_TEXTS = ("vocabulary", "max_length", "words", "pad_token", "unk_token")


_OF_MODEL = (
    "arch",
    "bounds",
    "mean",
    "std",
    "normalise",
    "scale",
    "layout",
    "classes",
    "features",
    "weights",
    "trust_code",
    "device",
)


def _policy(options: dict[str, Any]) -> Policy:
    from auditkit.policy import load_policy

    policy = load_policy(options["policy"], suite=options["suite"], checks=options["checks"])
    direct = ("max_inputs", "min_cell", "until_decided", "budget", "check_timeout", "seed")
    given = {key: options[key] for key in direct}
    given["exhibits"] = _exhibits(options["no_exhibits"], options["blur"])
    chosen = [
        *_PARAMETERS,
        *(_OF_SHIFT if options["shift"] else ()),
        *(_OF_TRAINING if options["train_data"] else ()),
    ]
    for option, check, name in chosen:
        value = options[option]
        if value is not None and value != ():
            known = given.get("parameters") or policy.parameters
            given["parameters"] = {**known, check: {**known.get(check, {}), name: value}}
    return policy.model_copy(update={k: v for k, v in given.items() if v is not None})


def _exhibits(left_out: bool, blurred: bool) -> str | None:
    """Return how single inputs are shown; the stricter option wins."""
    return "none" if left_out else "blurred" if blurred else None


# Options that set a parameter of a check.
_PARAMETERS = (
    ("other_model", "transfer", "other"),
    ("other_model", "attribution-regression", "other"),
    ("other_model", "regression", "other"),
    ("other_model", "label-free-accuracy", "other"),
    ("train_data", "generalisation", "train"),
    ("synonyms", "token-swap", "synonyms"),
    ("identity_terms", "counterfactual-identity", "terms"),
    ("deployment", "what-if", "deployment"),
)
_OF_SHIFT = tuple(
    (name, check, name)
    for check in ("drift", "user-shift", "label-free-accuracy", "out-of-distribution")
    for name in ("shift", "columns")
)
_OF_TRAINING = (("columns", "generalisation", "columns"),)


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if text.isdigit() and int(text) >= 1:
        return int(text)
    raise ConfigError(f"--workers is {text!r}, expected auto or a number of at least 1.")


def _execution(file: Path | None) -> Execution | None:
    if file is None:
        return None
    from auditkit.result import read_execution

    return read_execution(file)


@final
class _Interrupt:
    """Ends the audit in order at the first Ctrl-C or SIGTERM, and at once at the second."""

    count = 0

    def __call__(self, _signal: int, _frame: object) -> None:
        """Handle a signal."""
        _Interrupt.count += 1
        if _Interrupt.count > 1:
            os._exit(supervisor.AT_ONCE)
        raise KeyboardInterrupt


@contextmanager
def _standard_output_kept() -> Generator[None]:
    """Within the block, whatever a model or a library prints goes to standard error."""
    with redirect_stdout(sys.stderr):
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)  # also what compiled code and child processes print
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _run_with_progress(request: Request, *, quiet: bool) -> Audit:
    from auditkit.run import run as run_audit

    with _progress(quiet=quiet) as progress:
        return run_audit(request, progress=_Told(progress, request.policy.check_timeout))


@contextmanager
def _progress(*, quiet: bool) -> Generator[Progress]:
    """Show on standard error how far an audit is, or nothing."""
    if quiet:
        from auditkit.run import Silent

        yield Silent()
        return
    from auditkit.progress import ConsoleProgress, QuietableConsole

    with ConsoleProgress(QuietableConsole(stderr=True)) as progress:
        yield progress


@final
class _Told:
    """Lets the supervisor know which check is running; all else is somebody else's to show."""

    def __init__(self, shown: Progress, limit: float | None) -> None:
        self._shown, self._limit = shown, limit
        self.warned = shown.warned
        self.stepped = shown.stepped
        self.noted = shown.noted

    def planned(self, plan: Plan) -> None:
        """Say that model and data are there."""
        supervisor.tell(check=None)
        self._shown.planned(plan)

    def checking(self, check: Check) -> None:
        """Say that a check starts."""
        supervisor.tell(check=check.meta.id, limit=self._limit)
        self._shown.checking(check)

    def finished(self, outcome: Outcome) -> None:
        """Say that it is over."""
        supervisor.tell(check=None)
        self._shown.finished(outcome)


def _print_result(result: Result, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        from auditkit.result import to_json

        click.echo(to_json(result), nl=False)
    elif quiet:
        click.echo(result.verdict.sentence)
    else:
        from auditkit.render.terminal import render_terminal

        render_terminal(result, _console())


def _console() -> Console:
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich itself would exit with 1, which here means "fail"

    return Output(highlight=False)


# --- a result again ------------------------------------------------------------------------------


@cli.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "formats",
    shell_complete=_completed_formats,
    callback=_formats_of_a_result,
    metavar="html,json,...",
    help="Files to write; pdf and tensorboard too.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder; beside the result by default."
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write charts, maps and highlighted texts as SVG files into DIR, and no report.",
)
@_exhibit_options
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="RESULT",
    help="An older result: say how the headlines changed.",
)
def render(
    result: Path,
    formats: tuple[str, ...],
    out: Path | None,
    figures: Path | None,
    no_exhibits: bool,
    blur: bool,
    against: Path | None,
) -> None:
    """Write the report of RESULT again, without the model."""
    from auditkit.result import read_result, write_atomically

    loaded = read_result(result)
    older = None if against is None else read_result(against)
    if no_exhibits or blur:
        from auditkit.exhibits import private_result

        loaded = private_result(loaded, "none" if no_exhibits else "blurred")
    folder = out or (result if result.is_dir() else result.parent)
    if figures is not None:
        from auditkit.render.figures import figures_of

        count = 0
        for one in figures_of(loaded):
            write_atomically(figures / one.name, one.svg)
            count += 1
        click.echo(f"{count} figures in {figures}")
        return
    if out is None:
        formats = tuple(one for one in formats if one != "json")  # the result itself
    for file in _written(loaded, formats, folder, older):
        click.echo(str(file))
    if "github" in formats:
        _tell_github(loaded, folder, err=False)


def _written(
    result: Result, formats: Sequence[str], folder: Path, older: Result | None
) -> Iterator[Path]:
    """Write a finished result in each format, and yield the files."""
    from auditkit.render import format_of, with_tables
    from auditkit.render import render as render_as
    from auditkit.result import write_atomically

    for name in with_tables(result, formats):
        file = folder / format_of(name).file
        write_atomically(file, render_as(result, name, older=older))
        yield file


@cli.command("assert")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--policy", metavar="FILE", type=FILE_OR_NAME, help="Limits to hold the result against."
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="RESULT",
    help="Reference for limits with max_drop_against, and for changes in the report.",
)
@click.option(
    "--format",
    "formats",
    shell_complete=_completed_formats,
    callback=_formats_asked_for,
    metavar="html,json,...",
    help="Files to write into --out; pdf and tensorboard too.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for files that say this verdict; none are written without it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--quiet", is_flag=True, help="Print the verdict alone.")
def assert_(
    result: Path,
    policy: str | None,
    against: Path | None,
    formats: tuple[str, ...] | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge RESULT against a policy, without measuring anything again."""
    from datetime import UTC, datetime

    from auditkit.diff.against import judge_result
    from auditkit.diff.sides import load
    from auditkit.policy import load_policy
    from auditkit.result import read_result, result_file

    folder = result_file(result).parent
    if out is None and formats is not None:
        raise ConfigError(
            "--format needs a folder: the files beside the result say what its own policy said.",
            hint="Add --out FOLDER.",
        )
    if out is not None and out.resolve() == folder.resolve():
        raise ConfigError(
            f"The files in {folder} say what the result's own policy said.",
            hint="Write to another folder: --out FOLDER",
        )
    loaded = read_result(result)
    reference = None if against is None else load(against)
    judged = judge_result(
        loaded,
        folder,
        load_policy(policy, suite=None if policy else loaded.provenance.suite),
        today=datetime.now(UTC).date(),
        reference=reference,
    )
    verdict, chosen = judged.verdict, formats or FORMATS
    older = None if reference is None else reference.result
    files = [] if out is None else list(_written(judged, chosen, out, older))
    with suppress(BrokenPipeError):  # whoever reads it may stop; the verdict stands
        if as_json:
            click.echo(verdict.model_dump_json(indent=1))
        elif quiet:
            click.echo(verdict.sentence)
        else:
            from auditkit.render.terminal import render_verdict

            render_verdict(judged, _console())
            for file in files:
                click.echo(str(file))
        if out is not None and "github" in chosen:
            _tell_github(judged, out, err=as_json)
    sys.exit(verdict.exit_code)


@cli.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    metavar="FILE",
    type=FILE_OR_NAME,
    help="Its limits say what is judged, and what failed.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=1),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="How much worse a share may become: 0.01 is one percentage point.",
)
@click.option(
    "--allow-different-data",
    is_flag=True,
    help="Compare results on other data too, as independent samples.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write diff.html, diff.md and diff.json into DIR.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.option("--markdown", is_flag=True, help="Print the comparison as Markdown.")
@click.option("--quiet", is_flag=True, help="Print one sentence.")
def diff(
    before: Path,
    after: Path,
    policy: str | None,
    tolerance: float,
    allow_different_data: bool,
    out: Path | None,
    as_json: bool,
    markdown: bool,
    quiet: bool,
) -> None:
    """Compare the result AFTER with BEFORE, input by input.

    Exit codes: 0 no regression, 1 something judged is surely worse, 2 usage or other data, 3 what
    is judged could not all be compared.
    """
    from datetime import UTC, datetime

    from auditkit.diff.compare import compare
    from auditkit.diff.report import to_json
    from auditkit.policy import load_policy
    from auditkit.render.diff_markdown import render_diff_markdown
    from auditkit.result import read_result, write_atomically

    suite = None if policy else read_result(after).provenance.suite
    found = compare(
        before,
        after,
        policy=load_policy(policy, suite=suite),
        today=datetime.now(UTC).date(),
        tolerance=tolerance,
        allow_different_data=allow_different_data,
    )
    if out is not None:
        from auditkit.render.diff_html import render_diff_html

        write_atomically(out / "diff.html", render_diff_html(found))
        write_atomically(out / "diff.md", render_diff_markdown(found))
        write_atomically(out / "diff.json", to_json(found))
    with suppress(BrokenPipeError):  # whoever reads it may stop; the answer stands
        if as_json:
            click.echo(to_json(found), nl=False)
        elif markdown:
            click.echo(render_diff_markdown(found), nl=False)
        elif quiet:
            click.echo(_plain(found.sentence))
        else:
            from auditkit.render.diff_terminal import render_diff_terminal

            render_diff_terminal(found, _console())
            if out is not None:
                click.echo(f"Comparison: {out / 'diff.html'}")
    sys.exit(found.exit_code)


@cli.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("finding", metavar="FINDING")
@click.option(
    "--recompute", is_flag=True, help="Measure the check again, also where inputs are stored."
)
@click.option(
    "--export-test",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the stored inputs as a regression test for pytest: test_NAME.py.",
)
@click.option("--model", metavar="FILE", type=FILE_OR_NAME, help="Where the same model is now.")
@click.option("--data", metavar="DATA", type=FILE_OR_NAME, help="Where the same data are now.")
@click.option(
    "--attributes", metavar="FILE", type=FILE_OR_NAME, help="Where the same attributes are now."
)
@click.option("--endpoint", metavar="URL", help="Address of the served model that was audited.")
@click.option(
    "--trust-code",
    is_flag=True,
    help="Run the code that the result names: a module of --arch, a function, a pickle.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--quiet", is_flag=True, help="Print one sentence, without progress.")
def reproduce(as_json: bool, quiet: bool, export_test: Path | None, **options: Any) -> None:
    """See whether FINDING of RESULT comes out again.

    Adversarial inputs stored with the result are replayed; any other finding is measured again.

    Exit codes: 0 reproduced, 1 not reproduced, 2 usage or other model or data, 3 not decided.
    """
    from auditkit.export import require_test_file, write_test
    from auditkit.reproduce import Question
    from auditkit.reproduce import reproduce as reproduced

    if export_test is not None:
        require_test_file(export_test)
    with _standard_output_kept(), _progress(quiet=quiet or as_json) as progress:
        answered = reproduced(Question(**options), progress=progress)
    found = answered.reproduction
    with suppress(BrokenPipeError):
        if as_json:
            click.echo(found.model_dump_json(indent=1))
        else:
            word = {0: "Reproduced", 1: "Not reproduced", 3: "Not decided"}[found.exit_code]
            click.echo(_plain(f"{word}: {found.sentence}"))
            for note in [] if quiet else found.notes:
                click.echo(_plain(f"Note: {note}"))
    if export_test is not None:
        count = write_test(export_test, answered)
        click.echo(f"Wrote {export_test} with {count} inputs. Next: pytest {export_test}", err=True)
    sys.exit(found.exit_code)


@cli.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--experiment", default="auditkit", show_default=True, help="Made where absent.")
@click.option("--parent", metavar="RUN", help="Run of MLflow that this one stands below.")
def track(result: Path, experiment: str, parent: str | None) -> None:
    """Log RESULT to MLflow, where MLFLOW_TRACKING_URI says; into the folder mlruns by default."""
    from auditkit.result import read_result
    from auditkit.track import track as tracked

    done = tracked(read_result(result), experiment=experiment, parent=parent)
    for name in done.left_out:
        click.echo(f"Note: too long a name for MLflow, only in result.json: {name}", err=True)
    click.echo(f"Logged to {done.uri}: experiment {done.experiment}, run {done.run}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("reports"), metavar="[DIR]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Any free one by default.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
def view(folder: Path, port: int, no_open: bool) -> None:
    """List the results in DIR (reports by default) in a browser, and compare them.

    The pages are served to this machine alone, until Ctrl-C.
    """
    from auditkit.view.history import open_history
    from auditkit.view.server import start

    with start(open_history(folder), port) as server:
        click.echo(f"Audits in {folder}: {server.address}")
        click.echo("Stop with Ctrl-C.", err=True)
        if not no_open:
            import webbrowser

            webbrowser.open(server.address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


# --- looking around ------------------------------------------------------------------------------


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def inspect(file: Path, as_json: bool) -> None:
    """Say what FILE holds without running any of it.

    Exit codes: 0 safe to load, 1 it holds code, 2 unreadable.
    """
    from auditkit.models.inspect import inspect_file

    inspection = inspect_file(file)
    if as_json:
        click.echo(json.dumps(inspection.as_dict(), indent=1))
    else:
        click.echo(_plain(inspection.as_text()))
    sys.exit(inspection.exit_code)


@cli.command()
@click.argument("model", type=FILE_OR_NAME)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Bundle to write: m.safetensors."
)
@click.option(
    "--data",
    metavar="DATA",
    type=FILE_OR_NAME,
    help="As for run: decides --arch auto, checks the rest.",
)
@_data_options
@_model_options
def convert(model: str, out: Path, **options: Any) -> None:
    """Write MODEL, read with these options, as a bundle that needs none of them."""
    from auditkit.convert import convert as converted
    from auditkit.data.load import DataSpec
    from auditkit.subject import SubjectSpec

    data = options["data"]
    done = converted(
        SubjectSpec(
            model=_model(model, options),
            data=None
            if data is None
            else DataSpec(source=data, columns=options["columns"], split=options["split"]),
            max_inputs=None,
            seed=0,
        ),
        out,
    )
    for note in done.notes:
        click.echo(_plain(f"Note: {note}"), err=True)
    click.echo(f"Wrote {done.path}. Next: {done.next_command}")


@cli.command("time")
@click.argument("model", type=FILE_OR_NAME)
@click.option(
    "--data",
    metavar="DATA",
    type=FILE_OR_NAME,
    help="Inputs to read; by default those the model names.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    multiple=True,
    default=(1, 8, 32, 128),
    show_default=True,
    metavar="N",
    help="Inputs at once; repeatable.",
)
@click.option(
    "--repeats", type=int, default=30, show_default=True, help="Timed calls per batch size."
)
@click.option("--warm-up", type=int, default=5, show_default=True, help="Calls before, not timed.")
@click.option(
    "--watts", type=float, metavar="W", help="Power drawn while it computes; 15 is assumed."
)
@click.option("--device", default="auto", show_default=True, help="Where the model runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the times as JSON.")
def time_(model: str, data: str | None, device: str, as_json: bool, **options: Any) -> None:
    """Measure latency, throughput and energy of MODEL on this machine.

    Times are never the same twice, so they are no part of an audit: what an answer costs on every
    machine is said by the check efficiency. MODEL is a built-in name, or a file that needs no
    options; audit convert makes one.
    """
    from auditkit.data.load import DataSpec
    from auditkit.models.load import ModelSpec
    from auditkit.subject import SubjectSpec
    from auditkit.timing import time_model

    timing = time_model(
        SubjectSpec(
            model=ModelSpec(source=model, device=device),
            data=None if data is None else DataSpec(source=data),
            max_inputs=None,
            seed=0,
        ),
        batch_sizes=options["batch_size"],
        repeats=options["repeats"],
        warm_up=options["warm_up"],
        watts=options["watts"],
    )
    click.echo(timing.model_dump_json(indent=1) if as_json else _plain(timing.as_text()))


@cli.command("list")
@click.argument("what", type=click.Choice(["checks", "models", "data", "suites"]))
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects with an `id`.")
def list_(what: str, as_json: bool) -> None:
    """List checks, built-in models, data sets or suites."""
    from auditkit.explain import listing

    rows = listing(what)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    width = max((len(str(row["id"])) for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['id']!s:<{width}}  {row['summary']}")


@cli.command()
@click.argument("name", metavar="ID")
def explain(name: str) -> None:
    """Explain a check, a metric, a built-in model, a data set or a suite."""
    from rich.markdown import Markdown

    from auditkit.explain import explain as explanation

    console = _console()
    text = explanation(name)
    console.print(Markdown(text) if console.is_terminal else text, markup=False)


@cli.command()
@click.option(
    "--suite",
    type=click.Choice(["quick", "standard", "deep"]),
    default="quick",
    show_default=True,
    help="What the policy starts from: its checks and its recommended limits.",
)
@click.option(
    "--from",
    "result",
    type=click.Path(path_type=Path),
    metavar="RESULT",
    help="A finished audit: write one limit per check, each one that it passes today.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("audit.toml"),
    show_default=True,
    metavar="FILE",
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(suite: str, result: Path | None, out: Path, force: bool) -> None:
    """Write a commented policy file."""
    from auditkit.init import policy_text
    from auditkit.result import read_result, write_atomically

    if out.exists() and not force:
        raise ConfigError(f"{out} exists.", hint="Pass --force to overwrite it.")
    write_atomically(out, policy_text(suite, read_result(result) if result else None))
    click.echo(f"Wrote {out}. Edit it, then: audit run MODEL --policy {out}")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
def doctor(as_json: bool) -> None:
    """Check this installation: packages, weights, device, folders."""
    from auditkit.doctor import examine

    examinations = examine()
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in examinations], indent=1))
    else:
        for one in examinations:
            click.echo(f"{'ok  ' if one.fine else 'FAIL'}  {one.what}: {one.found}")
    sys.exit(0 if all(one.fine for one in examinations) else 2)


@cli.command()
@click.option("--quick", is_flag=True, help="Only networks that come with auditkit.")
@click.option("--train", is_flag=True, help="Train networks that are not there, and keep them.")
@click.option(
    "--flaw",
    "flaws",
    multiple=True,
    metavar="ID",
    help="One flaw, or one variant of it; repeatable.",
)
@click.option("--seeds", type=int, help="Training seeds to count, 1 to 5.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the table as a page and JSON."
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.option("--quiet", is_flag=True, help="No lines about each step.")
def selftest(
    quick: bool,
    train: bool,
    flaws: tuple[str, ...],
    seeds: int | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Hold planted flaws and their sound twins against the checks.

    Exit code 0 when every flaw that has a check is caught and no sound twin cries wolf, else 1.
    """
    from auditkit.selftest.command import run_selftest
    from auditkit.selftest.report import to_json
    from auditkit.selftest.terminal import render_terminal

    found = run_selftest(
        quick=quick,
        train=train,
        flaws=flaws,
        seeds=seeds,
        out=out,
        told=lambda line: None if quiet else click.echo(line, err=True),
    )
    if as_json:
        click.echo(to_json(found), nl=False)
    else:
        render_terminal(found, _console())
    if out is not None and not as_json:
        click.echo(f"Table: {out / 'selftest.html'}")
    sys.exit(found.exit_code)


@cli.group()
def models() -> None:
    """Work on the built-in models."""


@models.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="File; NAME.safetensors by default.")
@click.option("--seed", type=int, help="Seed; the recipe's by default.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--install", is_flag=True, help="Let this installation's NAME be the new weights.")
def train(name: str, out: Path | None, seed: int | None, device: str, install: bool) -> None:
    """Train the built-in model NAME again by its recipe.

    A training that was stopped goes on where it was when the same command is typed again.
    """
    from auditkit.models.generative import generative_cards
    from auditkit.models.training import builtin, generative

    trainer = generative if name in generative_cards() else builtin
    report = trainer.train(
        name,
        out=out or Path(f"{name}.safetensors"),
        seed=seed,
        device=device,
        progress=lambda epoch: click.echo(str(epoch), err=True),
        clock=time.monotonic,
    )
    if install:
        trainer.install(report)  # pyright: ignore[reportArgumentType]
    click.echo(report.as_text())


@models.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Picture; NAME.png by default.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the noise.")
def sample(name: str, out: Path | None, seed: int) -> None:
    """Write a picture of what the built-in generative network NAME makes.

    A column is a class where the network knows classes.
    """
    from auditkit.models.generative import sample_grid
    from auditkit.result import write_atomically

    out = out or Path(f"{name}.png")
    write_atomically(out, sample_grid(name, seed=seed))
    click.echo(str(out))


@cli.group()
def data() -> None:
    """Find, fetch and check the published data sets."""


@data.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects with an `id`.")
def data_list(as_json: bool) -> None:
    """List the data sets and whether they are here."""
    from auditkit.data.catalogue import DATA

    _print_presence(list(DATA), read=False, as_json=as_json)


@data.command("path")
@click.argument("name")
@click.option(
    "--download", is_flag=True, help="Fetch what is not here, from where it is published."
)
def data_path(name: str, download: bool) -> None:
    """Print where the files of a data set are, one a line."""
    from auditkit.data.presence import paths

    for path in paths(name, fetch=download):
        click.echo(path)


@data.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects with an `id`.")
def data_check(names: tuple[str, ...], as_json: bool) -> None:
    """Compare files with their published checksums; all data sets that are here by default.

    Exit code 2 when a file is damaged, or a data set that was named is not here.
    """
    from auditkit.data.catalogue import DATA

    found = _print_presence(list(names or DATA), read=True, as_json=as_json)
    bad = {"damaged", "absent"} if names else {"damaged"}
    sys.exit(2 if bad & {one.status for one in found} else 0)


@data.command("describe")
@click.option(
    "--data",
    metavar="DATA",
    type=FILE_OR_NAME,
    required=True,
    help="Known name, table or image folder.",
)
@_data_options
@_group_options
@click.option(
    "--min-cell",
    type=click.IntRange(min=1),
    metavar="N",
    help="Privacy: say nothing about fewer than N inputs of a group.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the permutations.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def data_describe(as_json: bool, min_cell: int | None, seed: int, **options: Any) -> None:
    """Describe the groups of data before any model is involved.

    Group sizes, label rates with intervals, missing attributes, small cells, and which columns may
    stand in for a sensitive one.
    """
    from auditkit.data.load import DataSpec
    from auditkit.description.describe import describe
    from auditkit.description.terminal import render_description

    source = options.pop("data")
    found = describe(DataSpec(source=source, **options), min_cell=min_cell, seed=seed)
    with suppress(BrokenPipeError):
        if as_json:
            click.echo(found.model_dump_json(indent=1))
        else:
            render_description(found, _console())


def _print_presence(names: list[str], *, read: bool, as_json: bool) -> list[Presence]:
    from auditkit.data.presence import look

    found = [look(name, read=read) for name in names]
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in found], indent=1))
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            click.echo(f"{one.name:<{width}}  {one.status:<8}  {one.said}")
    return found


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script: source it from your shell's start-up file."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "audit", "_AUDIT_COMPLETE").source())
