"""All training commands as one application."""

import typer

from serin_training.commands import data, drift, evaluate, retrain, runs, train

app = typer.Typer()
for part in (train, evaluate, drift, retrain, runs, data):
    app.add_typer(part.app)
