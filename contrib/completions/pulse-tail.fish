complete -c pulse-tail -s n -l lines -d 'Only the last N, all, or +N: from the Nth on [default: 10; all with a cursor or --since]' -r
complete -c pulse-tail -s S -l since -d 'Only events from TIME on: "2026-11-22 17:00", 17:00, yesterday, -5min, "10 minutes ago"' -r
complete -c pulse-tail -s U -l until -d 'Only events until TIME' -r
complete -c pulse-tail -s c -l cursor -d 'Start at the event at CURSOR' -r
complete -c pulse-tail -l after-cursor -d 'Start after the event at CURSOR' -r
complete -c pulse-tail -l cursor-file -d 'Start after the cursor in FILE, if it exists, and save the cursor there' -r -F
complete -c pulse-tail -s t -l tag -d 'Only these tags; * matches any text (repeatable)' -r
complete -c pulse-tail -s p -l priority -d 'Only LEVEL and worse, or a range: err..alert' -r
complete -c pulse-tail -s u -l unit -d 'Only these systemd units; * matches any text (repeatable)' -r
complete -c pulse-tail -s g -l grep -d 'Only messages that match REGEX; case-insensitive unless it has a capital letter' -r
complete -c pulse-tail -l slower -d 'Only events that took longer than DUR: 100ms, 1m30s' -r
complete -c pulse-tail -s M -l host -d 'Only events of HOST, from that stream; * matches any text' -r
complete -c pulse-tail -s o -l output -d 'Print events in FORMAT' -r -f -a "short\t'as in journalctl: time, host, tag, message, fields'
short-iso\t'the same, with RFC 3339 times'
short-precise\t'the same, with microseconds'
short-full\t'the same, with weekday, date and time zone'
with-unit\t'as short-full, with the systemd unit instead of the tag'
json\t'the event line itself'
json-pretty\t'the same object on several lines'
cat\t'the message only'
logfmt\t'every key as key=value, on one line'
verbose\t'every key on a line of its own'"
complete -c pulse-tail -l color -d 'Color by level [auto: on a terminal, unless NO_COLOR is set]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c pulse-tail -l field -d 'Print the different values of NAME instead, a field or a key of MATCH' -r
complete -c pulse-tail -l count -d 'Exit after N events' -r
complete -c pulse-tail -l until-match -d 'Exit with 0 after the first of these events that matches; with 1 if none does' -r
complete -c pulse-tail -l timeout -d 'Exit with 124 after DUR' -r
complete -c pulse-tail -l socket -d 'Connect to the socket at PATH [env: PULSED_SOCKET] [default: your own agent\'s, else the system\'s]' -r -F
complete -c pulse-tail -l server -d 'Connect to the TCP bridge of an agent on another machine, with TLS [default PORT: 7465]' -r
complete -c pulse-tail -l ca -d 'Trust only the certificates in FILE (PEM) to sign the server\'s, not the system\'s' -r -F
complete -c pulse-tail -l token-file -d 'Read the token for the server from FILE [env: PULSED_TOKEN]' -r -F
complete -c pulse-tail -s f -l follow -d 'Wait for new events; survives a restart of the agent'
complete -c pulse-tail -s F -d 'As -f, as in tail: -f reconnects in any case'
complete -c pulse-tail -s r -l reverse -d 'Newest first'
complete -c pulse-tail -s b -l boot -d 'Only events since the agent last started'
complete -c pulse-tail -s m -l merge -d 'Events of all hosts, from the stream to which their agents forward'
complete -c pulse-tail -l utc -d 'Show times in UTC'
complete -c pulse-tail -l no-hostname -d 'Omit the host name'
complete -c pulse-tail -s a -l all -d 'Show long messages and values in full'
complete -c pulse-tail -s q -l quiet -d 'Print no notices on stderr'
complete -c pulse-tail -l show-cursor -d 'Print the last cursor at the end'
complete -c pulse-tail -l stats -d 'Show a summary instead: rate, tags, levels, durations, what is running now'
complete -c pulse-tail -l no-pager -d 'Accepted as in journalctl: there is no pager'
complete -c pulse-tail -s e -l pager-end -d 'Accepted as in journalctl: the newest events are shown last in any case'
complete -c pulse-tail -l web -d 'Print a link that signs you in to the monitor, once and within a minute'
complete -c pulse-tail -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulse-tail -s V -l version -d 'Print version'
