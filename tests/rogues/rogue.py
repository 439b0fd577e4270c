#!/usr/bin/env python3
"""An executable that misbehaves in one way: the tests write the way into MODE. Unchanged, it is honest.

Like rogue.c it knows a few signatures (vectors.h) and no private key.
"""

import base64
import hashlib
import json
import os
import re
import signal
import sys
import time
import urllib.parse

MODE = "honest"

KEY_OURS = "@KEY_OURS@"
KEY_OF_ANOTHER = "@KEY_OF_ANOTHER@"
SIGNATURE_GOOD = "@SIGNATURE_GOOD@"
SIGNATURE_OF_SOMETHING_ELSE = "@SIGNATURE_OF_SOMETHING_ELSE@"
SIGNATURE_BY_ANOTHER = "@SIGNATURE_BY_ANOTHER@"

ID = "dev.example.rogue"
DULL = b"all work and no play makes a dull backend"
earlier = 0


def write(message):
    os.write(1, json.dumps(message).encode() + b"\n")


def ok(call, body):
    write({"id": call, "ok": body})


def err(call, code, message):
    write({"id": call, "err": {"code": code, "message": message}})


def ask(call, op, args):
    write({"hid": 1, "call": call, "op": op, "args": args})
    return json.loads(sys.stdin.buffer.readline())


def forever():
    """Waits, once a test that looks for it can tell."""
    open(os.path.join(os.environ["TMPDIR"], "rogue-waits"), "w").close()
    while True:
        time.sleep(1000)


def key_json(spki=KEY_OURS):
    return {"algorithm": "ecdsa-p256", "spki": spki}


def signed(call, signature=SIGNATURE_GOOD, spki=KEY_OURS):
    ok(call, {"signature": signature, "algorithm": "ecdsa-p256", "verifier": {"public_key": key_json(spki)}})


def only_if_answered(call, answer):
    """Passes the host's refusal on. If the host has answered, it should not have: then the rogue signs, and the test sees it."""
    if "ok" in answer:
        signed(call)
    else:
        err(call, "access-denied", "the host refused a request")


# What it asks for without having declared it, by its mode.
GREED = {
    "asks-a-person": ("host.prompt", {"style": "secret", "text": "the password of your key"}),
    "asks-for-a-new-password": ("host.secret", {"pointer": "/new_password", "new": True}),
    "asks-for-a-token": ("host.identity_token", {"audience": "elsewhere"}),
    "asks-for-a-password-as-a-variable": ("host.env", {"name": "SIGTOOL_PASSWORD"}),
    "asks-for-the-network": ("host.network", {}),
    "opens-a-page": ("host.open_url", {"url": "https://example.com"}),
}


def pass_on(call, answer):
    """What the host has answered, as an error: its refusal in its own words, or what it should not have said."""
    refusal = {} if "SIGTOOL_PASSWORD" in os.environ else answer.get("err", {})
    err(call, "access-denied", refusal.get("message", f"the host has answered {answer}"))


def lent(call, pointer):
    return base64.b64decode(ask(call, "host.secret", {"pointer": pointer}).get("ok", {}).get("value", "")).decode()


def spellings(secret):
    """A secret in the ways in which services give back what they got."""
    plain = secret.encode()
    encoded = [base64.b64encode(b"x" * n + plain + b"y" * m).decode() for n in range(3) for m in range(3)]
    encoded += [base64.urlsafe_b64encode(b"x" * n + plain).decode() for n in range(3)]
    quoted = urllib.parse.quote(secret, safe="")
    escaped = json.dumps(secret)
    lower = re.sub("%..", lambda m: m[0].lower(), quoted)
    return [secret, *encoded, quoted, lower, urllib.parse.quote_plus(secret), urllib.parse.quote(secret), escaped,
            escaped.replace("/", "\\/"), plain.hex(), plain.hex().upper()]


def fail_with_spellings(call):
    said = spellings(lent(call, "/password"))
    for text in said:
        write({"trace": {"level": "warn", "message": text}})
    write({"id": call, "err": {"code": "auth-required", "message": said[0], "causes": said, "hints": said}})


def resolve(call, args):
    """An honest answer about the file, but for the texts in it."""
    secret, path = lent(call, "/token"), args["reference"]
    with open(path, "rb") as file:
        content = file.read()
    digests = [f"{name}:{hashlib.new(name, content).hexdigest()}" for name in args["digests"]]
    artifact = {"reference": path, "path": path, "name": f"app of {secret}", "version": secret, "kind": "unknown",
                "digests": digests, "size": len(content)}
    ok(call, {"artifact": artifact, "notes": spellings(secret) + ["all work and no play"] * 20000})


def attach(call):
    secret = lent(call, "/token")
    ok(call, {"id": "1", "location": f"shelf/{secret}", "notes": [f"put on the shelf of {secret}"]})


def print_secrets(call):
    answer = ask(call, "host.secret", {"pointer": "/password"})
    secret = base64.b64decode(answer.get("ok", {}).get("value", "")).decode()
    for text in (secret, json.dumps(answer)):
        write({"trace": {"level": "warn", "message": text}})
        os.write(2, text.encode() + b"\n")
        os.write(1, text.encode() + b"\n")
    err(call, "auth-required", f"{secret} is wrong")


def sign(call):
    if MODE == "aborts":
        os.abort()
    elif MODE == "segfaults":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif MODE == "exits":
        os.write(2, b"the last words of a rogue\n")
        os._exit(0)
    elif MODE == "hangs":
        forever()
    elif MODE == "floods-stdout":
        while True:
            os.write(1, DULL + b"\n")
    elif MODE == "floods-the-trace":
        while True:
            write({"trace": {"level": "debug", "message": DULL.decode()}})
    elif MODE == "floods-stderr":
        while True:
            os.write(2, DULL + b"\n")
    elif MODE == "floods-requests":
        while True:
            write({"hid": 1, "call": call, "op": "host.now", "args": {}})
    elif MODE == "closes-stdout":
        os.close(1)
        forever()
    elif MODE == "leaves-a-child":
        if os.fork() == 0:
            forever()
        os._exit(0)
    elif MODE == "sends-garbage":
        os.write(1, b"\xff\xfe not JSON\0 at all\n")
    elif MODE == "sends-half":
        os.write(1, b'{"id":%d,"ok":{"signature":"MEU' % call)
        os._exit(0)
    elif MODE == "sends-an-endless-line":
        os.write(1, b'{"id":%d,"ok":{"signature":"' % call)
        while True:
            os.write(1, b"A" * 65536)
    elif MODE == "answers-another-call":
        signed(call + 1)
        forever()
    elif MODE == "signs-something-else":
        signed(call, SIGNATURE_OF_SOMETHING_ELSE)
    elif MODE == "returns-another-key":
        signed(call, SIGNATURE_BY_ANOTHER, KEY_OF_ANOTHER)
    elif MODE == "claims-a-key":
        signed(call, SIGNATURE_GOOD, KEY_OF_ANOTHER)
    elif MODE == "prints-secrets":
        print_secrets(call)
    elif MODE == "asks-too-late":
        only_if_answered(call, ask(earlier, "host.now", {}))
    elif MODE == "asks-for-the-environment":
        only_if_answered(call, ask(call, "host.env", {"name": "CANARY_TOKEN"}))
    elif MODE == "asks-for-other-secrets":
        only_if_answered(call, ask(call, "host.secret", {"pointer": "/another"}))
    elif MODE == "spells-secrets":
        fail_with_spellings(call)
    elif MODE == "straddles":
        os.write(1, b"x" * 290 + lent(call, "/password").encode() + b"y" * 300 + b"\n")
    elif MODE == "splits-stderr":
        os.write(2, b"x" * (65536 - 8) + lent(call, "/password").encode() + b"\n")
        os._exit(0)
    elif MODE in GREED:
        pass_on(call, ask(call, *GREED[MODE]))
    else:
        signed(call)


def public_key(call):
    global earlier
    earlier = call
    ok(call, {"public_key": key_json(KEY_OF_ANOTHER if MODE == "claims-a-key" else KEY_OURS)})
    if MODE == "answers-twice":
        ok(call, {"public_key": key_json(KEY_OF_ANOTHER)})


def serve_source(op, call, args):
    if MODE == "asks-as-a-source":
        pass_on(call, ask(call, "host.secret", {"pointer": "/password", "label": "password of release.key"}))
    elif op == "source.resolve":
        resolve(call, args)
    elif op == "source.signatures":
        ok(call, {"signatures": []})
    elif op == "source.attach" and MODE == "hangs-as-a-source":
        forever()
    elif op == "source.attach" and MODE == "tells-secrets":
        attach(call)


def serve(request):
    op, call = request["op"], request["id"]
    if op == "describe":
        described = "dev.example.honest" if MODE == "describes-another" else ID
        if MODE == "asks-too-early":
            answer = ask(call, "host.secret", {"pointer": "/password"})
            described = ID if "err" in answer else "dev.example.thief"
        ok(call, {"id": described, "version": "1.0.0", "kinds": ["signer", "source"], "max_in_flight": 1})
    elif op == "open":
        ok(call, {"handle": 1})
    elif op == "close":
        ok(call, {})
    elif op == "signer.public_key":
        public_key(call)
    elif op == "signer.sign":
        sign(call)
    elif op.startswith("source."):
        serve_source(op, call, request["args"])
    else:
        err(call, "unsupported", "unknown operation")


def main():
    if MODE == "says-nothing":
        forever()
    elif MODE == "closes-stdout-at-once":
        os.close(1)
        forever()
    elif MODE == "dies-at-once":
        sys.exit("the last words of a rogue")
    elif MODE == "says-no-hello":
        os.write(1, b"Welcome to the rogue, version 1.0!\n")
    write({"sigtool": {"protocol": [2] if MODE == "speaks-another-protocol" else [1], "id": ID, "version": "1.0.0"}})
    sys.stdin.buffer.readline()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "op" in request:
            serve(request)
    if MODE == "stays":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        forever()


main()
