"""The process that listens: pocketsphinx holds the GIL while it decodes, so it must not live in the server.

Run by its path, not with `-m`: importing the package would load the server into every worker. So it imports nothing of
ours, and what it says over its pipes is written here, once, for both ends.

A frame is four bytes of length, one byte of kind, the payload. In: `CONFIGURE` (JSON, see `Recognizer.configure`),
`AUDIO` (mu-law, any length), `FLUSH`. Out: `READY` or `REFUSED` for each CONFIGURE, `SPEECH` when the caller begins to
speak, `PARTIAL`, `FINAL` when speech has ended (the text may be empty), `FLUSHED`. SPEECH, FINAL and FLUSHED carry how
many bytes of audio were taken in. The end of stdin is the end of the process: it cannot outlive its server.
"""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # PEP 594; audioop-lts takes over on 3.13
    import audioop

__all__ = ["Endpointer", "Heard", "Kind", "Recognizer", "Refused", "main", "pack", "read_frame"]

HEADER = struct.Struct(">IB")
FRAME = 160  # 20 ms of mu-law
PREROLL_FRAMES = 25  # 0.5 s kept from before the decision that this is speech: no first syllable is lost
START_WINDOW, START_FRAMES = 8, 5  # speech in 5 of the last 8 frames: 100 ms, so a click is not a caller
MAX_UTTERANCE_FRAMES = 1500  # 30 s: then it is committed, whoever still talks (or whatever still hums)
SLACK = 15  # hundredths of a second: the phone loop hears that much of a sound in the breath around a lone "no"
PARTIAL_FRAMES = 10  # at most five partial texts a second

# The model's own start value is for wide-band recordings: with it a call's first words come out with phantom digits
# before and after ("eight four seven one nine"). These are the means over telephone speech, mu-law, 3.4 kHz.
TELEPHONE_CMN = "42.0,6.2,2.1,14.9,0.1,-1.1,-0.8,-0.1,-11.7,6.6,-5.0,6.9,-2.7"


class Kind(IntEnum):
    """What a frame is."""

    CONFIGURE = 1
    AUDIO = 2
    FLUSH = 3
    FINALISE = 4
    READY = 11
    REFUSED = 12
    SPEECH = 13
    PARTIAL = 14
    FINAL = 15
    FLUSHED = 16


class Heard(NamedTuple):
    """One thing to tell the server. `position` counts the bytes of audio taken in."""

    kind: Kind
    position: int
    text: str = ""


class Refused(Exception):
    """The configuration cannot be used; the argument is one line for the program's author."""


def pack(kind: Kind, payload: bytes = b"") -> bytes:
    """One frame."""
    return HEADER.pack(len(payload), kind) + payload


def read_frame(pipe: BinaryIO) -> tuple[Kind, bytes] | None:
    """The next frame, or None at the end of the pipe."""
    header = pipe.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length, kind = HEADER.unpack(header)
    payload = pipe.read(length)
    return (Kind(kind), payload) if len(payload) == length else None


class Endpointer:
    """Says for each 20 ms frame whether somebody speaks. It counts audio, not time.

    WebRTC's detector calls any steady noise speech, so a frame must also stand 6 dB above the noise floor, which
    follows the level down at once and up by 9 dB/s.
    """

    def __init__(self, silence_ms: int) -> None:
        from pocketsphinx import Vad

        self._vad = Vad(Vad.STRICT, 8000, 0.02)
        self._silence_frames = max(1, silence_ms // 20)
        self._floor = 30.0
        self._recent: deque[bool] = deque(maxlen=START_WINDOW)
        self._quiet = 0
        self.speaking = False

    def hear(self, pcm: bytes) -> bool:
        """Take 20 ms of PCM16 at 8 kHz. Returns `speaking` as it is after them."""
        level = audioop.rms(pcm, 2)
        self._floor = max(10.0, min(float(level), self._floor * 1.02))
        speech = level > max(60.0, 2 * self._floor) and bool(self._vad.is_speech(pcm))
        if not self.speaking:
            self._recent.append(speech)
            if sum(self._recent) >= START_FRAMES:
                self.speaking, self._quiet = True, 0
        else:
            # A click takes back 100 ms of the silence, not all of it.
            self._quiet = max(0, self._quiet - 5) if speech else self._quiet + 1
            if self._quiet >= self._silence_frames:
                self.end()
        return self.speaking

    def end(self) -> None:
        """The utterance is over, whatever is heard."""
        self.speaking = False
        self._recent.clear()


class Model:
    """Where a language's acoustic model, dictionary and language model lie on the disk."""

    def __init__(self, language: str) -> None:
        from pocketsphinx import get_model_path

        root = Path(get_model_path(language))  # an absolute path stays what it is
        try:
            self.acoustic = next(root.glob("*/mdef")).parent
            self.dictionary = next(root.glob("*.dict"))
        except StopIteration:
            raise Refused(f"no model for the language {language!r} in {root}") from None
        self.language_model = next((lm for lm in root.glob("*.lm.bin") if "phone" not in lm.name), None)

    def decoder(self, words: Path) -> Any:
        """A decoder of 16 kHz PCM that knows these words and searches nothing yet."""
        from pocketsphinx import Decoder

        return Decoder(hmm=str(self.acoustic), dict=str(words), lm=None, loglevel="FATAL", logfn=os.devnull)

    def words(self, scratch: Path, wanted: set[str] | None, added: Mapping[str, str]) -> Path:
        """A dictionary of just the wanted words: 13 ms and 6 MB instead of 90 ms and 28 MB. None wants all."""
        spoken = {word.lower(): pronounced.upper() for word, pronounced in added.items()}
        if wanted is None and not spoken:
            return self.dictionary
        known = self.dictionary.read_text(encoding="utf-8")
        lines: list[str] = []
        if wanted is None:
            lines.append(known.rstrip())
            lines += [f"{word} {pronounced}" for word, pronounced in spoken.items()]
        else:
            lines += _pronunciations(known, wanted, spoken)
        path = scratch / "words.dict"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def _pronunciations(known: str, wanted: set[str], added: Mapping[str, str]) -> list[str]:
    any_of = "|".join(re.escape(word) for word in sorted({word.lower() for word in wanted}))
    entries: dict[str, list[str]] = {}
    for word, phones in re.findall(rf"^({any_of})(?:\(\d+\))? (.+)$", known, re.MULTILINE):
        entries.setdefault(word, []).append(phones)
    for word, phones in added.items():
        entries.setdefault(word, []).append(phones)
    if missing := sorted(word for word in wanted if word.lower() not in entries):
        raise Refused(f"no pronunciation of {', '.join(missing)}: add it with words={{'word': 'W ER D'}}")
    return [
        f"{word}({number}) {phones}" if number > 1 else f"{word} {phones}"
        for word in sorted(wanted)
        for number, phones in enumerate(entries[word.lower()], 1)
    ]


def vocabulary(mode: str, text: str) -> set[str]:
    """The words of a grammar, of hints or of keyphrases (one per line), as they are written there."""
    if mode == "grammar":
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
        text = re.sub(r"#JSGF[^;]*;|//.*", " ", text)
        text = re.sub(r"<[^>]*>|\{[^}]*\}|/[\d.eE+-]+/|\b(?:grammar|import)\s[^;]*;|\bpublic\b", " ", text)
        text = re.sub(r"[()\[\]|*+;=]", " ", text)
    elif mode == "keyphrases":
        text = re.sub(r"/[\d.eE+-]+/\s*$", " ", text, flags=re.MULTILINE)
    words = set(text.split())
    if not words:
        raise Refused(f"the {mode} has no words")
    return words


class Search:
    """One vocabulary, ready to decode: a decoder with just the words it needs, and how far to trust it.

    Speech outside a grammar is forced onto some sentence of it, with a good score. But a grammar can only take what it
    cannot explain for silence. So a free phone loop listens beside it, and when the grammar's words cover less than
    `coverage` of the time in which the phone loop heard speech, then that was none of its sentences.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._mode: str = config["mode"]
        self._coverage = float(config["coverage"]) if self._mode in ("grammar", "hints") else 0.0
        model = Model(config["language"])
        wanted = None if self._mode == "dictation" else vocabulary(self._mode, config["text"])
        with tempfile.TemporaryDirectory(prefix="voice-runtime-") as folder:
            scratch = Path(folder)
            words = model.words(scratch, wanted, config["words"])
            self._decoder = model.decoder(words)
            self._phones = model.decoder(words) if self._coverage else None
            try:
                self._add_search(model, config["text"], scratch)
                self._decoder.activate_search("search")
            except (RuntimeError, ValueError, KeyError) as error:
                raise Refused(f"the {self._mode} cannot be used: {error}") from error
        if self._phones is not None:
            self._phones.add_allphone_file("phones", None)
            self._phones.activate_search("phones")

    def _add_search(self, model: Model, text: str, scratch: Path) -> None:
        if self._mode == "grammar":
            self._decoder.add_jsgf_string("search", text)
        elif self._mode == "keyphrases":
            phrases = scratch / "phrases"
            phrases.write_text(text, encoding="utf-8")
            self._decoder.add_kws("search", str(phrases))
        elif self._mode == "hints":
            from pocketsphinx.lm import ArpaBoLM

            arpa = scratch / "hints.lm"
            built = ArpaBoLM(text=text, add_start=True)
            built.compute()
            built.write_file(str(arpa))
            self._decoder.add_lm_file("search", str(arpa))
        elif model.language_model is not None:
            self._decoder.add_lm_file("search", str(model.language_model))
        else:
            raise ValueError("this language has no language model")

    def start(self) -> None:
        """Begin an utterance. Each starts alike: carrying the means on was measured to cost more than it brings."""
        for decoder in self._decoders():
            decoder.set_cmn(TELEPHONE_CMN)
            decoder.start_utt()

    def process(self, pcm: bytes) -> None:
        """Take PCM16 at 16 kHz."""
        for decoder in self._decoders():
            decoder.process_raw(pcm)

    def finish(self) -> str:
        """End the utterance. Returns its text, or "" when it was noise or none of ours."""
        for decoder in self._decoders():
            decoder.end_utt()
        text = self.text()
        return text if text and self._trusted(text) else ""

    def text(self) -> str:
        """What it seems to be so far."""
        if self._mode == "keyphrases":
            found = sorted((part.start_frame, part.word.strip()) for part in self._decoder.seg() or ())
            return " ".join(dict.fromkeys(word for _, word in found))
        hypothesis = self._decoder.hyp()
        return "" if hypothesis is None else str(hypothesis.hypstr)

    def _decoders(self) -> list[Any]:
        return [self._decoder] if self._phones is None else [self._decoder, self._phones]

    def _trusted(self, text: str) -> bool:
        # The best path may end in the middle of a sentence: "my", of "my order number is ...".
        if self._mode == "grammar" and not self._decoder.get_fsg("search").accept(text):
            return False
        if self._phones is None:
            return True
        explained = sum(_length(part) for part in self._decoder.seg() if part.word[0] not in "<[+")
        speech = sum(_length(part) for part in self._phones.seg() or () if part.word != "SIL" and part.word[0] != "+")
        return explained + SLACK >= self._coverage * speech


def _length(part: Any) -> int:
    return int(part.end_frame) - int(part.start_frame) + 1


class Recognizer:
    """Mu-law in, in pieces of any length; what was heard out. Everything the worker does, without its pipes."""

    def __init__(self) -> None:
        self._search: Search | None = None
        self._endpointer: Endpointer | None = None
        self._rest = b""
        self._position = 0
        self._resampling: Any = None
        self._preroll: deque[bytes] = deque(maxlen=PREROLL_FRAMES)
        self._utterance: list[bytes] = []
        self._said = ""

    def configure(self, config: Mapping[str, Any]) -> None:
        """Listen for this from now on. An utterance that is under way is decoded again from its start.

        `config`: mode, text, words, language, coverage, silence_ms. Raises `Refused`; then what was before stays.
        """
        search = Search(config)
        if self._endpointer is None:
            self._endpointer = Endpointer(int(config["silence_ms"]))
        self._search, self._said = search, ""
        if self._utterance:
            search.start()
            for pcm in self._utterance:
                search.process(pcm)

    def hear(self, ulaw: bytes) -> Iterator[Heard]:
        """Take the next piece of the call."""
        data = self._rest + ulaw
        whole = len(data) - len(data) % FRAME
        self._rest = data[whole:]
        for start in range(0, whole, FRAME):
            yield from self._hear_frame(data[start : start + FRAME])

    def take(self, kind: Kind, payload: bytes) -> Iterator[Heard]:
        """Do what a frame other than a configuration asks for."""
        if kind is Kind.AUDIO:
            return self.hear(payload)
        return self.finalise() if kind is Kind.FINALISE else self.flush()

    def finalise(self) -> Iterator[Heard]:
        """The caller is silent, says somebody who knows: the utterance is over."""
        if self._utterance and self._endpointer is not None:
            self._endpointer.end()
            yield self._finish()

    def flush(self) -> Iterator[Heard]:
        """The call is over: what is being said now is all there will be of it."""
        if self._rest:
            yield from self._hear_frame(self._rest.ljust(FRAME, b"\xff"))
            self._rest = b""
        yield from self.finalise()
        yield Heard(Kind.FLUSHED, self._position)

    def _hear_frame(self, ulaw: bytes) -> Iterator[Heard]:
        assert self._search is not None and self._endpointer is not None, "configured first"
        self._position += FRAME
        pcm = audioop.ulaw2lin(ulaw, 2)
        # Linear interpolation on purpose: the model wants energy above 4 kHz, and the image that a clean filter would
        # take away stands in for it (digits 74 % -> 95 %, reference/local-media.md).
        wide, self._resampling = audioop.ratecv(pcm, 2, 1, 8000, 16000, self._resampling)
        speaking = self._endpointer.hear(pcm)
        if not self._utterance:
            self._preroll.append(wide)
            if speaking:
                yield Heard(Kind.SPEECH, self._position)
                self._begin()
            return
        self._utterance.append(wide)
        self._search.process(wide)
        if not speaking or len(self._utterance) >= MAX_UTTERANCE_FRAMES:
            self._endpointer.end()
            yield self._finish()
        elif len(self._utterance) % PARTIAL_FRAMES == 0 and (text := self._search.text()) not in ("", self._said):
            self._said = text
            yield Heard(Kind.PARTIAL, self._position, text)

    def _begin(self) -> None:
        assert self._search is not None
        self._utterance, self._said = list(self._preroll), ""
        self._preroll.clear()
        self._search.start()
        for pcm in self._utterance:
            self._search.process(pcm)

    def _finish(self) -> Heard:
        assert self._search is not None
        self._utterance = []
        return Heard(Kind.FINAL, self._position, self._search.finish())


def main() -> None:
    """Serve the pipes until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server decides when we end
    words = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a C library prints must not land between our frames

    def say(kind: Kind, payload: bytes = b"") -> None:
        words.write(pack(kind, payload))
        words.flush()

    recognizer = Recognizer()
    try:
        while (frame := read_frame(sys.stdin.buffer)) is not None:
            kind, payload = frame
            if kind is Kind.CONFIGURE:
                try:
                    recognizer.configure(json.loads(payload))
                except Refused as refused:
                    say(Kind.REFUSED, str(refused).encode())
                else:
                    say(Kind.READY)
                continue
            for heard in recognizer.take(kind, payload):
                say(heard.kind, json.dumps(heard[1:]).encode())
    except BrokenPipeError:
        os._exit(0)  # the server is gone: nobody is left to tell, and closing the pipe would fail again


if __name__ == "__main__":
    main()
