"""All commands of the learning side."""

import typer

from serin_training.commands import data, quality, runs, train

app = typer.Typer()
for part in (train, quality, runs, data):
    app.add_typer(part.app)
