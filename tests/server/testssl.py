#!/usr/bin/env python3
"""./dev check tls: testssl.sh against the server, once with an ECDSA and once with an RSA
certificate. Findings above LOW about protocols, ciphers, forward secrecy and vulnerabilities fail.
usage: tests/server/testssl.py WEFT"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

WEFT = sys.argv[1]
TESTSSL = shutil.which("testssl") or shutil.which("testssl.sh")
ALLOWED = {"OK", "INFO", "LOW"}
ABOUT_US = {"engine_problem", "scanTime"}  # what testssl.sh says of its own openssl
LEAST_FINDINGS = 40
PATIENCE = 600


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def findings(folder, cert, key):
    port = free_port()
    server = subprocess.Popen([WEFT, "serve", "--listen", f"127.0.0.1:{port}", "--tls-cert", cert,
                               "--tls-key", key], stdout=subprocess.PIPE, text=True)
    try:
        while "try:" not in server.stdout.readline():
            if server.poll() is not None:
                raise SystemExit("the server did not start")
        out = os.path.join(folder, f"{port}.json")
        text = subprocess.run([TESTSSL, "--quiet", "--color", "0", "--warnings", "off", "--ip",
                               "127.0.0.1", "--jsonfile", out, "-p", "-s", "-f", "-P", "-U",
                               f"https://localhost:{port}/"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False).stdout
        if not os.path.exists(out):
            raise SystemExit("testssl.sh gave no findings:\n" + text)
        with open(out, encoding="utf-8") as f:
            return json.load(f)
    finally:
        server.terminate()
        server.wait(30)


def main():
    if not TESTSSL:
        raise SystemExit("testssl.sh is not installed")
    failed = passed = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([WEFT, "cert", "--out", folder + "/ecdsa"], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
                        "-keyout", folder + "/rsa-key.pem", "-out", folder + "/rsa-cert.pem",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, stderr=subprocess.DEVNULL)
        for kind in ("ecdsa", "rsa"):
            found = findings(folder, f"{folder}/{kind}-cert.pem", f"{folder}/{kind}-key.pem")
            found = [x for x in found if x["id"] not in ABOUT_US]
            if len(found) < LEAST_FINDINGS:
                raise SystemExit(f"only {len(found)} findings: testssl.sh did not run to its end")
            for x in found:
                passed += x["severity"] in ALLOWED
                if x["severity"] not in ALLOWED:
                    failed += 1
                    print(f"{kind}: {x['severity']} {x['id']}: {x['finding']}")
    print(f"testssl: {passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
