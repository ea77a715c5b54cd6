# Asks the SSH agent for what it must not do. Prints what it got.
import os, socket, struct, sys

def string(b):
    return struct.pack(">I", len(b)) + b

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(os.environ["SSH_AUTH_SOCK"])
    return s

def read(s, n):
    b = b""
    while len(b) < n:
        try:
            more = s.recv(n - len(b))
        except ConnectionError:
            return None
        if not more:
            return None
        b += more
    return b

def ask(s, message):
    s.sendall(string(message))
    head = read(s, 4)
    return head and read(s, struct.unpack(">I", head)[0])

def failed(what, s, message):
    answer = ask(s, message)
    print(what, "refused" if answer in (b"\x05", None) else "WORKED %r" % answer)

s = connect()
answer = ask(s, b"\x0b")
count, length = struct.unpack(">II", answer[1:9])
key = answer[9:9 + length]
print("keys", count)

session = b"0" * 32
login = string(session) + b"\x32" + string(b"root") + string(b"ssh-connection") + string(b"publickey") + b"\x01" + string(b"ssh-ed25519") + string(key)
failed("raw", s, b"\x0d" + string(key) + string(b"anything") + b"\0\0\0\0")
failed("unbound", s, b"\x0d" + string(key) + string(login) + b"\0\0\0\0")
sshsig = b"SSHSIG" + string(b"git") + string(b"") + string(b"sha512") + string(b"0" * 64)
failed("sshsig", s, b"\x0d" + string(key) + string(sshsig) + b"\0\0\0\0")
forged = string(b"session-bind@openssh.com") + string(key) + string(session) + string(string(b"ssh-ed25519") + string(b"0" * 64)) + b"\0"
failed("forged", s, b"\x1b" + forged)
failed("after", s, b"\x0d" + string(key) + string(login) + b"\0\0\0\0")
for name, message in {
    "add": b"\x11" + string(b"ssh-ed25519") + string(b"0" * 32) + string(b"0" * 64) + string(b"mine"),
    "remove": b"\x12" + string(key), "removeall": b"\x13", "smartcard": b"\x14" + string(b"x") + string(b"y"),
    "lock": b"\x16" + string(b"x"), "unlock": b"\x17" + string(b"x"), "constrained": b"\x19",
    "extension": b"\x1b" + string(b"query"), "unknown": b"\xff" * 1000,
}.items():
    failed(name, connect(), message)

many = []
for i in range(300):  # far more than may be open at a time: they wait
    try:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        s.connect(os.environ["SSH_AUTH_SOCK"])
        many.append(s)
    except BlockingIOError:
        break
for s in many:
    s.close()
s = connect()
s.sendall(struct.pack(">I", 0xffffffff) + b"x")
print("huge", "refused" if read(s, 1) is None else "WORKED")
s = connect()
for i in range(150):
    assert ask(s, b"\x0d" + string(key) + os.urandom(1000)) == b"\x05"
print("flood over, keys", struct.unpack(">I", ask(connect(), b"\x0b")[1:5])[0])
