"""nsd with signed zones, and unbound, which validates them with an anchor of the test's own."""

import re
import socket
from pathlib import Path

from rig import HERE, Rig

#: Where unbound answers: as a resolver of this machine, and as one that is reached over the network.
NEAR, FAR = "127.0.0.1", "192.0.2.1"
#: The zones with a signature; `plain.test` has none. The parent comes last.
SIGNED = ("dane.test", "nsec3.test", "test")
SERVER = "127.0.0.53"
#: What may be wrong with the signature of a record: its octets, or its time; or that it was taken away with its record.
FORGED, EXPIRED, REMOVED = "forged", "expired", "removed"


class Names(Rig):
    """Answers for `records` once it is started."""

    name = "dns"
    packages = ["nsd", "unbound", "ldnsutils"]
    #: By zone, as a zone file has them.
    records: dict[str, list[str]] = {}
    #: What is wrong with the records of a name and type.
    faults: dict[tuple[str, str], str] = {}

    def configure(self) -> None:
        self.zones = self.dir / "zones"
        self.zones.mkdir()
        for zone in (*SIGNED, "plain.test"):
            records = list(self.records.get(zone, ()))
            if zone == "test":
                records += [f"{child} NS ns.test." for child in ("dane", "nsec3", "plain")]
                records.append(f"ns A {SERVER}")
            lines = [f"$ORIGIN {zone}.", "$TTL 300", "@ SOA ns.test. root.test. 1 3600 900 86400 60", "@ NS ns.test.", *records]
            # An unsigned one is ready.
            (self.zones / f"{zone}.{'plain' if zone in SIGNED else 'zone'}").write_text("\n".join(lines) + "\n")
        self.run(["sh", str(HERE / "direct/sign.sh"), str(self.zones), *SIGNED])
        for (name, kind), fault in self.faults.items():
            self._spoil(name, kind, fault)
        zones = "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{zone}.zone"\n' for zone in (*SIGNED, "plain.test"))
        self.write("nsd.conf", "direct/nsd.conf", zones=zones)
        self.write("unbound.conf", "direct/unbound.conf", far=FAR)

    def command(self) -> list[str]:
        return ["sh", "-c", f'nsd -d -c "{self.dir}/nsd.conf" & exec unbound -d -p -c "{self.dir}/unbound.conf"']

    def start(self) -> None:
        super().start()
        for host, port in ((SERVER, 53), (NEAR, 53), (FAR, 853)):
            self._wait(lambda: _answers(host, port), f"{host} to answer on port {port}")

    def _spoil(self, name: str, kind: str, fault: str) -> None:
        zone = next(zone for zone in SIGNED if name.endswith(f".{zone}") or name == zone)
        file = self.zones / f"{zone}.zone"
        of_name = re.escape(f"{name}.")
        signature = re.compile(rf"^{of_name}\t\d+\tIN\tRRSIG\t{kind} .*\n", re.MULTILINE)
        text = file.read_text()
        if len(signature.findall(text)) != 1:
            raise RuntimeError(f"{name} has not one signature of {kind}")
        if fault == FORGED:
            # Another signature by the same key, of the right form.
            other = re.search(r"\tRRSIG\tSOA .* (\S+)\n", text)[1]
            text = signature.sub(lambda line: re.sub(r"\S+\n$", other + "\n", line[0]), text)
        elif fault == EXPIRED:
            past = signature.search((self.zones / f"{zone}.old").read_text())
            text = signature.sub(lambda _: past[0], text)
        else:
            text = re.sub(rf"^{of_name}\t.*\n", "", text, flags=re.MULTILINE)
        file.write_text(text)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False
