"""The commands and their options. What they do is imported when they run: `--help` answers before FastAPI is loaded.

Exit codes: 0 done; 1 it failed; 2 the command line or a setting is wrong.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

__all__ = ["app", "main"]

LEAVE_SECONDS = 5.0


class _Commands(TyperGroup):
    """Turns the errors that a person can do something about into one line each."""

    def invoke(self, ctx: Any) -> Any:
        from pydantic import ValidationError

        from voice_runtime.cli.output import FAILED, USAGE, give_up, problems, say
        from voice_runtime.errors import VoiceRuntimeError

        try:
            return super().invoke(ctx)
        except VoiceRuntimeError as error:
            give_up(" ".join(str(error).split()), FAILED)
        except ValidationError as error:
            for line in problems(error):
                say(f"voice-runtime: {line}")
            raise typer.Exit(USAGE) from None


app = typer.Typer(
    cls=_Commands,
    name="voice-runtime",
    help="Phone calls for your Python code: serve them, place them, look at them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # it prints local variables, keys among them
    context_settings={"help_option_names": ["-h", "--help"]},
)

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODULE:APP]",
        help="A VoiceApp, or the function that answers a call; `app` when only the module is named.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.  [VOICE_SERVER_HOST]", show_default=False)]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port; 0 for any free one.  [VOICE_SERVER_PORT]", show_default=False),
]
Stt = Annotated[
    str | None, typer.Option(help="Speech recognition for a bare handler.  [VOICE_STT]", show_default=False)
]
Tts = Annotated[str | None, typer.Option(help="Speech synthesis for a bare handler.  [VOICE_TTS]", show_default=False)]
LogLevel = Annotated[
    str | None, typer.Option(help="debug, info, warning or error.  [VOICE_LOG_LEVEL]", show_default=False)
]
JsonLogs = Annotated[
    bool | None,
    typer.Option(
        "--json-logs/--plain-logs", help="One JSON object per log line.  [VOICE_LOG_JSON]", show_default=False
    ),
]
Redact = Annotated[bool, typer.Option("--redact-private", help="Hash numbers and what callers say in the logs.")]


def _version(wanted: bool) -> None:
    if wanted:
        from voice_runtime import __version__

        typer.echo(f"voice-runtime {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    target: Target = None,
    host: Host = None,
    port: Port = None,
    stt: Stt = None,
    tts: Tts = None,
    log_level: LogLevel = None,
    json_logs: JsonLogs = None,
    redact_private: Redact = False,
) -> None:
    """Answer calls, with your code or, without any, with an echo that says who it is.

    SIGTERM or Ctrl-C drains: no new calls, /readyz turns 503, and the process ends with the last call
    or after VOICE_DRAIN_SECONDS. A second signal ends it at once.
    """
    from voice_runtime.cli.serving import run, start_logging
    from voice_runtime.cli.target import Speech, load_target

    start_logging(log_level, json_logs, redact_private)
    raise typer.Exit(run(load_target(target, Speech(stt, tts)), host=host, port=port))


@app.command()
def call(
    number: Annotated[str, typer.Argument(help="Whom to call, in E.164: +15551234567.")],
    target: Target = None,
    from_: Annotated[
        str, typer.Option("--from", help="Number to call from.  [TWILIO_PHONE_NUMBER]", show_default=False)
    ] = "",
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Stay until the call is over; only with MODULE:APP.", show_default=False),
    ] = None,
    ring: Annotated[int, typer.Option(min=5, max=600, help="Seconds it may ring.")] = 60,
    detect_machine: Annotated[
        bool, typer.Option("--detect-machine", help="Find out first whether a machine answers.")
    ] = False,
    as_json: AsJson = False,
    host: Host = None,
    port: Port = None,
    stt: Stt = None,
    tts: Tts = None,
    log_level: LogLevel = "warning",
) -> None:
    """Call NUMBER. With MODULE:APP the call is answered by that, here; without, by the server at VOICE_PUBLIC_URL.

    Exit code 0: it was answered and ended well. Needs VOICE_PUBLIC_URL and the TWILIO_ settings.
    """
    from voice_runtime.cli.calling import Outbound, call_and_serve, place
    from voice_runtime.cli.output import give_up
    from voice_runtime.cli.serving import start_logging
    from voice_runtime.cli.target import Speech, load_target

    if not number.strip():
        give_up("there is nobody to call: NUMBER is empty.")
    if target is None and wait:
        give_up("--wait needs MODULE:APP: without one the call is on another server, which alone sees it end.")
    if target is not None and wait is False:
        give_up("--no-wait ends this process, which would carry the call. Leave MODULE:APP or --no-wait out.")
    start_logging(log_level, None)
    wanted = Outbound(number, from_, ring, as_json, detect_machine)
    if target is None:
        raise typer.Exit(place(wanted))
    raise typer.Exit(call_and_serve(load_target(target, Speech(stt, tts)), wanted, host=host, port=port))


@app.command()
def hangup(
    call_sid: Annotated[str, typer.Argument(metavar="CALL_SID", help="The call's id: CA...")], as_json: AsJson = False
) -> None:
    """End a call at the carrier. One that is over already is a success."""
    from voice_runtime.cli.carrier import hang_up

    hang_up(call_sid, as_json)


@app.command()
def calls(
    status: Annotated[str, typer.Option(help="Only these: in-progress, completed, busy, ...", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest first.")] = 20,
    hours: Annotated[float, typer.Option(min=0.01, max=8760, help="Only calls that began within so many hours.")] = 24,
    as_json: AsJson = False,
) -> None:
    """List the account's calls, as the carrier knows them."""
    from voice_runtime.cli.carrier import list_calls

    list_calls(status, limit, hours, as_json)


@app.command()
def sms(
    number: Annotated[str, typer.Argument(help="To whom, in E.164.")],
    text: Annotated[str, typer.Argument(help="The message.")],
    from_: Annotated[
        str, typer.Option("--from", help="Number to send from.  [TWILIO_PHONE_NUMBER]", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Send a text message."""
    from voice_runtime.cli.carrier import send_sms

    send_sms(number, text, from_, as_json)


@app.command()
def providers(as_json: AsJson = False) -> None:
    """List speech providers and carriers: where each comes from, whether it loads, which keys are missing."""
    from voice_runtime.cli.providers import show_providers

    show_providers(as_json)


@app.command()
def doctor(
    online: Annotated[
        bool, typer.Option("--online", help="Also ask the carrier and the public URL, over the network.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine and its settings; every line that fails says what to do. Exit code 1 if a must fails."""
    from voice_runtime.cli.doctor import report

    raise typer.Exit(report(online, as_json))


@app.command()
def bench(
    url: Annotated[str, typer.Argument(help="The voice webhook (http), or a media socket itself (ws).")],
    calls: Annotated[int, typer.Option(min=1, max=100_000, help="How many phone lines.")] = 100,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long each call is.")] = 10.0,
    ramp: Annotated[float, typer.Option(min=0.1, max=1000, help="New calls in each second.")] = 50.0,
    auth_token: Annotated[
        str | None, typer.Option(help="Signs as Twilio does.  [TWILIO_AUTH_TOKEN]", show_default=False)
    ] = None,
    public_url: Annotated[
        str, typer.Option(help="The address that the server believes to have.", show_default=False)
    ] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A host besides this machine that may get the load.", show_default=False)
    ] = None,
    speech: Annotated[
        Path | None,
        typer.Option(help="WAV: what every caller says, for servers that answer; else a tone.", show_default=False),
    ] = None,
    pause: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds of silence before each --speech.")] = 3.0,
    pid: Annotated[
        int | None, typer.Option(min=1, help="The server's process, for its CPU and memory.", show_default=False)
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for report.md, numbers.json and a picture.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play many phone lines against any Twilio voice application, and measure what its callers would notice.

    Each call is a signed webhook, a media socket, 50 frames a second, and a hang-up. Exit code 1 if any call did not
    come about. Only servers on this machine, unless a host is allowed by name.
    """
    from voice_runtime.cli.bench import Wanted, run_bench

    wanted = Wanted(url, calls, seconds, ramp, auth_token, public_url, allow_host or [], speech, pause)
    raise typer.Exit(run_bench(wanted, pid, report, as_json))


@app.command()
def simulate(
    url: Annotated[
        str, typer.Argument(help="The voice webhook of the application; not needed with --listen.", show_default=False)
    ] = "",
    script: Annotated[
        str, typer.Option(help="What the caller does: call.yaml, or file.py:function.", show_default=False)
    ] = "",
    person: Annotated[
        str, typer.Option(help="silent, echo; with --listen also answering-machine, busy, ...", show_default=False)
    ] = "",
    voice: Annotated[
        str, typer.Option(help="For what is typed: espeak, spelled (tones for mock providers), auto.")
    ] = "auto",
    listen: Annotated[
        bool, typer.Option("--listen", help="Wait for the application to place a call by REST, and answer it.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.1, help="With --listen: seconds to wait for it. Without, until Ctrl-C.", show_default=False),
    ] = None,
    calls: Annotated[int, typer.Option(min=1, max=1000, help="The same caller so often at once.")] = 1,
    bad_day: Annotated[
        str, typer.Option(help="What goes wrong: jitter_ms=200,loss=0.05,start_twice.", show_default=False)
    ] = "",
    seed: Annotated[int, typer.Option(help="Chance of the bad day: the same seed brings the same day.")] = 0,
    caller: Annotated[str, typer.Option("--from", help="Who calls.")] = "+358401234567",
    called: Annotated[str, typer.Option("--to", help="The application's number.")] = "+358942721000",
    auth_token: Annotated[
        str | None, typer.Option(help="Signs as Twilio does.  [TWILIO_AUTH_TOKEN]", show_default=False)
    ] = None,
    account_sid: Annotated[
        str | None, typer.Option(help="The account's id: AC...  [TWILIO_ACCOUNT_SID]", show_default=False)
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(help="The address that the application believes to have.  [VOICE_PUBLIC_URL]", show_default=False),
    ] = None,
    api_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the REST API; 0 for any free one.")] = 0,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A host besides this machine that may be called.", show_default=False)
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="The call as a WAV file: caller left, agent right.", show_default=False)
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="The call as an SVG picture.", show_default=False)] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show marks, clears and webhook requests.")] = False,
    as_json: AsJson = False,
) -> None:
    """Call any Twilio voice application from the terminal, or be called by it: a simulated carrier, no account.

    What you type is said; :help lists what else a caller can do. Exit code 1 if a call did not come about, if Twilio
    would have logged an error, or if a script waited in vain.
    """
    from voice_runtime.cli.simulate import Account, Wanted, run_simulate

    wanted = Wanted(
        url=url,
        account=Account(auth_token, account_sid, api_port),
        public_url=public_url,
        allowed_hosts=tuple(allow_host or ()),
        script=script,
        person=person,
        voice=voice,
        listen=listen,
        timeout=timeout,
        calls=calls,
        caller=caller,
        called=called,
        bad_day=bad_day,
        seed=seed,
        record=record,
        picture=picture,
        as_json=as_json,
        verbose=verbose,
    )
    raise typer.Exit(run_simulate(wanted))


@app.command()
def chat(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:AGENT",
            help="An Agent, a brain, a VoiceApp, or what answers a call; `app` when only the module is named.",
            show_default=False,
        ),
    ],
    caller: Annotated[str, typer.Option("--from", help="The number of the caller.")] = "+358401234567",
    called: Annotated[str, typer.Option("--to", help="The number that they called.")] = "+358942721000",
    slowly: Annotated[bool, typer.Option("--slowly", help="Speak at the pace of a voice, so as to interrupt.")] = False,
    silence: Annotated[bool, typer.Option("--silence", help="Notice a caller who types nothing.")] = False,
    log_level: LogLevel = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show who has the floor, and how long each turn took.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Talk to an agent in the terminal, without sound: the same agent, the same turns, no account and no speech.

    What you type is said; :help lists what else a caller can do. Exit code 1 if the agent failed, or a line that was
    typed could not be done.
    """
    from voice_runtime.cli.chat import Chat, run_chat

    raise typer.Exit(run_chat(Chat(target, caller, called, slowly, silence, log_level, as_json, verbose)))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the recording and the report go.")] = Path("demo-output"),
    as_json: AsJson = False,
) -> None:
    """Play a whole phone call with real speech against the simulated carrier: no account, no network."""
    from voice_runtime.cli.demo import run_demo

    raise typer.Exit(run_demo(out, as_json))


def main() -> None:
    """The console script."""
    try:
        app()
    finally:
        # Python waits for every thread at its end; a vendor's that hangs must not keep the process.
        leaving = threading.Timer(LEAVE_SECONDS, _leave, (sys.exc_info()[1],))
        leaving.daemon = True
        leaving.start()


def _leave(reason: BaseException | None) -> None:
    code = reason.code if isinstance(reason, SystemExit) else 1
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
