"""Programming languages and their libraries."""

import json
import subprocess
from pathlib import Path

from caller import NO_DOT, SENDER, SUBJECT, TO, Caller, Mail
from debian import Unavailable
from mailers import DEFERRED, REFUSED
from machine import Ended, Machine

LETTRE = "lettre/debug/lettre-caller"
PHP_MAIL = """
$m = json_decode(stream_get_contents(STDIN));
$headers = "From: $m->from\\r\\nContent-Type: text/plain; charset=utf-8\\r\\nContent-Transfer-Encoding: 8bit";
if ($m->hidden) $headers .= "\\r\\nBcc: $m->hidden";
exit(mail($m->to, "=?UTF-8?B?" . base64_encode($m->subject) . "?=", $m->body, $headers, "-f$m->from") ? 0 : 9);
"""
PHP_MAILER = """
foreach (['Exception', 'PHPMailer', 'SMTP'] as $name) require "/usr/share/php/libphp-phpmailer/src/$name.php";
$m = json_decode(stream_get_contents(STDIN));
$mailer = new PHPMailer\\PHPMailer\\PHPMailer(true);
$mailer->%s();
$mailer->CharSet = 'utf-8'; $mailer->Encoding = '8bit'; $mailer->XMailer = ' ';
$mailer->setFrom($m->from); $mailer->addAddress($m->to); if ($m->hidden) $mailer->addBCC($m->hidden);
$mailer->Subject = $m->subject; $mailer->Body = $m->body;
try { $mailer->send(); } catch (Exception $e) { echo $e->getMessage(); exit(9); }
"""
PEAR_MAIL = """
error_reporting(E_ALL & ~E_DEPRECATED);
require '/usr/share/php/Mail.php';
$m = json_decode(stream_get_contents(STDIN));
$mailer = Mail::factory('sendmail', ['sendmail_path' => '/usr/sbin/sendmail', 'sendmail_args' => '-i']);
$subject = '=?UTF-8?B?' . base64_encode($m->subject) . '?=';
$sent = $mailer->send(array_filter([$m->to, $m->hidden]), ['From' => $m->from, 'To' => $m->to, 'Subject' => $subject,
    'Content-Type' => 'text/plain; charset=utf-8'], $m->body);
if ($sent !== true) { echo $sent->getMessage(); exit(9); }
"""
SYMFONY = """
foreach (['Mailer', 'Mime'] as $name) require "/usr/share/php/Symfony/Component/$name/autoload.php";
$m = json_decode(stream_get_contents(STDIN));
$mail = (new Symfony\\Component\\Mime\\Email())->from($m->from)->to($m->to)->subject($m->subject)->text($m->body);
if ($m->hidden) $mail->bcc($m->hidden);
$transport = Symfony\\Component\\Mailer\\Transport::fromDsn('sendmail://default%s');
try { (new Symfony\\Component\\Mailer\\Mailer($transport))->send($mail); unset($transport); }
catch (Exception $e) { echo $e->getMessage(); exit(9); }
"""
PERL = """
use strict; use warnings; use utf8; use JSON::PP; use Encode;
my $m = decode_json(do { local $/; <STDIN> });
my ($subject, $body) = (encode('MIME-Header', $m->{subject}), encode('UTF-8', $m->{body}));
"""
EMAIL_SENDER = PERL + """
use Email::Sender::Simple qw(sendmail); use Email::Sender::Transport::Sendmail;
my $text = "From: $m->{from}\\nTo: $m->{to}\\nSubject: $subject\\nContent-Type: text/plain; charset=utf-8\\n\\n$body";
sendmail($text, { from => $m->{from}, to => [grep { defined } $m->{to}, $m->{hidden}],
    transport => Email::Sender::Transport::Sendmail->new });
"""
MIME_LITE = PERL + """
use MIME::Lite;
my $mail = MIME::Lite->new(From => $m->{from}, To => $m->{to}, Subject => $subject, Type => 'text/plain; charset=utf-8',
    Encoding => '8bit', Data => $body, $m->{hidden} ? (Bcc => $m->{hidden}) : ());
$mail->send('sendmail', FromSender => $m->{from}) or exit 9;
"""
MAIL_MAILER = PERL + """
use Mail::Mailer;
my $mail = Mail::Mailer->new('sendmail', '-f', $m->{from});
$mail->open({ From => $m->{from}, To => $m->{to}, Subject => $subject, 'Content-Type' => 'text/plain; charset=utf-8',
    $m->{hidden} ? (Bcc => $m->{hidden}) : () });
print $mail $body;
$mail->close or exit 9;
"""
RUBY = """
require 'json'; require 'mail'
m = JSON.parse($stdin.read)
mail = Mail.new(charset: 'UTF-8') {
  from m['from']; to m['to']; bcc m['hidden'] if m['hidden']; subject m['subject']; body m['body']
}
mail.transport_encoding = '8bit'
mail.delivery_method :sendmail, location: '/usr/sbin/sendmail'
mail.deliver!
"""
NODE = """
const m = JSON.parse(require('fs').readFileSync(0)), mailer = require('/usr/share/nodejs/nodemailer');
const transport = mailer.createTransport({ sendmail: true, newline: 'NEWLINE' });
transport.sendMail({ from: m.from, to: m.to, bcc: m.hidden || [], subject: m.subject, text: m.body })
    .catch(error => { console.log(error.message); process.exitCode = 9; });
"""
PYTHON = """
import json, subprocess, sys
from email.message import EmailMessage
m, mail = json.load(sys.stdin), EmailMessage()
mail["From"], mail["To"], mail["Subject"] = m["from"], m["to"], m["subject"]
if m["hidden"]: mail["Bcc"] = m["hidden"]
mail.set_content(m["body"], cte="8bit")
sys.exit(subprocess.run(["/usr/sbin/sendmail", "-t", "-oi"], input=bytes(mail)).returncode)
"""
# The functions of the two programs, which are scripts.
UNATTENDED_UPGRADES = """
import importlib.machinery, importlib.util, json, sys
m = json.load(sys.stdin)
loader = importlib.machinery.SourceFileLoader("unattended_upgrade", "/usr/bin/unattended-upgrade")
program = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
sys.dont_write_bytecode = True
loader.exec_module(program)
program.MAIL_BINARY = "/usr/bin/bsd-mailx"
sys.exit(program.FUNCTION(m["from"], m["to"], m["subject"], m["body"]))
"""
APT_LISTCHANGES = """
import json, sys, types
sys.path.insert(0, "/usr/share/apt-listchanges"); sys.dont_write_bytecode = True
import apt_listchanges
m = json.load(sys.stdin)
apt_listchanges.mail_changes(types.SimpleNamespace(email_address=m["to"], email_format="text"), m["body"], m["subject"])
"""
# What alpine does.
SMTP_ON_PIPES = """
import json, subprocess, sys
m = json.load(sys.stdin)
server = subprocess.Popen(["/usr/sbin/sendmail", "-bs", "-odb", "-oem"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def hear(expected):
    while (line := server.stdout.readline())[3:4] == b"-": pass
    if line[:1] != expected: sys.exit(line.decode().strip())
def say(line, expected):
    server.stdin.write(line.encode() + b"\\r\\n"); server.stdin.flush(); hear(expected)
hear(b"2"); say("EHLO localhost", b"2"); say(f"MAIL FROM:<{m['from']}>", b"2")
for each in filter(None, (m["to"], m["hidden"])): say(f"RCPT TO:<{each}>", b"2")
say("DATA", b"3")
head = f"From: {m['from']}\\nTo: {m['to']}\\nSubject: {m['subject']}\\nContent-Type: text/plain; charset=utf-8\\n\\n"
lines = (head + m["body"]).splitlines()
say("\\r\\n".join("." + line if line.startswith(".") else line for line in lines) + "\\r\\n.", b"2")
say("QUIT", b"2"); server.stdin.close()
sys.exit(server.wait())
"""


def script(*command: str):
    """Runs a program that reads the mail in JSON."""
    def send(machine: Machine, mail: Mail) -> Ended:
        values = {"from": SENDER, "to": mail.to, "hidden": mail.hidden, "subject": SUBJECT, "body": mail.body}
        return machine.run(*command, text=json.dumps(values).encode())
    return send


def lettre(machine: Machine, mail: Mail) -> Ended:
    return machine.run(str(machine.packages.parent / LETTRE), SENDER, mail.to, SUBJECT, mail.body, *([mail.hidden] if mail.hidden else []))


def build_lettre(cache: Path) -> None:
    """Compiles what calls lettre, a crate; whether cargo had to is its own business."""
    manifest = Path(__file__).resolve().parent / "lettre/Cargo.toml"
    built = subprocess.run(["cargo", "build", "--locked", "--quiet", "--manifest-path", str(manifest), "--target-dir", str(cache / "lettre")],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if built.returncode != 0:
        raise Unavailable(f"cannot compile the caller of lettre: {built.stderr.strip()}")


def debbugs(machine: Machine, mail: Mail) -> Ended:
    """Recipients in the header and as arguments, together."""
    text = f"From: {SENDER}\nTo: {mail.to}\nSubject: {SUBJECT}\nContent-Type: text/plain; charset=utf-8\n\n{mail.body}"
    return machine.run("/usr/sbin/sendmail", "-odq", "-oem", "-oi", "-f", SENDER, "-t", *([mail.hidden] if mail.hidden else []),
                       text=text.encode())


# It does not look at the exit code, and lets us write to its standard error.
SHOWN_REFUSED, SHOWN_DEFERRED = (pattern.replace("[1-9]", "0") for pattern in (REFUSED, DEFERRED))
PHP = ("php.default", "-n", "-d", "extension=ctype", "-r")
SYMFONY_PHP = (*PHP[:-1], "-d", "extension=mbstring", "-d", "extension=intl", "-d", "extension=iconv", "-r")
SYMFONY_PACKAGES = ("php-cli", "php-symfony-mailer")
CALLERS = (
    Caller("PHP mail(), CRLF", ("php-cli",), script(*PHP, PHP_MAIL), REFUSED, DEFERRED, adds="\n"),
    Caller("PHP mail(), LF", ("php-cli",), script(*PHP[:-1], "-d", "mail.mixed_lf_and_crlf=1", "-r", PHP_MAIL), REFUSED, DEFERRED,
           adds="\n"),
    Caller("PHPMailer isMail", ("libphp-phpmailer",), script(*PHP, PHP_MAILER % "isMail"), REFUSED, DEFERRED, adds="\n"),
    Caller("PHPMailer isSendmail", ("libphp-phpmailer",), script(*PHP, PHP_MAILER % "isSendmail"), REFUSED, DEFERRED),
    Caller("PEAR Mail", ("php-cli", "php-mail", "php-pear"), script(*PHP, PEAR_MAIL), REFUSED, DEFERRED),
    Caller("Symfony Mailer, -bs", SYMFONY_PACKAGES, script(*SYMFONY_PHP, SYMFONY % ""), REFUSED, DEFERRED, adds="\n"),
    Caller("Symfony Mailer, -t", SYMFONY_PACKAGES, script(*SYMFONY_PHP, SYMFONY % "?command=/usr/sbin/sendmail%20-oi%20-t"),
           REFUSED, DEFERRED),
    Caller("Perl Email::Sender", ("perl", "libemail-sender-perl"), script("/usr/bin/perl", "-e", EMAIL_SENDER), REFUSED, DEFERRED),
    Caller("Perl MIME::Lite", ("perl", "libmime-lite-perl"), script("/usr/bin/perl", "-e", MIME_LITE), REFUSED, DEFERRED),
    Caller("Perl Mail::Mailer", ("perl", "libmailtools-perl"), script("/usr/bin/perl", "-e", MAIL_MAILER), REFUSED, DEFERRED, body=NO_DOT),
    Caller("Ruby mail", ("ruby", "ruby-mail"), script("/usr/bin/ruby", "-e", RUBY), SHOWN_REFUSED, SHOWN_DEFERRED),
    Caller("nodemailer, CRLF", ("node-nodemailer",), script("/usr/bin/node", "-e", NODE.replace("NEWLINE", "windows"))),
    Caller("nodemailer, LF", ("node-nodemailer",), script("/usr/bin/node", "-e", NODE.replace("NEWLINE", "unix"))),
    Caller("lettre", (), lettre, REFUSED, DEFERRED),
    Caller("Python subprocess", ("python3",), script("/usr/bin/python3", "-c", PYTHON), REFUSED, DEFERRED, sender="root@example.org"),
    Caller("unattended-upgrades", ("unattended-upgrades", "python3"),
           script("/usr/bin/python3", "-c", UNATTENDED_UPGRADES.replace("FUNCTION", "_send_mail_using_sendmail")), REFUSED, DEFERRED,
           sender="root@example.org", hides=False),
    Caller("unattended-upgrades, mailx", ("unattended-upgrades", "bsd-mailx", "python3"),
           script("/usr/bin/python3", "-c", UNATTENDED_UPGRADES.replace("FUNCTION", "_send_mail_using_mailx")), REFUSED, DEFERRED, hides=False),
    Caller("apt-listchanges", ("apt-listchanges", "python3"), script("/usr/bin/python3", "-c", APT_LISTCHANGES), r"^0 .*refuse-550@.*Failed to send",
           r"^0 .*defer-451@.*Failed to send", sender="root@example.org", says=f"apt-listchanges: Mailing {TO}: {SUBJECT}\n", hides=False),
    Caller("alpine-like -bs", ("python3",), script("/usr/bin/python3", "-c", SMTP_ON_PIPES), r"^1 5\d\d .*refuse-550@", r"^1 4\d\d .*defer-451@"),
    Caller("debbugs-like -t and list", (), debbugs, REFUSED, DEFERRED),
)
