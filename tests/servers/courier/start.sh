#!/bin/sh
# Makes Courier's databases and starts its daemons: all of them end with this process.
set -e
umask 022
prefix=/usr exec_prefix=/usr sysconfdir=/etc/courier sbindir=/usr/sbin
mkdir -p /run/courier/authdaemon
chown -R courier:courier /run/courier
chmod 700 /etc/courier/userdb
makeuserdb
makealiases
makehosteddomains
makeacceptmailfor
makesmtpaccess

(
  set -a
  . /etc/courier/authdaemonrc
  DEBUG_LOGIN=1
  exec /usr/lib/courier/courier-authlib/authdaemond
) &
(
  cd /usr
  set -a
  . /etc/courier/courierd
  exec /usr/lib/courier/courier/courierd
) &

# What a session writes would go to the client.
touch $dir/log/sessions
chmod 666 $dir/log/sessions

# listen PORT [couriertls…]: one listener, with what the environment says of TLS and logins.
listen() {
  port=$$1
  shift
  cd /usr
  "$$@" /usr/sbin/couriertcpd -user=courier -group=courier -address=127.0.0.1 -access=/etc/courier/smtpaccess.dat \
    -maxprocs=40 -maxperc=40 -maxperip=40 -noidentlookup -nodnslookup "$$port" \
    /bin/sh -c 'exec "$$@" 2>>$dir/log/sessions' sh $$wrapper /usr/sbin/courieresmtpd &
}

set -a
. /etc/courier/esmtpd
MIME=none BOFHCHECKDNS=0 TARPIT=0 ESMTP_LOG_DIALOG=1
TLS_CERTFILE=/etc/courier/esmtpd.pem TLS_DHPARAMS= TLS_TRUSTCERTS=$dir/tls/ca.pem TCPLOCALPORT=
with_login="$mechanisms"
ESMTPAUTH="" ESMTPAUTH_TLS="$$with_login" AUTH_REQUIRED=1 ESMTP_TLS_REQUIRED=1
wrapper=""
listen $starttls env
# The client speaks TLS before anything else.
wrapper="/usr/bin/couriertls -server -tcpd"
ESMTPAUTH="$$with_login" ESMTPAUTH_TLS="$$with_login" SECURE_SMTP=1 ESMTP_TLS_REQUIRED=0
listen $implicit env SSLPORT=$implicit
wrapper=""
unset SECURE_SMTP
ESMTP_TLS_REQUIRED=0 COURIERTLS=
listen $clear env
ESMTPAUTH="" ESMTPAUTH_TLS="" AUTH_REQUIRED=0
listen $open env
wait
