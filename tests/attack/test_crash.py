"""Kill -9 at any moment: nothing reported done is lost, nothing half is seen, nothing is embedded twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import trivium
from trivium.models.fake import FakeEmbedder

pytestmark = pytest.mark.attack

ADDER = Path(__file__).with_name("adder.py")
KILLS = 40
BATCH = 256


def _start(kb: Path, log: Path, docs: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ADDER), str(kb), str(log), str(docs)], stdout=subprocess.PIPE, text=True
    )


def _lines(log: Path, word: str) -> list[str]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.split(" ", 1)[1] for line in lines if line.startswith(word + " ")]


def _check(kb: Path, log: Path) -> None:
    if not (kb / "trivium.json").exists():
        return  # killed before there was a knowledge base; nothing can have been reported
    base = trivium.open(kb, embedder=FakeEmbedder(), create=False)
    report = base.verify(repair=False)
    assert report.problems == ()
    present = {info.source for info in base.documents()}
    assert set(_lines(log, "done")) <= present


def test_kills_at_random_moments(shared_data: Path, tmp_path: Path) -> None:
    docs = shared_data / "docs"
    started = time.monotonic()
    reference = _start(tmp_path / "reference", tmp_path / "reference.log", docs)
    output, _ = reference.communicate(timeout=300)
    whole = time.monotonic() - started
    wanted = trivium.open(tmp_path / "reference", embedder=FakeEmbedder()).documents()
    assert len(wanted) >= 25, output
    random.seed(20261121)
    kills = run = 0
    while kills < KILLS:
        kb, log = tmp_path / f"kb{run}", tmp_path / f"log{run}"
        while kills < KILLS:
            victim = _start(kb, log, docs)
            try:
                victim.wait(timeout=random.uniform(0.05, 1.0) * whole)
            except subprocess.TimeoutExpired:
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                kills += 1
                _check(kb, log)
            else:
                break
        last = _start(kb, log, docs)
        last.communicate(timeout=300)
        assert last.returncode == 0
        _check(kb, log)
        base = trivium.open(kb, embedder=FakeEmbedder(), create=False)
        assert {(d.source, d.chunks) for d in base.documents()} == {(d.source, d.chunks) for d in wanted}
        _embedded_once(log, tmp_path / "reference.log")
        run += 1


def _embedded_once(log: Path, reference: Path) -> None:
    """Only a batch that a kill caught between the model and the disk, a few milliseconds, may be embedded again."""
    times, usual = Counter(_lines(log, "embedded")), Counter(_lines(reference, "embedded"))
    again = sum((times - usual).values())
    assert set(times) == set(usual)
    assert again <= 2 * BATCH, f"{again} of {usual.total()} texts embedded again"


def test_what_is_done_is_not_embedded_again(shared_data: Path, tmp_path: Path) -> None:
    docs = shared_data / "docs"
    for _ in range(2):
        adder = _start(tmp_path / "kb", tmp_path / "log", docs)
        adder.communicate(timeout=300)
    once = len(_lines(tmp_path / "log", "embedded"))
    adder = _start(tmp_path / "kb", tmp_path / "log", docs)
    output, _ = adder.communicate(timeout=300)
    assert len(_lines(tmp_path / "log", "embedded")) == once
    added, updated, unchanged, _ = map(int, output.split())
    assert (added, updated) == (0, 0)
    assert unchanged >= 25


def test_a_kill_during_removal_leaves_whole_documents(tmp_path: Path) -> None:
    """Removing is one commit too: after a kill each document is there whole or not at all."""
    texts = [trivium.types.Document(f"/doc{n}", f"Words of document {n}. " * 200) for n in range(30)]
    script = "import sys, trivium; from trivium.models.fake import FakeEmbedder as F; " + (
        "kb = trivium.open(sys.argv[1], embedder=F()); [kb.remove([d.source]) for d in kb.documents()]"
    )
    random.seed(7)
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    for _ in range(6):
        kb.add(texts)
        victim = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "kb")])
        try:
            victim.wait(timeout=random.uniform(1.5, 5.0))
        except subprocess.TimeoutExpired:
            victim.kill()
            victim.wait()
        assert kb.verify(repair=False).problems == ()
