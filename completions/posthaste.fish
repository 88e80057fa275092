# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_posthaste_global_optspecs
    string join \n config= a/account= v/verbose h/help V/version
end

function __fish_posthaste_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_posthaste_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_posthaste_using_subcommand
    set -l cmd (__fish_posthaste_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c posthaste -n "__fish_posthaste_needs_command" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_needs_command" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_needs_command" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_needs_command" -s V -l version -d 'Print version'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "send" -d 'Write a message and send it'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "rewrite" -d 'Print the message on standard input as sendmail would send it'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "check" -d 'Connect and log in, report each step, send nothing'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "route" -d 'Say where a message would go, and whether somebody listens there'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "vrfy" -d 'Ask the server who somebody is (VRFY)'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "expn" -d 'Ask the server who is on a list (EXPN)'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "etrn" -d 'Ask the server to send what it keeps for a host (ETRN)'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "server-help" -d 'Ask the server what it says of itself, or of a command (HELP)'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "dkim" -d 'Make a key for DKIM signatures, or print its DNS record'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "tlsrpt" -d 'Sum up for a domain\'s owner how TLS with its mail exchangers went'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "sink" -d 'Catch mail with a small SMTP server on this machine'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "demo" -d 'Send a message to a sink of our own and show what happens'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "completions" -d 'Print a completion script'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "sendmail" -d 'Submit the message on standard input, as sendmail does'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "mailq" -d 'List the queue, as sendmail\'s mailq does (there is none yet)'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "newaliases" -d 'Check the alias file, as sendmail\'s newaliases does'
complete -c posthaste -n "__fish_posthaste_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l to -d 'Recipients; may be repeated, and may be a list' -r -f
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l cc -d 'Recipients of a copy' -r -f
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l bcc -d 'Recipients of a copy whom the message does not name' -r -f
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l from -d 'The author; without it, the account\'s' -r -f
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l reply-to -d 'Where answers go' -r -f
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l envelope-from -d 'Where bounces go; without it, to the author. \'\' is nowhere' -r -f
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -s s -l subject -d 'The subject' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -s b -l body -d 'The text. Without it and without HTML, standard input is read' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l body-file -d 'Read the text from this file; `-` is standard input' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l html -d 'The text as HTML, beside the plain one if there is one' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l html-file -d 'Read the HTML from this file; `-` is standard input' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l attach -d 'Attach a file, under a name of its own as NAME=PATH' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l inline -d 'Add a picture that the HTML shows as cid:CID' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l header -d 'Add a field to the header, as \'Name: value\'' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l batch -d 'Send the messages in these files, in one session, to those whom their headers name' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l dsn-notify -d 'When to be notified: never, or a list of success, failure and delay; off leaves it to the server' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l dsn-return -d 'What a notification brings back: full or hdrs; off leaves it to the server' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l dsn-envid -d 'What notifications call the message' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l deliver-by -d 'Deliver within this time, as 90, 15m, 2h or 1d, or not at all' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l hold-for -d 'Let the server hold the message for this time, as 90, 15m, 2h or 1d' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l hold-until -d 'Let the server hold the message until then, as 2026-12-24T18:00:00+01:00' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l mt-priority -d 'How urgent the message is, from -9 to 9' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l xclient -d 'Let the server take us for another client, as ADDR=192.0.2.7; for tests of its rules' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l require-tls -d 'Send only where TLS is promised all the way to the recipient (REQUIRETLS)'
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l direct -d 'Send to the mail exchangers of the recipients\' domains, and not to the account\'s server'
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -s n -l dry-run -d 'Print envelope and message, and connect to nobody'
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -l json -d 'Report in JSON, one object a line for each recipient'
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand rewrite" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand rewrite" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand rewrite" -l explain -d 'Show as a diff what is changed, in envelope and header, and by which rule'
complete -c posthaste -n "__fish_posthaste_using_subcommand rewrite" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand rewrite" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand check" -l xclient -d 'Let the server take us for another client, as ADDR=192.0.2.7' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand check" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand check" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand check" -l json -d 'Report in JSON, one object a line'
complete -c posthaste -n "__fish_posthaste_using_subcommand check" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand route" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand route" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand route" -l direct -d 'By way of the mail exchangers of the recipients\' domains, and not of the account\'s server'
complete -c posthaste -n "__fish_posthaste_using_subcommand route" -l json -d 'Report in JSON, one object a line for each route'
complete -c posthaste -n "__fish_posthaste_using_subcommand route" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand route" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand vrfy" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand vrfy" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand vrfy" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand vrfy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand expn" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand expn" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand expn" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand expn" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand etrn" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand etrn" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand etrn" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand etrn" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand server-help" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand server-help" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand server-help" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand server-help" -s h -l help -d 'Print help'
complete -c posthaste -n "__fish_posthaste_using_subcommand dkim" -l selector -d 'The name of the key\'s record below _domainkey' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand dkim" -l domain -d 'The domain whose mail is signed' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand dkim" -l type -d 'What kind of key is made' -r -f -a "rsa\t'RSA, which all verifiers know'
ed25519\t'Ed25519, which many do not know yet'"
complete -c posthaste -n "__fish_posthaste_using_subcommand dkim" -l bits -d 'How long a key of RSA is' -r -f -a "2048\t''
3072\t''
4096\t''"
complete -c posthaste -n "__fish_posthaste_using_subcommand dkim" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand dkim" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand dkim" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand dkim" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand tlsrpt" -l day -d 'The day in UTC, as 2026-11-28; without it, yesterday' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand tlsrpt" -l domain -d 'For the owner of this domain alone' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand tlsrpt" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand tlsrpt" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand tlsrpt" -l message -d 'Print the message with the report, for those whom the domain names in DNS'
complete -c posthaste -n "__fish_posthaste_using_subcommand tlsrpt" -l mbox -d 'Print the messages for all domains that want one, as an mbox'
complete -c posthaste -n "__fish_posthaste_using_subcommand tlsrpt" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand tlsrpt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l listen -d 'Listen here; a port alone is on loopback' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l tls-listen -d 'Listen here too, with TLS from the first octet' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l maildir -d 'Store messages in this Maildir, which is made; without it, print them' -r -f -a "(__fish_complete_directories)"
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l user -d 'Demand a login under this name; without it, any or none will do' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l password-file -d 'The file whose first line is the password' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l ca-file -d 'Write the certificate of its authority here, for a client\'s tls-ca-file' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l max-size -d 'Refuse larger messages; octets, or with K, M or G' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l count -d 'End after this many messages' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l json -d 'Report in JSON, one object a message'
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l lmtp -d 'Speak LMTP, with an answer for each recipient'
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l require-tls -d 'Take no mail in clear text'
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -l faults -d 'Fail as local parts ask: refuse-550@…, defer-451@…, data-refuse-554@…, data-defer-451@…, drop@…, data-drop@…'
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand sink" -s h -l help -d 'Print help'
complete -c posthaste -n "__fish_posthaste_using_subcommand demo" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand demo" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand demo" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand demo" -s h -l help -d 'Print help'
complete -c posthaste -n "__fish_posthaste_using_subcommand completions" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand completions" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand completions" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c posthaste -n "__fish_posthaste_using_subcommand sendmail" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand sendmail" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand sendmail" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand mailq" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand mailq" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand mailq" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand newaliases" -l config -d 'Read this configuration file and no other' -r -F
complete -c posthaste -n "__fish_posthaste_using_subcommand newaliases" -s a -l account -d 'Use this account of the configuration' -r
complete -c posthaste -n "__fish_posthaste_using_subcommand newaliases" -s v -l verbose -d 'Show the SMTP dialogue on stderr, with secrets masked'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "send" -d 'Write a message and send it'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "rewrite" -d 'Print the message on standard input as sendmail would send it'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "check" -d 'Connect and log in, report each step, send nothing'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "route" -d 'Say where a message would go, and whether somebody listens there'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "vrfy" -d 'Ask the server who somebody is (VRFY)'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "expn" -d 'Ask the server who is on a list (EXPN)'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "etrn" -d 'Ask the server to send what it keeps for a host (ETRN)'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "server-help" -d 'Ask the server what it says of itself, or of a command (HELP)'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "dkim" -d 'Make a key for DKIM signatures, or print its DNS record'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "tlsrpt" -d 'Sum up for a domain\'s owner how TLS with its mail exchangers went'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "sink" -d 'Catch mail with a small SMTP server on this machine'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "demo" -d 'Send a message to a sink of our own and show what happens'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "completions" -d 'Print a completion script'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "sendmail" -d 'Submit the message on standard input, as sendmail does'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "mailq" -d 'List the queue, as sendmail\'s mailq does (there is none yet)'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "newaliases" -d 'Check the alias file, as sendmail\'s newaliases does'
complete -c posthaste -n "__fish_posthaste_using_subcommand help; and not __fish_seen_subcommand_from send rewrite check route vrfy expn etrn server-help dkim tlsrpt sink demo completions sendmail mailq newaliases help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
