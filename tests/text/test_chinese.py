from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

from trivium.text.chinese import segment


def test_words_are_those_of_jieba(shared_data: Path) -> None:
    import jieba

    jieba.setLogLevel(logging.ERROR)
    text = (shared_data / "xquad" / "xquad.zh.json").read_text("utf-8")
    articles = json.loads(text)["data"]
    prose = "".join(p["context"] for a in articles for p in a["paragraphs"])
    runs = re.findall("[\u4e00-\u9fd5]+", prose)[:4000]
    assert len(runs) > 1000
    for run in runs:
        assert segment(run) == jieba.lcut(run, HMM=False)


def test_a_character_of_no_word_stands_alone() -> None:
    assert segment("𠀀𠀁") == ["𠀀", "𠀁"]
    assert segment("") == []


def test_jieba_itself_is_never_imported() -> None:
    code = (
        "import sys; from trivium.text.tokens import analyse; analyse('我们在学习自然语言处理');"
        "sys.exit('jieba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
