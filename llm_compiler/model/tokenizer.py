"""The tokenizer: byte-level BPE for LLVM-IR and assembly, lossless on any bytes.

Ids, in order: the special tokens, the 256 bytes, what the merges make. So a smaller vocabulary is the beginning of a
larger one, and the merges and the pattern that cuts text into pieces decide everything; `fingerprint` is their hash.

Merges stay within a line, whose newline they may take in: `encode(a + "\\n" + b)` is `encode(a + "\\n") + encode(b)`.
Numbers are cut into pairs of digits from the left: `%12` is `%`, `12`, and `345` is `34`, `5`. Digits in short names
such as `i32`, `xmm0` or `w8` are part of the name.

Text is only text. A string in somebody's code that reads `</code>` becomes ordinary tokens: the BPE that encodes text
does not know the special tokens, and no merge spells one. Tags become ids in templates of ours alone, which
`encode_pieces` is told apart from the code between them.

The folder that `save` writes is one for Hugging Face: `AutoTokenizer.from_pretrained` gives the same ids, but as all
its tokenizers do it adds BOS (unless `add_special_tokens=False`) and takes tags in any text for tags (unless
`split_special_tokens=True`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, models, pre_tokenizers, trainers

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
TAGS = ("<code>", "</code>", "[INST]", "[/INST]")
"""What Meta's prompts mark their parts with."""
RESERVED = tuple(f"<|reserved_{number}|>" for number in range(16))
"""For what later tasks need to say: they stand for no text."""
SPECIALS = (PAD, BOS, EOS, *TAGS, *RESERVED)
DEFAULT = Path(__file__).with_name("data") / "tokenizer"
"""The tokenizer that ships."""

PATTERN = (
    r"(?:(?<![0-9A-Za-z_$])(?:[a-z]{1,4}[0-9]{1,3}|[A-Z]{1,4}[0-9])(?![0-9])|[^0-9\n]){1,1000}\n?"
    r"|[0-9]{1,2}\n?|\n"
)
"""Text is cut into matches of this: names and what surrounds them up to the end of the line, or two digits (one, if a
number has no more).

The names are those of types, registers and sections (`i32`, `xmm0`, `LBB0`). A longer piece than 1,000 would exceed
what the regular expression engine allows itself, which ends the program.
"""
_LONGEST = 64
"""Bytes of a token: some lines are alike for hundreds, in one project."""
_ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
_TAG = re.compile(f"({'|'.join(map(re.escape, TAGS))})")
_NOT_UTF_8 = re.compile("[\ud800-\udfff]")
_TEXTLESS = {PAD, BOS, EOS, *RESERVED}


class TokenizerError(Exception):
    """A folder without a tokenizer of this kind. The message is one line."""


def _byte_of() -> dict[str, int]:
    """The byte that each character of the alphabet stands for: itself if it can be seen, else counted from U+0100."""
    hidden = iter(range(0x100, 0x200))
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    return {chr(byte if byte in visible else next(hidden)): byte for byte in range(256)}


BYTE_OF = _byte_of()
"""What a character of a token stands for."""


def train(texts: Iterable[str], vocabulary: int, pattern: str = PATTERN) -> Tokenizer:
    """A tokenizer with `vocabulary` ids, or fewer if the texts have no more to merge. Same texts, same tokenizer.

    ValueError if `vocabulary` has no room for the special tokens and the bytes.
    """
    words = _room(vocabulary)
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = _pre_tokenizer(pattern)
    # The few more are for merges that have to go.
    size = len(_ALPHABET) + words + 4 * len(SPECIALS)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=_ALPHABET, max_token_length=_LONGEST, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    trained = _pairs(json.loads(bpe.to_str())["model"]["merges"])
    return Tokenizer(_first(trained, words), pattern)


def _room(vocabulary: int) -> int:
    words = vocabulary - len(SPECIALS) - len(_ALPHABET)
    if words < 0:
        raise ValueError(f"a vocabulary of {vocabulary} is below {vocabulary - words}: special tokens and bytes")
    return words


def _pairs(merges: Iterable[str | Sequence[str]]) -> list[tuple[str, str]]:
    """Merges as tokenizers write them (two formats) in pairs."""
    split = (merge.split(" ") if isinstance(merge, str) else merge for merge in merges)
    return [(left, right) for left, right in split]


def _first(merges: Iterable[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """The merges up to that many new words, for two merges may give one word.

    Out are those that spell a special token, which its id would then stand for, and what needs them.
    """
    known, kept = set(_ALPHABET), []
    for left, right in merges:
        if len(known) >= len(_ALPHABET) + count:
            break
        if left in known and right in known and left + right not in SPECIALS:
            known.add(left + right)
            kept.append((left, right))
    return kept


def _pre_tokenizer(pattern: str) -> pre_tokenizers.PreTokenizer:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])


class Tokenizer:
    """Text to ids and back. Made by `train` or `load`; never changes."""

    def __init__(self, merges: Sequence[tuple[str, str]], pattern: str) -> None:
        self._merges, self._pattern = tuple(merges), pattern
        words = [*_ALPHABET, *dict.fromkeys(left + right for left, right in self._merges)]
        self._ids = {word: number for number, word in enumerate((*SPECIALS, *words))}
        text = {word: b"" if word in _TEXTLESS else word.encode() for word in SPECIALS}
        text |= {word: bytes(map(BYTE_OF.__getitem__, word)) for word in words}
        self._bytes = {self._ids[word]: piece for word, piece in text.items()}
        self._byte_ids = [self._ids[word] for word in sorted(_ALPHABET, key=BYTE_OF.__getitem__)]
        self._bpe = tokenizers.Tokenizer(models.BPE(self._ids, list(self._merges)))
        self._bpe.pre_tokenizer = _pre_tokenizer(pattern)

    @classmethod
    def load(cls, folder: Path = DEFAULT) -> Tokenizer:
        """The tokenizer that `save` wrote. TokenizerError if there is none, or one of another kind."""
        try:
            document = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            merges = _pairs(document["model"]["merges"])
            loaded = cls(merges, document["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"])
            same = loaded._ids == document["model"]["vocab"] and _first(merges, len(merges)) == merges
        except OSError as error:
            raise TokenizerError(f"no tokenizer in {folder}: {error.strerror}") from None
        except Exception as error:  # the library raises bare exceptions
            raise TokenizerError(f"{folder}: not a tokenizer of this program ({error})") from None
        if not same:
            raise TokenizerError(f"{folder}: not a tokenizer of this program (its ids are in another order)")
        return loaded

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and what else Hugging Face reads into the folder, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        roles = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD}
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            **roles,
        }
        files = {
            "tokenizer.json": self._document(),
            "tokenizer_config.json": config,
            "special_tokens_map.json": roles,
        }
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _document(self) -> dict[str, Any]:
        """The library's own format, with what Hugging Face needs beyond encoding text."""
        whole: dict[str, Any] = json.loads(self._bpe.to_str())
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        whole["added_tokens"] = [{"id": self._ids[word], "content": word, **flags} for word in SPECIALS]
        whole["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": BOS, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                {"SpecialToken": {"id": BOS, "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {BOS: {"id": BOS, "ids": [self.bos], "tokens": [BOS]}},
        }
        byte_level = {"add_prefix_space": False, "trim_offsets": False, "use_regex": False}
        whole["decoder"] = {"type": "ByteLevel", **byte_level}
        # A string for a merge, as older versions of the library read it too.
        whole["model"]["merges"] = [f"{left} {right}" for left, right in self._merges]
        return whole

    def smaller(self, vocabulary: int) -> Tokenizer:
        """The tokenizer that training with this vocabulary would have given. ValueError as in `train`."""
        return Tokenizer(_first(self._merges, _room(vocabulary)), self._pattern)

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are: rows of an embedding."""
        return len(self._ids)

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides ids, 32 hexadecimal digits. Rows made with another one are not to be read."""
        content = json.dumps([SPECIALS, self._pattern, self._merges])
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    @property
    def pad(self) -> int:
        """The id that fills up."""
        return self._ids[PAD]

    @property
    def bos(self) -> int:
        """The id that begins a document."""
        return self._ids[BOS]

    @property
    def eos(self) -> int:
        """The id that ends a document or an answer."""
        return self._ids[EOS]

    def special(self, token: str) -> int:
        """The id of one of SPECIALS. KeyError for anything else."""
        if token not in SPECIALS:
            raise KeyError(token)
        return self._ids[token]

    def encode(self, text: str) -> list[int]:
        """The ids of a text, none of them special, without BOS.

        Bytes that are not UTF-8 may stand in it as Python's `surrogateescape` has them. UnicodeEncodeError for other
        surrogates.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each, on all cores unless TOKENIZERS_PARALLELISM is `false`."""
        broken = {n for n, text in enumerate(texts) if not text.isascii() and _NOT_UTF_8.search(text)}
        whole = ["" if number in broken else text for number, text in enumerate(texts)]
        ids = [encoding.ids for encoding in self._bpe.encode_batch_fast(whole, add_special_tokens=False)]
        for number in broken:
            ids[number] = self._encode_broken(texts[number])
        return ids

    def _encode_broken(self, text: str) -> list[int]:
        ids: list[int] = []
        for part in re.split("([\udc80-\udcff])", text):
            data = part.encode(errors="surrogateescape")
            if len(data) == 1 and data[0] >= 0x80:
                ids.append(self._byte_ids[data[0]])
            elif part:
                ids += self.encode(data.decode())
        return ids

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of any bytes; of UTF-8 those of the text."""
        return self.encode(data.decode(errors="surrogateescape"))

    def encode_pieces(self, pieces: Iterable[tuple[str, bool]]) -> list[int]:
        """The ids of a prompt in pieces: text, and whether it is a template, in which TAGS become their ids.

        What lies between two tags is encoded as one text, whatever pieces it came in. So as long as no code reads like
        a tag, the ids are those that Hugging Face's tokenizer gives for the joined text.
        """
        ids: list[int] = []
        pending = ""
        for text, is_template in pieces:
            before, *rest = _TAG.split(text) if is_template else [text]
            pending += before
            for tag, after in zip(rest[::2], rest[1::2], strict=True):
                ids += [*self.encode(pending), self._ids[tag]]
                pending = after
        return ids + self.encode(pending)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """What the ids stand for: tags for their text, other special tokens for nothing. ValueError for other ids."""
        try:
            return b"".join(map(self._bytes.__getitem__, ids))
        except KeyError as error:
            raise ValueError(f"no token has the id {error}; there are {self.vocabulary_size}") from None

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """`decode_bytes` as text. With `surrogateescape` for `errors` nothing is lost where it is not UTF-8."""
        return self.decode_bytes(ids).decode(errors=errors)
