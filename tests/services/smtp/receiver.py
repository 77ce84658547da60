"""A mail server for tests: real SMTP by aiosmtpd, in four kinds of safety, each on a port of its own.

plain      neither encryption nor sign-in
starttls   takes mail after STARTTLS only
tls        encrypted from the first byte
auth       takes mail after STARTTLS and a sign-in as `sender` with `a password of tests`

What a recipient's name begins with decides what becomes of it, on every port:

refused…   550 at RCPT
later…     451 at RCPT for the first attempt at this address, then taken
busy…      451 at RCPT, always
content…   554 after DATA

`smtp.json` says the ports and the certificate authority. `smtp-received.jsonl` has a line for each thing that was
decided, in order: {"port", "tls", "user", "from", "to": [address], "answer"}, and "data" (the message as text) where a
message came. Write to addresses that no other test uses.
"""

import asyncio
import json
import os
import pathlib
import ssl
import sys

import aiosmtpd
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "sender", "a password of tests"


class Keeper:
    """Decides by recipient, and writes down what was decided."""

    def __init__(self, port, received, put_off):
        self.port, self.received, self.put_off = port, received, put_off

    def note(self, session, sender, to, answer, **more):
        line = {
            "port": self.port, "tls": session.ssl is not None or self.port == "tls",
            "user": session.auth_data if session.authenticated else None,
            "from": sender, "to": to, "answer": answer, **more,
        }
        # One write of one line: readers see whole lines, in the order of what happened.
        os.write(self.received, (json.dumps(line) + "\n").encode())
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.lower()
        refusal = None
        if name.startswith("refused"):
            refusal = "550 5.1.1 there is no such mailbox"
        elif name.startswith("busy") or (name.startswith("later") and name not in self.put_off):
            self.put_off.add(name)
            refusal = "451 4.7.1 try again later"
        if refusal:
            return self.note(session, envelope.mail_from, [address], refusal)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode("utf-8", "surrogateescape")
        unwanted = any(to.lower().startswith("content") for to in envelope.rcpt_tos)
        answer = "554 5.6.0 this is not wanted" if unwanted else "250 2.0.0 taken"
        return self.note(session, envelope.mail_from, envelope.rcpt_tos, answer, data=text)


def signed_in(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    # handled=False: the server itself answers 535.
    return AuthResult(success=known, handled=False, auth_data=USER if known else None)


async def main(run):
    certificates = run / "smtp-certificates"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    received = os.open(run / "smtp-received.jsonl", os.O_WRONLY | os.O_APPEND)
    put_off = set()
    kinds = {
        "plain": {},
        "starttls": {"tls_context": context, "require_starttls": True},
        "tls": {},
        "auth": {
            "tls_context": context, "require_starttls": True, "auth_required": True,
            "auth_require_tls": True, "authenticator": signed_in,
        },
    }
    loop, ports, servers = asyncio.get_running_loop(), {}, []
    for kind, options in kinds.items():
        def protocol(kind=kind, options=options):
            keeper = Keeper(kind, received, put_off)
            return SMTP(keeper, hostname="localhost", data_size_limit=1 << 20, loop=loop, **options)

        server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if kind == "tls" else None)
        servers.append(server)
        ports[kind] = server.sockets[0].getsockname()[1]
    found = {
        "version": aiosmtpd.__version__, "host": "localhost", "ports": ports, "user": USER, "password": PASSWORD,
        "authority": str(certificates / "authority.pem"), "received": str(run / "smtp-received.jsonl"),
    }
    ready = run / "smtp.json.new"
    ready.write_text(json.dumps(found, indent=1))
    ready.rename(run / "smtp.json")
    await asyncio.Event().wait()


asyncio.run(main(pathlib.Path(sys.argv[1])))
