"""A process that evaluates and writes down what it asked: the victim of the test beside it.

python evaluator.py FOLDER LOG N   (each line of LOG: the id of a question asked)
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from trivium.evaluate.run import ByExample, evaluate
from trivium.evaluate.scoring import scorer_of
from trivium.types import Answer, Chunk, Example, Hit


def main() -> None:
    folder, log_path, count = sys.argv[1:]
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def answer(example: Example) -> Answer:
        time.sleep(0.002)
        chunk = Chunk("d:0", "d", "s", f"passage {example.id} " * 400, 0, 10)
        said = Answer(example.question, example.answers[0], hits=(Hit(chunk, 1.0, ("dense",)),))
        os.write(log, f"{example.id}\n".encode())
        return said

    examples = [Example(f"q{n}", f"What is {n}?", (str(n),)) for n in range(int(count))]
    report = evaluate(examples, ByExample(answer), Path(folder), scorer=scorer_of(), workers=4)
    sys.stdout.write(f"{report.asked} {report.metrics['correct'].mean}\n")


if __name__ == "__main__":
    main()
