"""How fast documents become searchable: Trivium and the four peers, same weights, same chunk texts, one run.

Each system stays in a process of its own with its model loaded; the rounds go A B C D E, A B C D E, so that a change
of the machine's speed meets all of them. Trivium reads one text file a paragraph from the disk, and its figure ends
when everything is committed and flushed to the disk; the peers get the texts in memory and keep their index in
memory, which is in their favour. Each peer runs at the best of several batch sizes, tried before the rounds.
`embed` is Trivium's embedder alone on the same texts: what its pipeline adds to that is the overhead.

    python benchmarks/ingest.py                      # 1,000 paragraphs, 5 rounds: about 20 minutes
    python benchmarks/ingest.py --texts 40 --rounds 1    # a smoke test
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from data import corpus
from passages import MOST_TOKENS, token_counts
from peers import CACHE, PEERS, TITLES, Worker, model_folder
from results import busy, save, table

BATCHES = (8, 16, 32, 64, 128, 256)
LEAST_WORDS, MOST_WORDS = 75, 155  # about 110 on average, and below every system's limit of one chunk
SHARE_TO_TRY = 4  # batch sizes are tried on one text in four


def paragraphs(n: int) -> list[str]:
    """Return n SQuAD paragraphs of about 110 words, drawn by md5."""
    texts = [p.text for p in corpus("squad") if LEAST_WORDS <= len(p.text.split()) <= MOST_WORDS]
    fitting = [text for text, tokens in zip(texts, token_counts(texts), strict=True) if tokens <= MOST_TOKENS]
    fitting.sort(key=lambda text: hashlib.md5(text.encode()).digest())
    if len(fitting) < n:
        raise SystemExit(f"There are {len(fitting)} paragraphs of that length, and {n} were asked for.")
    return fitting[:n]


class Peer:
    """A peer's worker, with the batch size it is fastest at."""

    def __init__(self, name: str) -> None:
        self._worker = Worker(name)
        self.start_up = self._load(32)
        self.batch = 32

    def _load(self, batch: int) -> float:
        return float(self._worker.ask("load", model=str(model_folder()), batch=batch)["seconds"])

    def tune(self, texts: list[str], batches: tuple[int, ...]) -> dict[int, float]:
        """Try the batch sizes and keep the best; return the rate of each, in texts a second."""
        rates = {}
        for batch in batches:
            self._load(batch)
            self.run(texts[:16])
            rates[batch] = len(texts) / self.run(texts)
        self.batch = max(rates, key=lambda batch: rates[batch])
        self._load(self.batch)
        self.run(texts[:16])
        return rates

    def run(self, texts: list[str]) -> float:
        """Index the texts afresh; return the seconds."""
        answer = self._worker.ask("index", ids=[f"t{n}" for n in range(len(texts))], texts=texts)
        return float(answer["seconds"])

    def close(self) -> None:
        """End its process."""
        self._worker.close()


class Ours:
    """Trivium's worker, and the folder of text files that it reads."""

    def __init__(self, texts: list[str], folder: Path) -> None:
        self._folder = folder
        self._files = folder / "files"
        self._files.mkdir(parents=True)
        for n, text in enumerate(texts):
            (self._files / f"{n:05d}.txt").write_text(text, "utf-8")
        self._texts = texts
        self._worker = Worker("trivium")
        self.start_up = float(self._worker.ask("load")["seconds"])
        self.open_seconds: list[float] = []
        self.cpu_seconds: dict[str, list[float]] = {"trivium": [], "embed": []}

    def run(self) -> float:
        """Add the folder to a new knowledge base; return the seconds.

        Raises:
            SystemExit: the chunks are not the texts one for one, so that the rates cannot be compared.
        """
        kb = self._folder / "kb"
        answer = self._worker.ask("index", folder=str(self._files), kb=str(kb))
        shutil.rmtree(kb)
        if answer["chunks"] != len(self._texts) or answer["failed"]:
            found = f"{answer['chunks']} chunks of {len(self._texts)} texts, failed: {answer['failed'][:3]}"
            raise SystemExit(f"Trivium's chunks are not the peers' texts: {found}")
        self.open_seconds.append(float(answer["open_seconds"]))
        self.cpu_seconds["trivium"].append(float(answer["cpu_seconds"]))
        return float(answer["seconds"])

    def embed(self) -> float:
        """Only embed the texts; return the seconds."""
        answer = self._worker.ask("embed", texts=self._texts)
        self.cpu_seconds["embed"].append(float(answer["cpu_seconds"]))
        return float(answer["seconds"])

    def close(self) -> None:
        """End its process."""
        self._worker.close()


def measure(texts: list[str], rounds: int, names: list[str], batches: tuple[int, ...]) -> dict[str, Any]:
    """Run the rounds and return every rate, in chunks a second."""
    folder = CACHE / "ingest"
    shutil.rmtree(folder, ignore_errors=True)
    ours = Ours(texts, folder)
    peers = {name: Peer(name) for name in names}
    try:
        tuned = {name: peer.tune(texts[::SHARE_TO_TRY], batches) for name, peer in peers.items()}
        for name, rates in tuned.items():
            tried = ", ".join(f"{batch}: {rate:.1f}/s" for batch, rate in rates.items())
            print(f"{name}: batches {tried}; runs at {peers[name].batch}", file=sys.stderr)
        ours.run()
        seconds: dict[str, list[float]] = {name: [] for name in ["trivium", "embed", *peers]}
        for number in range(rounds):
            seconds["trivium"].append(ours.run())
            seconds["embed"].append(ours.embed())
            for name, peer in peers.items():
                seconds[name].append(peer.run(texts))
            rates = ", ".join(f"{name} {len(texts) / spent[-1]:.1f}" for name, spent in seconds.items())
            print(f"round {number + 1}: {rates} chunks/s", file=sys.stderr, flush=True)
        return {
            "texts": len(texts),
            "words": round(statistics.mean(len(text.split()) for text in texts), 1),
            "seconds": seconds,
            "tried": tuned,
            "batch": {name: peer.batch for name, peer in peers.items()},
            "start_up": {"trivium": ours.start_up, **{name: peer.start_up for name, peer in peers.items()}},
            "open_seconds": ours.open_seconds,
            "cpu_seconds": ours.cpu_seconds,
        }
    finally:
        ours.close()
        for peer in peers.values():
            peer.close()
        shutil.rmtree(folder, ignore_errors=True)


def ratios(figures: dict[str, Any]) -> list[float]:
    """Return, for each round, Trivium's rate over that of the peer that was fastest in the same round."""
    seconds = figures["seconds"]
    peers = [name for name in seconds if name in PEERS]
    return [min(seconds[name][n] for name in peers) / spent for n, spent in enumerate(seconds["trivium"]) if peers]


def overheads(figures: dict[str, Any]) -> list[float]:
    """Return, for each round, what the pipeline adds to the time of embedding alone, as a share of it."""
    seconds = figures["seconds"]
    return [whole / alone - 1 for whole, alone in zip(seconds["trivium"], seconds["embed"], strict=True)]


def report(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    rows = []
    for name, spent in figures["seconds"].items():
        rates = [figures["texts"] / one for one in spent]
        title = TITLES.get(name, "Trivium's embedder alone")
        batch = str(figures["batch"].get(name, "by tokens"))
        start = figures["start_up"].get(name)
        rows.append(
            [
                title,
                f"{statistics.median(rates):.1f}",
                f"{min(rates):.1f} to {max(rates):.1f}",
                batch,
                f"{start:.1f}" if start is not None else "-",
            ]
        )
    lines = [table(["system", "chunks/s (median)", "spread", "batch", "start-up s"], rows), ""]
    lines.append(f"{figures['texts']} paragraphs of {figures['words']} words on average.")
    if found := ratios(figures):
        lines.append(
            f"Trivium over the fastest peer of the same round: {statistics.median(found):.2f}x in the median, "
            f"{min(found):.2f}x to {max(found):.2f}x (target: at least 3.2x)."
        )
    over = overheads(figures)
    lines.append(
        f"The pipeline's overhead over embedding alone: {statistics.median(over):.1%} in the median, "
        f"{min(over):.1%} to {max(over):.1%} (target: under 15%)."
    )
    whole, alone = (statistics.median(figures["cpu_seconds"][name]) for name in ("trivium", "embed"))
    lines.append(
        f"In processor time: {whole / figures['texts'] * 1e3:.1f} ms a chunk, "
        f"{alone / figures['texts'] * 1e3:.1f} ms of it for embedding alone ({whole / alone - 1:+.1%})."
    )
    return "\n".join(lines)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    arguments = parser.parse_args()
    before = busy()
    figures = measure(paragraphs(arguments.texts), arguments.rounds, arguments.peers, tuple(arguments.batches))
    print(report(figures))
    if arguments.texts >= 500 and arguments.rounds >= 3 and set(arguments.peers) == set(PEERS):
        save("ingest", figures, before)


if __name__ == "__main__":
    main()
