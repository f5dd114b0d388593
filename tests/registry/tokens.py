"""Services that give a pod credentials for its service account, as in each cloud, on loopback."""

import base64
import json
import time
import urllib.parse
from contextlib import contextmanager
from datetime import UTC, datetime

from registry.s3 import Handler, connect, serving
from registry.tls import authority

TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
POD_TOKEN = "eyJhbGciOiJub25lIn0.e30.secret"


def azure_token(*, expires_in=3600):
    """Return an access token for the storage of Azure, whose signature nobody checks."""
    now = int(time.time())
    claims = {"aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{TENANT}/", "oid": CLIENT}
    parts = ({"alg": "none", "typ": "JWT"}, claims | {"iat": now, "nbf": now - 3600, "exp": now + expires_in})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join((*encoded, "c2lnbmF0dXJl"))


@contextmanager
def aws(folder, s3):
    """Serve moto's STS with TLS, and yield the settings that EKS gives a pod."""

    class Sts(Handler):
        def answer(self, _):
            # moto finds its STS by the body of a request, obstore sends a query.
            connection = connect(s3)
            query = urllib.parse.urlsplit(self.path).query
            connection.request("POST", "/", query, {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            self.respond(response.status, response.getheaders(), response.read())
            connection.close()

    with serving(Sts, tls=authority(folder)) as address:
        yield aws_pod(folder, address)


def aws_pod(folder, service):
    """Return the settings that EKS gives a pod; `folder` has a CA."""
    role = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/serin", "AWS_REGION": "us-east-1"}
    return role | {
        "AWS_WEB_IDENTITY_TOKEN_FILE": _pod_token(folder),
        "AWS_ENDPOINT_URL_STS": service,
        "SSL_CERT_FILE": str(folder / "ca.pem"),
    }


def pod_identity(folder, agent):
    """Return the settings that EKS gives a pod with an association of Pod Identity."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{agent}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": _pod_token(folder),
    }


def azure_pod(folder, service):
    """Return the settings that AKS gives a pod, and the storage account."""
    return {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": _pod_token(folder),
        "AZURE_AUTHORITY_HOST": service,
        "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
        "AZURE_ALLOW_HTTP": "true",
    }


def google_pod(service):
    """Return what leads a pod to the metadata server of GKE."""
    host = service.removeprefix("http://")
    return {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "GOOGLE_ALLOW_HTTP": "true", "HOME": "/nonexistent"}


def _pod_token(folder):
    path = folder / "token"
    path.write_text(POD_TOKEN, encoding="ascii")
    return str(path)


class Entra(Handler):
    """Azure's token service: exchanges the pod's token, and nothing else."""

    expires_in = 3600

    def answer(self, content):
        form = {name: values[0] for name, values in urllib.parse.parse_qs(content.decode()).items()}
        is_known = self.path == f"/{TENANT}/oauth2/v2.0/token" and form.get("client_assertion") == POD_TOKEN
        if not is_known or form.get("client_id") != CLIENT:
            return self.respond(400, [], b'{"error": "invalid_request", "error_description": "AADSTS700213: secret"}')
        token = {"expires_in": 3600, "access_token": azure_token(expires_in=self.expires_in)}
        return self.respond(200, [("Content-Type", "application/json")], json.dumps(token).encode())


class EntraInThePast(Entra):
    """A token service whose clock is late, so that its tokens have expired."""

    expires_in = -60


class PodIdentityAgent(Handler):
    """The agent on a node of EKS: gives a pod with a token the credentials of its role."""

    def answer(self, _):
        if self.path != "/v1/credentials" or self.headers.get("Authorization") != POD_TOKEN:
            return self.respond(400, [], b"secret")
        until = datetime.fromtimestamp(time.time() + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = {"AccessKeyId": "key", "SecretAccessKey": "secret", "Token": "of the pod", "Expiration": until}
        return self.respond(200, [("Content-Type", "application/json")], json.dumps(given).encode())


class Metadata(Handler):
    """The metadata server of GKE: gives the token of the pod's service account to those who ask in its way."""

    def answer(self, _):
        path = urllib.parse.urlsplit(self.path).path
        is_token = path == "/computeMetadata/v1/instance/service-accounts/default/token"
        if not is_token or self.headers.get("Metadata-Flavor") != "Google":
            return self.respond(404, [], b"secret")
        token = {"token_type": "Bearer", "expires_in": 3600, "access_token": "google"}
        return self.respond(200, [("Content-Type", "application/json")], json.dumps(token).encode())
