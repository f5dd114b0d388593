"""The usual design, for comparison: a scikit-learn pipeline with a frame of one row, calibrators by class, FastAPI with
pydantic, prometheus labels in every request. Rules, shadow, sticky canary and thresholds are those of the server.
Nothing is slow on purpose: `async def`, uvloop, httptools, no access log; a quarter of the trees.

python reference.py train DATA.csv MODEL.joblib
python reference.py serve MODEL.joblib PORT
"""  # noqa: D205

import hashlib
import sys
import time
from datetime import datetime
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["amount", "weekday", "hour", "length"]
ITERATIONS = 100


def columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of the pipeline."""
    at = pd.to_datetime(frame["timestamp"], utc=True)
    merchant, description = frame["merchant"].fillna("").str.lower(), frame["description"].fillna("").str.lower()
    return pd.DataFrame(
        {
            "text": merchant + " " + description,
            "merchant": merchant,
            "channel": frame["channel"],
            "amount": frame["amount"].astype(float),
            "weekday": at.dt.day_of_week,
            "hour": at.dt.hour,
            "length": description.str.len(),
        }
    )


def train(data: Path, model: Path) -> None:
    """Fit the pipeline on the older rows, its calibrators on the newer ones."""
    frame = pd.read_csv(data).sort_values("timestamp", kind="stable")
    cut = int(len(frame) * 0.8)
    features, labels = columns(frame), frame["category"].to_numpy()
    pipeline = Pipeline(
        [
            (
                "features",
                ColumnTransformer(
                    [
                        ("numbers", StandardScaler(), NUMBERS),
                        ("keys", OneHotEncoder(min_frequency=3, handle_unknown="ignore"), ["merchant", "channel"]),
                        ("words", TfidfVectorizer(max_features=3000), "text"),
                    ]
                ),
            ),
            (
                "trees",
                LGBMClassifier(n_estimators=ITERATIONS, num_leaves=31, class_weight="balanced", n_jobs=1, verbosity=-1),
            ),
        ]
    )
    pipeline.fit(features[:cut], labels[:cut])
    raw = pipeline.predict_proba(features[cut:])
    calibrators = [
        IsotonicRegression(out_of_bounds="clip").fit(raw[:, at], labels[cut:] == label)
        for at, label in enumerate(pipeline.classes_)
    ]
    joblib.dump({"pipeline": pipeline, "calibrators": calibrators, "classes": list(pipeline.classes_)}, model)


def application(model: Path):
    """Return the application."""
    from fastapi import FastAPI, Response  # noqa: PLC0415 - not needed for training
    from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest  # noqa: PLC0415
    from pydantic import BaseModel, Field  # noqa: PLC0415

    class Transaction(BaseModel):
        txn_id: str = Field(max_length=128)
        user_id: str = ""
        timestamp: datetime
        merchant: str = Field(max_length=256)
        description: str = ""
        amount: float
        channel: str = ""

    class Body(BaseModel):
        transactions: list[Transaction] = Field(max_length=256)

    class Candidate(BaseModel):
        label: str
        confidence: float
        reasons: list[str]

    class Item(BaseModel):
        txn_id: str
        candidates: list[Candidate]
        source: str
        model_id: str

    class Answer(BaseModel):
        items: list[Item]

    kept = joblib.load(model)
    pipeline, calibrators, classes = kept["pipeline"], kept["calibrators"], kept["classes"]
    rules = {"uber": "Transport", "loblaws": "Groceries", "netflix": "Leisure", "shell": "Fuel"}
    registry = CollectorRegistry()
    predictions = Counter("lm_ml_predictions_total", "", ["accepted", "run_id"], registry=registry)
    compared = Counter("lm_suggest_compare_total", "", ["agree", "run_id"], registry=registry)
    sources = Counter("lm_suggest_source_total", "", ["source", "run_id"], registry=registry)
    latency = Histogram("lm_ml_predict_latency_seconds", "", ["run_id"], registry=registry)
    app = FastAPI()

    def suggest(one: Transaction) -> Item:
        rule = next((label for word, label in rules.items() if word in one.merchant.lower()), None)
        in_canary = int(hashlib.sha256(one.user_id.encode()).hexdigest(), 16) % 100 < 50
        begun = time.perf_counter()
        frame = columns(pd.DataFrame([one.model_dump()]))
        raw = pipeline.predict_proba(frame)[0]
        calibrated = np.array([calibrator.predict([p])[0] for calibrator, p in zip(calibrators, raw, strict=True)])
        calibrated /= calibrated.sum() or 1.0
        latency.labels(run_id="reference").observe(time.perf_counter() - begun)
        best = np.argsort(calibrated)[::-1][:3]
        label, confidence = classes[best[0]], float(calibrated[best[0]])
        is_accepted = in_canary and confidence >= 0.7
        predictions.labels(accepted=str(is_accepted), run_id="reference").inc()
        compared.labels(agree=str(rule == label), run_id="reference").inc()
        source = "model" if is_accepted else "rule"
        sources.labels(source=source, run_id="reference").inc()
        found = [(classes[at], float(calibrated[at])) for at in best] if is_accepted else [(rule, 1.0)] if rule else []
        candidates = [Candidate(label=name, confidence=p, reasons=[f"confidence {p:.2f}"]) for name, p in found]
        return Item(txn_id=one.txn_id, candidates=candidates, source=source, model_id="reference")

    @app.post("/agent/suggestions")
    async def suggestions(body: Body) -> Answer:
        return Answer(items=[suggest(one) for one in body.transactions])

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry))

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main() -> None:
    """Train or serve."""
    match sys.argv[1:]:
        case ["train", data, model]:
            train(Path(data), Path(model))
        case ["serve", model, port]:
            import uvicorn  # noqa: PLC0415 - not needed for training

            uvicorn.run(
                application(Path(model)), host="127.0.0.1", port=int(port), access_log=False, log_level="warning"
            )


if __name__ == "__main__":
    main()
