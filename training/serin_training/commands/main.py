"""All commands of the learning side."""

import typer

from serin_training.commands import data, drift, retrain, runs, train
from serin_training.commands import evaluate as quality

app = typer.Typer()
for part in (train, quality, drift, retrain, runs, data):
    app.add_typer(part.app)
