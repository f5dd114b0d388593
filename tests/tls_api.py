"""An API server over TLS, with a certificate authority of its own."""

import json
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
LISTED = {"apiVersion": "serin.dev/v1alpha1", "items": []}


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A certificate authority as EKS and MicroK8s have had them: no key usage, no key identifiers."""

    def __init__(self, folder, subject="ca"):
        folder.mkdir()
        self.folder, self.subject, self.key = folder, name(subject), ec.generate_private_key(ec.SECP256R1())
        made = self.sign(self.subject, self.key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        self.file = folder / "ca.crt"
        self.file.write_bytes(made)

    def sign(self, subject, key, extension, ends=timedelta(days=1)):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - timedelta(days=2))
        builder = builder.not_valid_after(NOW + ends).add_extension(extension, critical=True)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def server(self, *, address="127.0.0.1", ends=timedelta(days=1)):
        """Return the TLS context of a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file = self.folder / "server.pem"
        file.write_bytes(self.sign(name("server"), key.public_key(), names, ends) + key.private_bytes(*form))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.tokens.append(self.headers.get("Authorization"))
        body = json.dumps(LISTED).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that refuses the certificate is no error here."""


@contextmanager
def serving(context):
    """Serve over TLS; the context is in `server.context`, and may be exchanged for later connections."""
    with Server(("127.0.0.1", 0), Handler) as server:
        server.tokens, server.context = [], context
        accept = server.get_request

        def get_request():
            connection, address = accept()
            connection.settimeout(5)
            return server.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

        server.get_request = get_request
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
