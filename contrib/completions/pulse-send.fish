complete -c pulse-send -s t -l tag -d 'Name the source, such as shop.query [env: PULSED_TAG] [default: your login name]' -r
complete -c pulse-send -s p -l priority -d 'Set the severity: LEVEL or facility.LEVEL [default: info]' -r
complete -c pulse-send -s F -l field -d 'Add a field: key=text, or key:=json for a number, true, false or null' -r
complete -c pulse-send -l run -d 'Begin the run NAME, or end it if the event has a duration; with --time, name CMD\'s run' -r
complete -c pulse-send -s f -l file -d 'Send each line of FILE' -r -F
complete -c pulse-send -s S -l size -d 'Cut messages longer than SIZE bytes' -r
complete -c pulse-send -l ca -d 'Trust only the certificates in FILE (PEM) to sign the server\'s, not the system\'s' -r -F
complete -c pulse-send -l token-file -d 'Read the token for the server from FILE [env: PULSED_TOKEN]' -r -F
complete -c pulse-send -l ack -d 'Choose what to wait for [default: stored]' -r -f -a "none\t'Nothing: a refusal goes unnoticed'
stored\t'Written to history: survives the end of the agent'
synced\t'On disk: survives a power cut'
replicated\t'In the stream of all hosts: survives this machine'"
complete -c pulse-send -l timeout -d 'Limit each wait for the agent [default: 1s]' -r
complete -c pulse-send -l id -d 'As -i; a given ID becomes the field pid' -r
complete -c pulse-send -l socket-errors -d 'Accepted as in logger: errors are always reported' -r -f -a "on\t''
off\t''
auto\t''"
complete -c pulse-send -s P -l port -d 'The port of the server; no effect without --server' -r
complete -c pulse-send -l rfc5424 -d 'Accepted as in logger: the agent has a protocol of its own' -r
complete -c pulse-send -l msgid -d 'Add the field msgid' -r
complete -c pulse-send -l sd-id -d 'Accepted as in logger: the name of a field is that of its parameter' -r
complete -c pulse-send -l sd-param -d 'Add a field, as -F: name="value"' -r
complete -c pulse-send -s u -l socket -d 'Connect to the socket at PATH [env: PULSED_SOCKET] [default: your own agent\'s, else the system\'s]' -r -F
complete -c pulse-send -s n -l server -d 'Connect to the TCP bridge of an agent on another machine, with TLS [default PORT: 7465]' -r
complete -c pulse-send -l json -d 'Read each message as a JSON object, with our keys or those of another logger'
complete -c pulse-send -s e -l skip-empty -d 'Skip empty lines'
complete -c pulse-send -l prio-prefix -d 'Take the level from a <N> at the beginning of each line'
complete -c pulse-send -s s -l stderr -d 'Also print each message on stderr'
complete -c pulse-send -l no-act -d 'Do everything except sending'
complete -c pulse-send -l cursor -d 'Print the cursor of the last event'
complete -c pulse-send -l time -d 'Run CMD; send its begin, and its end with duration and exit status'
complete -c pulse-send -s i -d 'Accepted as in logger: the agent records the sender\'s pid in any case'
complete -c pulse-send -s T -l tcp -d 'Accepted as in logger: events are never sent as datagrams'
complete -c pulse-send -s d -l udp -d 'Accepted as in logger: events are never sent as datagrams'
complete -c pulse-send -l rfc3164 -d 'Accepted as in logger: the agent has a protocol of its own'
complete -c pulse-send -l octet-count -d 'Accepted as in logger: the agent has a protocol of its own'
complete -c pulse-send -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulse-send -s V -l version -d 'Print version'
