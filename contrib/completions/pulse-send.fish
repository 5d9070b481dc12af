complete -c pulse-send -s t -l tag -d 'What sends it, such as shop.query [env: PULSED_TAG] [default: your login name]' -r
complete -c pulse-send -s p -l priority -d 'How serious it is, as LEVEL or facility.LEVEL [default: info]' -r
complete -c pulse-send -s F -l field -d 'A field: key=text, or key:=json for a number, true, false or null' -r
complete -c pulse-send -l run -d 'What this event begins, or ends if it has a duration; with --time a name for CMD\'s run' -r
complete -c pulse-send -s f -l file -d 'Send each line of FILE' -r -F
complete -c pulse-send -s S -l size -d 'Cut messages that are longer than SIZE bytes, instead of having them refused' -r
complete -c pulse-send -s u -l socket -d 'The agent\'s socket [env: PULSED_SOCKET] [default: your own agent\'s, else the system\'s]' -r -F
complete -c pulse-send -s n -l server -d 'An agent on another machine, by its TCP bridge, under TLS [default PORT: 7465]' -r
complete -c pulse-send -l ca -d 'Trust only the certificates in FILE (PEM) to vouch for the server, not the system\'s' -r -F
complete -c pulse-send -l token-file -d 'The file that holds the token for the server [env: PULSED_TOKEN]' -r -F
complete -c pulse-send -l ack -d 'What to wait for [default: stored]' -r -f -a "none\t'Nothing: a refusal is not noticed'
stored\t'Written: survives the end of the agent'
synced\t'On the disk: survives a power cut'"
complete -c pulse-send -l timeout -d 'How long each wait for the agent may last [default: 1s]' -r
complete -c pulse-send -l id -d 'As -i; a given ID becomes the field pid' -r
complete -c pulse-send -l socket-errors -d 'Accepted for logger\'s sake: errors are always told' -r -f -a "on\t''
off\t''
auto\t''"
complete -c pulse-send -l json -d 'Each message is a JSON object: tag level msg run fields time'
complete -c pulse-send -s e -l skip-empty -d 'Skip empty lines'
complete -c pulse-send -l prio-prefix -d 'Take the level from a <N> in front of each line'
complete -c pulse-send -s s -l stderr -d 'Copy what is sent to stderr'
complete -c pulse-send -l no-act -d 'Do everything but send'
complete -c pulse-send -l cursor -d 'Print where the last event landed'
complete -c pulse-send -l time -d 'Run CMD; send its begin, and its end with duration and exit status'
complete -c pulse-send -s i -d 'Accepted for logger\'s sake: the agent records who sends'
complete -c pulse-send -s T -l tcp -d 'Accepted for logger\'s sake: nothing is ever sent as a datagram'
complete -c pulse-send -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulse-send -s V -l version -d 'Print version'
