"""`trivium questions make|split|leak|review|show`: question sets made, divided, checked and reviewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.options import Chat, Debug, Embedder, Json, Kb, Principals, names, open_kb
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.api import KnowledgeBase
    from trivium.tasks.review import Choice, ReviewReport
    from trivium.tasks.synthesis import MakeReport
    from trivium.types import Document, Example

Questions = Annotated[Path, typer.Argument(metavar="FILE", help="A question set, of any known format.")]
_MOST_DOCUMENTS = 2_000
"""Documents that questions are made from; of a larger knowledge base, as many chosen by the seed."""


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    group = typer.Typer(
        help="Make a question set, split it by document, check it for leaks, review it.",
        epilog="Example: trivium questions make questions.jsonl --count 50 && trivium questions review questions.jsonl",
        no_args_is_help=True,
    )
    group.command("make", epilog="Example: trivium questions make questions.jsonl --kind single --kind multi")(make)
    group.command("split", epilog="Example: trivium questions split set.jsonl train=0.8 test=0.2 --out parts/")(split)
    group.command("leak", epilog="Example: trivium questions leak train.jsonl test.jsonl --threshold 0.8")(leak)
    group.command("review", epilog="Example: trivium questions review questions.jsonl")(review)
    group.command("show", epilog="Example: trivium questions show questions.jsonl --n 5")(show)
    app.add_typer(group, name="questions")


def make(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The question set to write, or to go on with.")],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="NAME",
            help="single, multi, unanswerable, paraphrase; without a model: cloze, heading. May be repeated.",
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="Questions of each kind.")] = 20,
    k: Annotated[int, typer.Option("--k", metavar="N", min=1, help="Hits among which the source must be.")] = 5,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed, other questions.")] = 0,
    model: Annotated[
        bool, typer.Option("--model/--no-model", help="Write them with the chat model, or by rules alone.")
    ] = True,
    threads: Annotated[int, typer.Option("--threads", metavar="N", min=1, help="Questions made at once.")] = 1,
    principals: Principals = "",
    chat: Chat = "",
    embedder: Embedder = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Make a question set from the knowledge base. Each question must find its own source again to be kept."""
    from trivium.tasks.synthesis import KINDS, make_questions

    screen: Screen = ctx.obj
    asker = names(principals) or None
    speaks = model and any(KINDS[name].needs_chat for name in kind or ["single"] if name in KINDS)
    base = open_kb(screen, kb, embedder=embedder, chat=chat, answers=speaks)
    with _making(screen, count * len(kind or [1] * (4 if model else 2))) as show_progress:
        report = make_questions(
            _documents(base, asker, seed),
            out,
            search=lambda question, most: base.search(question, k=most, principals=asker),
            chat=base.chat if speaks else None,
            kinds=kind or (),
            count=count,
            k=k,
            seed=seed,
            threads=threads,
            progress=show_progress,
        )
    if screen.as_json:
        kinds = {name: {**asdict(one), "rate": one.rate} for name, one in report.kinds.items()}
        screen.emit({"path": str(report.path), "new": report.new, "kinds": kinds, "seconds": report.seconds})
    else:
        _show_made(screen, report)
    return 0 if any(one.kept for one in report.kinds.values()) else 1


def _documents(base: KnowledgeBase, asker: Sequence[str] | None, seed: int) -> list[Document]:
    """Return the documents that the asker may read; of more than `_MOST_DOCUMENTS`, those that the seed chooses."""
    from hashlib import sha256

    infos = sorted(base.documents(), key=lambda one: sha256(f"{seed}\n{one.source}".encode(errors="replace")).digest())
    found: list[Document] = []
    for info in infos:
        document = base.document(info.id, principals=asker)
        if document is not None:
            found.append(document)
        if len(found) == _MOST_DOCUMENTS:
            break
    return found


@contextmanager
def _making(screen: Screen, total: int) -> Iterator[Callable[[str, str, str], None]]:
    """Show how the making goes: a bar where someone watches, else a line for each question kept."""
    if not screen.err.is_interactive:
        yield lambda kind, outcome, question: screen.say(f"{kind}: {question}") if question else None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("Making"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("kept of {task.fields[tried]} tried"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[last]}"),
    )
    with Progress(*columns, console=screen.err, transient=True) as bar:
        from rich.markup import escape

        task = bar.add_task("", total=total, tried=0, last="")
        tried = 0

        def show_one(kind: str, outcome: str, question: str) -> None:
            nonlocal tried
            tried += 1
            bar.update(task, advance=bool(question), tried=tried, last=escape(f"{kind}: {question or outcome}"[:60]))

        yield show_one


def _show_made(screen: Screen, report: MakeReport) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("kind")
    for name in ("kept", "tried", "rate"):
        table.add_column(name, justify="right")
    table.add_column("dropped for", overflow="fold")
    for name, one in report.kinds.items():
        reasons = ", ".join(f"{reason} {number}" for reason, number in one.dropped.items())
        table.add_row(name, str(one.kept), str(one.tried), f"{one.rate:.0%}", reasons)
    screen.out.print(table)
    screen.out.print(f"{report.new} new questions in {report.seconds:.0f} s, in {report.path}.", soft_wrap=True)
    for name, one in report.kinds.items():
        if one.kept < one.wanted:
            screen.say(f"{name}: {one.tried} tries gave only {one.kept} of {one.wanted} questions.", "yellow")


def split(
    ctx: typer.Context,
    file: Questions,
    parts: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=SHARE", help="Default: train=0.8 test=0.2.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Default: the file's folder.")] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="KEY", help="A key of the metadata, such as title. Default: the document.")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed, another split.")] = 0,
    stable: Annotated[
        bool, typer.Option("--stable", help="A question keeps its part when the set grows; shares are met roughly.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Split a question set by document: no document and no question is on two sides. Writes one file a part."""
    from trivium.tasks.questions import read_questions, write_questions
    from trivium.tasks.split import documents_of, metadata_of
    from trivium.tasks.split import split as split_examples

    screen: Screen = ctx.obj
    found = read_questions(file)
    of = metadata_of(by) if by else documents_of
    if by and not any(of(example) for example in found.examples):
        raise UsageError(f"No question of {file} has {by!r} in its metadata.", "Leave --by out to split by document.")
    done = split_examples(found.examples, shares_of(parts), seed=seed, by=of, stable=stable)
    folder = out or file.parent
    files = {name: folder / f"{found.name}.{name}.jsonl" for name in done.parts}
    for name, examples in done.parts.items():
        write_questions(files[name], examples)
    if screen.as_json:
        sizes = {name: {**asdict(size), "path": str(files[name])} for name, size in done.sizes.items()}
        rest = {key: getattr(done, key) for key in ("components", "largest", "unsourced", "repeated")}
        screen.emit({"parts": sizes, **rest})
        return 0
    for name, size in done.sizes.items():
        screen.out.print(
            f"{name}: {size.questions:,} questions ({size.share:.1%}, wanted {size.wanted:.1%}) "
            f"of {size.documents:,} documents: {files[name]}",
            soft_wrap=True,
        )
    screen.out.print(f"{done.components:,} groups; the largest has {done.largest:.1%} of the questions.")
    if done.unsourced:
        screen.say(f"{done.unsourced:,} questions name no document: each was placed alone.", "yellow")
    return 0


def shares_of(parts: Sequence[str] | None) -> dict[str, float]:
    """Return the shares in `NAME=SHARE` words."""
    shares: dict[str, float] = {}
    for part in parts or ("train=0.8", "test=0.2"):
        name, _, share = part.partition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            name = ""
        if not name or not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"The part {part!r} is not of the form NAME=SHARE.", "For example: train=0.8 test=0.2")
    return shares


def leak(
    ctx: typer.Context,
    left: Annotated[Path, typer.Argument(metavar="TRAIN", help="One set, such as the training set.")],
    right: Annotated[Path, typer.Argument(metavar="TEST", help="The other: each of its questions is looked up.")],
    threshold: Annotated[
        float, typer.Option("--threshold", metavar="S", help="The least similarity, above 0 and at most 1.")
    ] = 0.7,
    of: Annotated[
        list[str] | None, typer.Option("--of", metavar="NAME", help="question, evidence. Default: both.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """List what two sets share: questions and evidence, word for word or nearly. Exit status 1 if there is any."""
    from trivium.cli.show import one_line
    from trivium.tasks.leak import TEXTS, leaks_between
    from trivium.tasks.questions import read_questions

    screen: Screen = ctx.obj
    a, b = read_questions(left).examples, read_questions(right).examples
    found = leaks_between(a, b, of=of or tuple(TEXTS), threshold=threshold)
    touched = len({one.right for one in found})
    if screen.as_json:
        screen.emit({"questions": len(b), "leaking": touched, "pairs": [asdict(one) for one in found]})
        return 1 if found else 0
    for one in found[:50]:
        how = "exact" if one.exact else f"{one.similarity:.2f}"
        screen.out.print(f"{how}  {one.of}  {one.left} = {one.right}", soft_wrap=True)
        screen.out.print(f"    {one_line(one.left_text, 200)}", soft_wrap=True)
        if not one.exact:
            screen.out.print(f"    {one_line(one.right_text, 200)}", soft_wrap=True)
    if len(found) > 50:
        screen.say(f"… and {len(found) - 50:,} more pairs; --json lists all.")
    screen.out.print(f"{touched:,} of {len(b):,} questions share something with {left}.", soft_wrap=True)
    return 1 if found else 0


def show(
    ctx: typer.Context,
    file: Questions,
    n: Annotated[int, typer.Option("--n", metavar="N", min=0, help="How many questions to print.")] = 10,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Say what a question set holds, what was wrong with its rows, and print its first questions."""
    from collections import Counter

    from trivium.tasks.questions import count_problems, read_questions

    screen: Screen = ctx.obj
    found = read_questions(file)
    facts = {
        "name": found.name,
        "format": found.format,
        "questions": len(found.examples),
        "passages": len(found.documents),
        "unanswerable": sum(example.unanswerable for example in found.examples),
        "with_evidence": sum(bool(example.evidence) for example in found.examples),
        "languages": dict(Counter(example.language or "?" for example in found.examples).most_common()),
        "tags": dict(Counter(tag for example in found.examples for tag in example.tags).most_common(20)),
        "problems": count_problems(found.problems),
    }
    if screen.as_json:
        screen.emit({**facts, "examples": [asdict(example) for example in found.examples[:n]]})
        return 0
    for name, value in facts.items():
        if value not in ({}, 0, ""):
            words = (
                ", ".join(f"{key} {number:,}" for key, number in value.items()) if isinstance(value, dict) else value
            )
            screen.out.print(f"{name.replace('_', ' ')}: {words}", soft_wrap=True)
    for problem in found.problems[:10]:
        screen.say(f"{problem.where} {problem.what}", "yellow")
    for number, example in enumerate(found.examples[:n], 1):
        screen.out.print()
        _show_example(screen, example, str(number))
    return 0


def _show_example(screen: Screen, example: Example, number: str) -> None:
    from rich.text import Text

    from trivium.cli.show import near, one_line

    out = screen.out
    out.print(Text.assemble((f"{number}. ", "bold cyan"), (example.question, "bold")), soft_wrap=not out.is_terminal)
    if example.unanswerable:
        out.print("    answer: none; the documents do not say", style="yellow")
    elif example.answers:
        out.print(f"    answer: {' | '.join(example.answers)}", soft_wrap=not out.is_terminal)
    for gold in example.evidence:
        words = Text.assemble(f"    {near(gold.source)}: ", (one_line(gold.text, 400), "dim"))
        out.print(words, soft_wrap=not out.is_terminal)


def review(
    ctx: typer.Context,
    file: Questions,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="What was kept. Default: NAME.reviewed.jsonl.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Go through the questions: keep, edit or drop each. Quit at any time, and run it again to go on."""
    from trivium.tasks.questions import read_questions
    from trivium.tasks.review import count, journal_of, read_decisions, reviewed_path
    from trivium.tasks.review import review as review_examples

    screen: Screen = ctx.obj
    examples = read_questions(file).examples
    if screen.as_json:  # nobody is asked: how far it has come
        decided = {one.id: one for one in read_decisions(journal_of(file))}
        report = count(examples, decided, out or reviewed_path(file))
        screen.emit({**asdict(report), "path": str(report.path)})
        return 0
    report = review_examples(
        examples, file, decide=lambda *one: _decide(screen, *one), edit=lambda one: _edit(screen, one), out=out
    )
    _show_review(screen, report)
    return 0


def _show_review(screen: Screen, report: ReviewReport) -> None:
    screen.out.print(
        f"Kept {report.kept}, edited {report.edited}, dropped {report.dropped}, left {report.left}: {report.path}",
        soft_wrap=True,
    )
    if report.left:
        screen.say("Run the command again to go on.")


def _decide(screen: Screen, example: Example, number: int, total: int) -> Choice:
    """Show a question and ask what is to become of it; the end of the input is "quit"."""
    from trivium.tasks.review import CHOICES

    screen.out.print()
    _show_example(screen, example, f"{number}/{total}")
    while True:
        said = _asked(screen, "[k]eep  [e]dit  [d]rop  [b]ack  [q]uit: ")
        if said is None:
            return "quit"
        fit = [choice for choice in CHOICES if said.strip() and choice.startswith(said.strip().lower())]
        if fit:
            return fit[0]
        screen.say("Type k, e, d, b or q, and Enter.", "yellow")


def _edit(screen: Screen, example: Example) -> Example:
    """Ask for the question and its answers; an empty line leaves them as they are."""
    screen.say("Enter alone leaves a line as it is.")
    question = (_asked(screen, f"question [{example.question}]: ") or "").strip()
    if not example.unanswerable:
        said = _asked(screen, f"answers, between | [{' | '.join(example.answers)}]: ") or ""
        answers = tuple(filter(None, (one.strip() for one in said.split("|"))))
        example = replace(example, answers=answers or example.answers)
    return replace(example, question=question or example.question)


def _asked(screen: Screen, prompt: str) -> str | None:
    """Ask for a line on standard error; None at the end of the input."""
    screen.err.print(prompt, end="", soft_wrap=True)
    try:
        return input()
    except EOFError:
        screen.err.print()
        return None
