"""Tokenizers of other people's models: a Hugging Face folder with a `tokenizer.json`, such as Code Llama's.

`ForeignTokenizer` does what building data and training ask of a `Tokenizer`; `load_any` gives whichever a folder holds.
The ids are those that transformers' tokenizer of the folder gives, without BOS. Two kinds are understood, as Llama
models have them: words in which `▁` is a space, with `<0x0A>` for bytes that are in none, and words of bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from llm_compiler.model.tokenizer import BYTE_OF, Tokenizer, TokenizerError

_FILE, _CONFIG = "tokenizer.json", "tokenizer_config.json"
_KEPT = (_FILE, _CONFIG, "special_tokens_map.json", "tokenizer.model")
_ROLES = ("bos", "eos", "pad")
_DECIDES = ("added_tokens", "normalizer", "pre_tokenizer", "model")
"""The parts of a tokenizer.json that text becomes ids by."""
_BYTE = re.compile("<0x([0-9A-F]{2})>")
_SPACE = "▁"


class ForeignTokenizer:
    """Text to ids and back, by the tokenizer of a folder. Never changes."""

    def __init__(self, folder: Path) -> None:
        """TokenizerError where there is none, or one that does not say what begins and ends a text."""
        try:
            self._files = {name: (folder / name).read_bytes() for name in _KEPT if (folder / name).is_file()}
            if _FILE not in self._files:
                more = "; tokenizer.model alone is not enough: let transformers write both" if self._files else ""
                raise TokenizerError(f"no tokenizer in {folder}: it has no {_FILE}{more}")
            document = json.loads(self._files[_FILE])
            # The one takes the folder's special tokens in a text for what they are, the other for text.
            self._templates, self._texts = (tokenizers.Tokenizer.from_str(json.dumps(document)) for _ in range(2))
            for one in (self._templates, self._texts):
                one.no_truncation()
                one.no_padding()
            self._texts.encode_special_tokens = True
            self._bytes = _bytes_of(document, self._texts.get_vocab())
            self._special = [token["content"] for token in document["added_tokens"] if token["special"]]
            self._roles = _roles(folder, self._texts.get_vocab())
        except TokenizerError:
            raise
        except OSError as error:
            raise TokenizerError(f"no tokenizer in {folder}: {error.strerror}") from None
        except Exception as error:  # the library raises bare exceptions
            raise TokenizerError(f"{folder}: not a tokenizer ({' '.join(str(error).split())[:200]})") from None
        for role in ("bos", "eos"):
            if role not in self._roles:
                raise TokenizerError(f"{folder}: neither {_CONFIG} nor config.json names a {role} token")
        decides = [{name: document.get(name) for name in _DECIDES}, self.bos, self.eos, self.pad]
        self.fingerprint = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]
        """As `Tokenizer.fingerprint`."""
        self._adds_space = self.decode_bytes(self.encode("x")).startswith(b" ")

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into the folder, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        words = {number: word for word, number in self._texts.get_vocab().items()}
        # What only the model's config.json said is said here.
        roles = {f"{role}_token": words[number] for role, number in self._roles.items()}
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **roles, **json.loads(self._files.get(_CONFIG, b"{}"))}
        config = {**config, **{name: word for name, word in roles.items() if config[name] is None}}
        for name, content in self._files.items():
            (folder / name).write_bytes(content)
        (folder / _CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest id. A model may have more rows in its embedding."""
        return len(self._bytes)

    @property
    def bos(self) -> int:
        """The id that begins a document."""
        return self._roles["bos"]

    @property
    def eos(self) -> int:
        """The id that ends a document or an answer."""
        return self._roles["eos"]

    @property
    def pad(self) -> int:
        """The id that fills up: EOS where the folder names none, for nothing is learnt of it."""
        return self._roles.get("pad", self.eos)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, none of them special, without BOS.

        Bytes that are not UTF-8, as Python's `surrogateescape` has them, become U+FFFD. UnicodeEncodeError for other
        surrogates.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each, on all cores unless TOKENIZERS_PARALLELISM is `false`."""
        return [one.ids for one in self._texts.encode_batch_fast(list(map(_valid, texts)), add_special_tokens=False)]

    def encode_pieces(self, pieces: Iterable[tuple[str, bool]]) -> list[int]:
        """The ids of a prompt in pieces: text, and whether it is a template, which may have special tokens in it.

        All pieces are encoded as one text. So the ids are those of transformers, unless a piece that is no template
        reads like a special token: then none in the text is taken for one.
        """
        pieces = list(pieces)
        text = "".join(piece for piece, _ in pieces)
        if any(word in piece for piece, is_template in pieces if not is_template for word in self._special):
            return self.encode(text)
        ids: list[int] = self._templates.encode(_valid(text), add_special_tokens=False).ids
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """What the ids stand for within a text; special tokens for nothing. ValueError for other ids."""
        try:
            return b"".join(map(self._bytes.__getitem__, ids))
        except KeyError as error:
            raise ValueError(f"no token has the id {error}; there are {self.vocabulary_size}") from None

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text that was encoded: `decode_bytes`, without the space that the tokenizer puts before it."""
        text = self.decode_bytes(ids)
        return (text[1:] if self._adds_space and text.startswith(b" ") else text).decode(errors=errors)


AnyTokenizer = Tokenizer | ForeignTokenizer


def load_any(folder: Path) -> AnyTokenizer:
    """The tokenizer of a folder, ours or a foreign one. TokenizerError if there is none."""
    with contextlib.suppress(TokenizerError):
        return Tokenizer.load(folder)
    return ForeignTokenizer(folder)


def cut(tokenizer: AnyTokenizer, prompt: Sequence[tuple[str, bool]], tokens: int) -> tuple[tuple[str, bool], ...]:
    """A prompt with the end of its longest code left out, so that it has at most so many tokens without BOS.

    ValueError where the words around the code have more.
    """
    pieces = tuple(prompt)
    longest = max(range(len(pieces)), key=lambda place: (not pieces[place][1], len(pieces[place][0])))
    ids = tokenizer.encode(pieces[longest][0])
    kept = len(ids)
    while (over := len(tokenizer.encode_pieces(pieces)) - tokens) > 0:
        if not kept:
            raise ValueError(f"the words alone are more than {tokens} tokens")
        kept = max(0, kept - over)
        code = tokenizer.decode(ids[:kept], "ignore")
        pieces = (*pieces[:longest], (code, False), *pieces[longest + 1 :])
    return pieces


def _valid(text: str) -> str:
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="replace")


def _bytes_of(document: Mapping[str, Any], ids: Mapping[str, int]) -> dict[int, bytes]:
    """What each id stands for; those that no token has, and special ones, for nothing."""
    special = {token["content"] for token in document["added_tokens"] if token["special"]}
    added = {token["content"] for token in document["added_tokens"]}
    kinds = {part["type"] for part in _parts(document["decoder"])}
    found = dict.fromkeys(range(max(ids.values()) + 1), b"")
    for word, number in ids.items():
        if word in special:
            continue
        if word in added:
            found[number] = word.encode()
        elif "ByteLevel" in kinds:
            found[number] = bytes(map(BYTE_OF.__getitem__, word))
        elif "ByteFallback" in kinds and (byte := _BYTE.fullmatch(word)):
            found[number] = bytes([int(byte[1], 16)])
        else:
            found[number] = word.replace(_SPACE, " ").encode()
    return found


def _parts(decoder: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """A decoder's steps."""
    if decoder is None:
        raise TokenizerError("it does not say how ids become text")
    if decoder["type"] == "Sequence":
        for one in decoder["decoders"]:
            yield from _parts(one)
    else:
        yield decoder


def _roles(folder: Path, ids: Mapping[str, int]) -> dict[str, int]:
    """The ids of those of _ROLES that a file names: the tokenizer's own first, then the model's."""
    found: dict[str, int] = {}
    for name in (_CONFIG, "special_tokens_map.json", "config.json"):
        path = folder / name
        content = json.loads(path.read_bytes()) if path.is_file() else {}
        for role in _ROLES:
            word, number = content.get(f"{role}_token"), content.get(f"{role}_token_id")
            word = word["content"] if isinstance(word, dict) else word
            number = number[0] if isinstance(number, list) else number
            number = ids.get(word) if isinstance(word, str) else number
            if isinstance(number, int) and number in ids.values():
                found.setdefault(role, number)
    return found
