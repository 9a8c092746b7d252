"""What `edge-agent listen` does: a recording or the microphone to the running agent, or only to text."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from edge_agent.agent_client import AgentClient
from edge_agent.rendering import render
from edge_agent.settings import EdgeSettings
from edge_agent.speech.choice import choose_ears
from edge_agent.speech.endpointing import Endpointer, EndpointOptions
from edge_agent.speech.interface import Ears, Heard
from edge_agent.speech.listening import QUIET, Listener
from edge_agent.speech.microphone import Microphone, list_inputs
from edge_agent.speech.recording import decode_recording
from edge_agent.speech.voice_activity import VoiceActivity
from shared.errors import AudioInvalid, ShadowdogError, SpeechUnavailable
from shared.outcome import Execution, Outcome, Timings, now_rfc3339

SESSION = "microphone"
HELLO = (
    "Listening: say “hey dog, sit down” or “狗哥，坐下”; a stop needs no wake phrase. Ctrl-C ends. "
    "正在听；说“狗哥”开头，随时可以喊停。按 Ctrl-C 结束。"
)
PRESS = "Press Enter, then speak. 按回车后说话。Ctrl-D ends 结束。"


def show(came: Outcome | ShadowdogError, as_json: bool, quiet: bool) -> None:
    """Print what came of an utterance; with `quiet` nothing where nobody spoke to the dog."""
    if isinstance(came, ShadowdogError):
        click.echo(f"edge-agent listen: {came.message} ({came.code})", err=True)
    elif as_json:
        click.echo(came.model_dump_json())
    elif not (quiet and came.execution.reason in QUIET):
        click.echo(render(came, sys.stdout.isatty()))


def listen_to_file(settings: EdgeSettings, path: Path, as_json: bool, text_only: bool) -> None:
    """Give a WAV file to the agent, as if somebody had pressed a button and said it."""
    recording = read_recording(path)
    if text_only:
        show(_understand_here(settings)(recording), as_json, quiet=False)
        return
    with AgentClient.of(settings) as agent:
        show(agent.hear(recording, session_id=SESSION), as_json, quiet=False)


def read_recording(path: Path) -> bytes:
    """Return the bytes of a WAV file; AudioInvalid where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise AudioInvalid(f"{path} cannot be read ({error.strerror or error})") from error


def listen_to_microphone(
    settings: EdgeSettings,
    device: str | None,
    as_json: bool,
    *,
    push_to_talk: bool,
    text_only: bool,
) -> None:
    """Listen until Ctrl-C."""
    activity = VoiceActivity()
    options = EndpointOptions(settings.end_silence_s, settings.early_silence_s)
    endpointer = Endpointer(activity.probability, options)
    with Microphone(device) as microphone, AgentClient.of(settings) as agent:
        if text_only:
            send = _understand_here(settings)
        else:
            agent.state()  # says at once where no agent answers

            def send(recording: bytes) -> Outcome:
                return agent.hear(
                    recording, source="microphone", push_to_talk=push_to_talk, session_id=SESSION
                )

        quiet = not (push_to_talk or text_only)
        send_ahead = None if text_only else agent.anticipate
        listener = Listener(endpointer, send, lambda came: show(came, as_json, quiet), send_ahead)
        if not push_to_talk:
            click.echo(HELLO, err=True)
            listener.listen(microphone.frames())
            return
        for _ in _presses():
            microphone.flush()
            activity.reset()
            listener.take_one(microphone.frames())


def show_devices() -> None:
    """Print the inputs by number and name."""
    inputs = list_inputs()
    if not inputs:
        raise SpeechUnavailable("there is no microphone; plug one in")
    for number, name in inputs:
        click.echo(f"{number:3}  {name}")


def _presses() -> Iterator[None]:
    while True:
        click.echo(PRESS, err=True)
        if not sys.stdin.readline():
            return
        yield


def _understand_here(settings: EdgeSettings) -> Callable[[bytes], Outcome]:
    """Return what turns a recording into an outcome with this process's own ears, and does nothing."""
    chosen = choose_ears(settings)
    if chosen is None:
        raise SpeechUnavailable("EDGE_EARS=text understands no recordings; set EDGE_EARS=whisper")
    ears: Ears = chosen
    ears.open()

    def understand(recording: bytes) -> Outcome:
        return _as_outcome(ears.understand(decode_recording(recording, "wav")))

    return understand


def _as_outcome(heard: Heard) -> Outcome:
    return Outcome(
        request_id="none",
        time=now_rfc3339(),
        source="audio",
        text=heard.text,
        lang=heard.lang,
        heard_probability=heard.probability,
        route="none",
        tag=None,
        execution=Execution(reason=heard.reason or heard.doubt),
        timings_ms=Timings(),
    )
