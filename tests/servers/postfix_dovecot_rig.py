"""Postfix whose logins are checked by Dovecot, over a socket."""

from oauth2 import configure_dovecot, signed_token
from postfix_rig import Postfix
from rig import PASSWORD, USER


class PostfixDovecot(Postfix):
    """The listeners are those of Postfix with Cyrus."""

    name = "pf+dovecot"
    packages = ["postfix", "dovecot-core"]
    token_mechanisms = ("oauthbearer", "xoauth2")
    sasl_type, sasl_path, login_name = "dovecot", "private/auth", USER

    def configure_logins(self) -> None:
        self.write("etc/dovecot/dovecot.conf", "dovecot/auth.conf", passwords=self.offered.lower(),
                   mechanisms=" ".join((*self.mechanisms, *self.token_mechanisms)))
        (self.dir / "etc/dovecot/users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        configure_dovecot(self)

    @property
    def token(self) -> str:
        return signed_token()

    def command(self) -> list[str]:
        # It ends with the process namespace.
        return ["sh", "-c", '/usr/sbin/dovecot -c /etc/dovecot/dovecot.conf && exec "$@"', "sh", *super().command()]
