"""The run's own booster behind KServe's server, as KServe's lgbserver does it: numbers in, probabilities out.

python kserve_model.py MODEL.txt PORT
"""

import sys

import lightgbm
from kserve import Model, ModelServer
from kserve.utils.utils import get_predict_input, get_predict_response


class LightGBMModel(Model):
    """lgbserver's model: the same calls in the same order, one thread."""

    def __init__(self, name: str, file: str) -> None:
        super().__init__(name)
        self._file = file
        self.ready = False

    def load(self) -> bool:
        """Read the booster."""
        self._booster = lightgbm.Booster(params={"num_threads": 1}, model_file=self._file)
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None):  # noqa: ARG002 - KServe's own signature
        """Respond to one request."""
        instances = get_predict_input(payload, columns=self._booster.feature_name())
        return get_predict_response(payload, self._booster.predict(instances), self.name)


if __name__ == "__main__":
    model = LightGBMModel("categories", sys.argv[1])
    model.load()
    ModelServer(http_port=int(sys.argv[2]), enable_grpc=False, workers=1, access_log_format=None).start([model])
